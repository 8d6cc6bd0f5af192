// Stock OpenSSH through the proxy to a node: ProxyJump, the subsystem, one connection for many sessions, and what a person
// reads when something is refused. Needs `ssh`.
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { knownHostsCertAuthorityLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import { makeTestNode, NODE_ID, type TestNode } from '#test/kit/ssh-node.ts';
import { startTestProxy, type TestProxy } from '#test/kit/ssh-proxy.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { exitStatus } from '#wire/ssh/payloads.ts';
import { until } from '#test/kit/until.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PROXY_ID = 'aaaaaaaa-0000-4000-8000-000000000001';

let node: TestNode;
let proxy: TestProxy;
const folder = tempFolder();
let config: string;

beforeAll(async () => {
  node = makeTestNode({
    // Says what it hears, and ends in order.
    serveSession: (opening) => {
      const channel = opening.accept({
        onData(data) {
          channel.write(data);
          channel.consumed(data.length);
        },
        onEof() {
          channel.notify('exit-status', exitStatus.encode({ code: 7 }));
          channel.close();
        },
        onRequest: () => true,
      });
    },
  });
  node.view.putRole('access', { allow: { logins: ['root'], node_labels: { '*': '*' } } });
  const addr = await node.service.listen({ host: '127.0.0.1', port: 0 });
  const spec: NodeSpec = { hostname: 'web-1', addr, use_tunnel: false };
  node.view.putNode({ kind: 'node', version: 'v2', metadata: { name: NODE_ID }, spec });
  const twins = ['t1', 't2'].map((name) => ({ ...spec, hostname: 'twin', addr: `10.0.0.1:${name.length}` }));
  for (const [i, twin] of twins.entries()) {
    node.view.putNode({ kind: 'node', version: 'v2', metadata: { name: `twin-${i}` }, spec: twin });
  }
  proxy = await startTestProxy({
    clock: node.clock,
    view: node.view,
    hostId: PROXY_ID,
    key: node.hostKey(['proxy'], PROXY_ID),
  });
  config = writeConfig();
});
afterAll(async () => {
  await proxy.close();
  await node.close();
});

function writeConfig(): string {
  const joe = node.userKey('joe');
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const key = write('joe', openSshPrivateKey(joe.privateKey).reveal());
  write('joe-cert.pub', `${sshCertificateLine(parseSshCertificate(joe.certificate ?? new Uint8Array()))}\n`);
  const known = write(
    'known_hosts',
    `${knownHostsCertAuthorityLine(['*'], node.view.hostAuthority.publicKey)}\n`,
  );
  return write(
    'config',
    `Host *
  IdentityFile ${key}
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  GlobalKnownHostsFile none
  UserKnownHostsFile ${known}
  StrictHostKeyChecking yes
  LogLevel ERROR
  ControlPath ${folder}/%C
Host gate
  HostName 127.0.0.1
  Port ${proxy.port}
  User joe
  HostKeyAlias ${PROXY_ID}
Host web-1 twin absent
  HostKeyAlias ${NODE_ID}
  User root
`,
  );
}

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly said: string;
}

function ssh(args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', ['-F', config, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let said = '';
    child.stdout.on('data', (data: Buffer) => (out += data));
    child.stderr.on('data', (data: Buffer) => (said += data));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, said }));
    // It may leave before it has read all of it.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

const BY_SUBSYSTEM = `ProxyCommand=ssh -F CONFIG gate -s proxy:%n:%p`;
const bySubsystem = (): string[] => ['-o', BY_SUBSYSTEM.replace('CONFIG', config)];

it('ok: ssh -J, with the exit status of the other end', async () => {
  expect(await ssh(['-J', 'gate', 'web-1', 'cat'], 'hello')).toEqual({ code: 7, out: 'hello', said: '' });
});

it('ok: ProxyCommand with the subsystem proxy:host:port', async () => {
  expect(await ssh([...bySubsystem(), 'web-1', 'cat'], 'hello')).toEqual({ code: 7, out: 'hello', said: '' });
});

it('ok: 20 MB there and back, by both ways', async () => {
  const much = 'x'.repeat(20_000_000);
  for (const way of [['-J', 'gate'], bySubsystem()]) {
    const { out } = await ssh([...way, 'web-1', 'cat'], much);
    expect(out.length).toBe(much.length);
  }
});

it('ok: many sessions over one connection to the proxy', async () => {
  const master = ssh(['-M', '-N', 'gate']);
  await until('the master is there', async () => (await ssh(['-O', 'check', 'gate'])).code === 0);
  const all = await Promise.all(
    Array.from({ length: 10 }, (_, i) => ssh(['-J', 'gate', 'web-1', 'cat'], `n${i}`)),
  );
  expect(all.map(({ out }) => out)).toEqual(Array.from({ length: 10 }, (_, i) => `n${i}`));
  expect(proxy.door.counts.connections).toBe(1);
  await ssh(['-O', 'exit', 'gate']);
  await master;
});

it('refuses: with words that the person reads', async () => {
  const jump = async (host: string): Promise<string> =>
    (await ssh(['-o', `ProxyCommand=ssh -F ${config} -o LogLevel=INFO -W %n:%p gate`, host, 'cat'])).said;
  expect(await jump('absent')).toMatch(/no such server, or no access to it: absent \(denial [0-9a-f-]{36}\)/);
  expect(await jump('twin')).toMatch(/twin fits several servers; .*twin twin-0 10\.0\.0\.1:2, twin twin-1 /);
  const command = async (host: string): Promise<string> => (await ssh([...bySubsystem(), host, 'cat'])).said;
  expect(await command('absent')).toMatch(
    /no such server, or no access to it: absent \(denial [0-9a-f-]{36}\)/,
  );
});

it('S10 S26 refuses: a shell, a command, files and forwards at the proxy itself, and says what to do', async () => {
  for (const args of [['gate'], ['gate', 'id'], ['-tt', 'gate'], ['gate', '-s', 'sftp']]) {
    const { code, out, said } = await ssh(args);
    expect(code, args.join(' ')).not.toBe(0);
    expect(`${out}${said}`).toContain('this is the proxy of the cluster, which has no shell');
    expect(out).not.toContain('uid=');
  }
  const forward = await ssh(['-o', 'ExitOnForwardFailure=yes', '-N', '-R', '0:127.0.0.1:22', 'gate']);
  expect(forward.said).toMatch(/remote port forwarding failed/);
});
