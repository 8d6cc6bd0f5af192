// What gate and gatectl leave on a disk, used by the OpenSSH of the machine: `gate login`, then ssh -i into an sshd that
// trusts what `gatectl auth export` printed. Needs root, to run sshd.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { inShell, tryInShell } from './shell.ts';

let daemon: TestDaemon;
let sshd: ChildProcess | undefined;
let sshdLog = '';
let env: Record<string, string>;
let port: number;
const at = (name: string): string => join(daemon.folder, name);

beforeAll(async () => {
  daemon = startDaemon();
  env = { GATEHOUSE_CONFIG_FILE: daemon.configPath, HOME: at('home') };
  mkdirSync(at('home'));
  await daemon.ready();
  port = await freePort();
});
afterAll(async () => {
  sshd?.kill('SIGTERM');
  await daemon.stop();
});

test('ok: a login with gate is a login with plain ssh, for the logins of the user and no others', async (context) => {
  if (process.getuid?.() !== 0) context.skip('needs root, to run sshd');
  await startSshd();
  const address = await daemon.authAddress();
  writeFileSync(at('password'), 'correct horse battery', { mode: 0o600 });
  await inShell(
    `printf 'kind: cluster_auth_preference\\nspec: {second_factor: off}\\n' | gatectl create -f > /dev/null
pin=$(gatectl status --format=json | jq -r '.ca_pins[0]')
token=$(gatectl users add joe root --format=json | jq -r .token)
gate signup $token --auth-server=${address} --ca-pin=$pin --password-file=${at('password')} > /dev/null
gate login --user=joe --auth-server=${address} --ca-pin=$pin --password-file=${at('password')} > /dev/null
gatectl auth sign --format=openssh --user=joe --out=${at('signed')} > /dev/null`,
    env,
  );
  const common = `-F none -p ${port} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes`;
  const ssh = (key: string, login: string) =>
    tryInShell(`ssh -q ${common} -i ${key} ${login}@127.0.0.1 'echo in as $(id -un)'`, env);

  const key = at('home/.gate/test.example.com/key');
  expect(await ssh(key, 'root')).toMatchObject({ code: 0, stdout: 'in as root\n' });
  expect(await ssh(at('signed'), 'root')).toMatchObject({ code: 0, stdout: 'in as root\n' });
  expect((await ssh(key, 'nobody')).code).toBe(255);
  await inShell('gate logout > /dev/null', env);
  expect((await ssh(key, 'root')).code).toBe(255);
});

async function startSshd(): Promise<void> {
  mkdirSync('/run/sshd', { recursive: true });
  await inShell(
    `gatectl auth export --type=user > ${at('user-ca.pub')}; ssh-keygen -q -t ed25519 -N '' -f ${at('host-key')}`,
    env,
  );
  writeFileSync(
    at('sshd.conf'),
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${at('host-key')}\nPidFile none\nTrustedUserCAKeys ${at('user-ca.pub')}\nAuthorizedKeysFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n`,
  );
  sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  sshd.stderr?.on('data', (part: Buffer) => (sshdLog += part.toString()));
  await until('sshd to listen', () => sshdLog.includes('listening on 127.0.0.1'));
}
