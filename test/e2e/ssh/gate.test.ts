// The rows of `gate` in the matrix: ssh, scp and sftp of its own, to a node that is dialed, one behind NAT and a plain sshd.
// Needs root, for the account that is logged in to, and sshd.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, NODE } from '#test/kit/cluster.ts';
import { freePort } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { BEHIND_NAT, openSshHouse, type SshHouse } from './house.ts';

const PLAIN = 'legacy-1';
let house: SshHouse;
let plain: ChildProcess;

beforeAll(async () => {
  house = await openSshHouse();
  plain = await startPlain();
}, 120_000);
afterAll(async () => {
  plain?.kill();
  await house?.stop();
});

/** A server that is enrolled as docs/guide/openssh.md says, and nothing more. */
async function startPlain(): Promise<ChildProcess> {
  const { cluster, path } = house;
  const port = await freePort();
  const signed = `--out=${path('plain')}`;
  must(await cluster.gatectl('auth', 'sign', '--format=openssh', `--host=${PLAIN}`, signed));
  writeFileSync(path('user-ca.pub'), must(await cluster.gatectl('auth', 'export', '--type=user')));
  writeFileSync(
    path('sshd.conf'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${path('plain')}
HostCertificate ${path('plain')}-cert.pub
TrustedUserCAKeys ${path('user-ca.pub')}
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
StrictModes no
Subsystem sftp internal-sftp
`,
  );
  await cluster.apply(`kind: node
version: v2
sub_kind: openssh
metadata: {name: ${PLAIN}, labels: {env: test}}
spec: {hostname: ${PLAIN}, addr: "127.0.0.1:${port}"}
`);
  return spawn('/usr/sbin/sshd', ['-D', '-f', path('sshd.conf')], { stdio: 'ignore' });
}

const at = (host: string): string => `${house.account.name}@${host}`;

describe.each([NODE, BEHIND_NAT, PLAIN])('gate, its own certificate, to %s', (host) => {
  it('ok: ssh runs a command, with both outputs and its exit code', async () => {
    await until('the server is up', async () => (await house.alice.gate('ssh', at(host), 'true')).code === 0);
    const ran = await house.alice.gate('ssh', at(host), 'id -un; echo no >&2; exit 3');
    expect(ran).toEqual({ code: 3, stdout: `${house.account.name}\n`, stderr: 'no\n' });
  });

  it('ok: scp and sftp, there and back', async () => {
    const data = Buffer.alloc(2_000_000, `${host} 0123456789 `);
    const [there, back] = [house.path(`there-${host}`), house.path(`back-${host}`)];
    writeFileSync(there, data);
    must(await house.alice.gate('scp', there, `${at(host)}:sent`));
    must(await house.alice.gate('scp', `${at(host)}:sent`, back));
    expect(readFileSync(back).equals(data)).toBe(true);
    const batch = house.path(`batch-${host}`);
    writeFileSync(batch, `rename sent renamed\nget renamed ${back}.2\nrm renamed\n`);
    must(await house.alice.gate('sftp', '-b', batch, at(host)));
    expect(readFileSync(`${back}.2`).equals(data)).toBe(true);
  });
});
