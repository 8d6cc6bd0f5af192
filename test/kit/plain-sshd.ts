// A server without an agent: OpenSSH's own sshd, enrolled as docs/guide/openssh.md says and nothing more. One sshd may
// have the names of several servers. Needs root and sshd.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { must, type TestCluster } from './cluster.ts';
import { freePort } from './daemon.ts';

export interface PlainServers {
  readonly names: readonly string[];
  /** Where its files go. */
  readonly at: (file: string) => string;
  /** Default: none but `env: test`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Further lines of sshd_config. */
  readonly more?: readonly string[];
}

export interface PlainSshd {
  stop(): void;
}

/** Listens soon after; the caller stops it. */
export async function startPlainSshd(cluster: TestCluster, servers: PlainServers): Promise<PlainSshd> {
  const { names, at, labels = {}, more = [] } = servers;
  const port = await freePort();
  const key = at('plain-host');
  must(
    await cluster.gatectl('auth', 'sign', '--format=openssh', `--host=${names.join(',')}`, `--out=${key}`),
  );
  writeFileSync(at('user-ca.pub'), must(await cluster.gatectl('auth', 'export', '--type=user')));
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${key}`,
    `HostCertificate ${key}-cert.pub`,
    `TrustedUserCAKeys ${at('user-ca.pub')}`,
    'AuthorizedKeysFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'PidFile none',
    'StrictModes no',
    'Subsystem sftp internal-sftp',
    ...more,
  ];
  writeFileSync(at('sshd.conf'), `${config.join('\n')}\n`);
  mkdirSync('/run/sshd', { recursive: true });
  const documents = names.map((name) =>
    JSON.stringify({
      kind: 'node',
      version: 'v2',
      sub_kind: 'openssh',
      metadata: { name, labels: { env: 'test', ...labels } },
      spec: { hostname: name, addr: `127.0.0.1:${port}` },
    }),
  );
  await cluster.apply(documents.join('\n---\n'));
  const child = spawn('/usr/sbin/sshd', ['-D', '-f', at('sshd.conf')], { stdio: 'ignore' });
  return { stop: () => void child.kill() };
}
