// Clients of others than OpenSSH, on the node itself: paramiko, Go's x/crypto/ssh and libssh, with the certificate that `gate
// login` left. Needs root, python3, go and a C compiler.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NODE } from '#test/kit/cluster.ts';
import { paramikoPython } from '#test/kit/paramiko.ts';
import { openSshHouse, type SshHouse } from './house.ts';

const CLIENTS = join(import.meta.dirname, 'clients');
let house: SshHouse;

beforeAll(async () => {
  house = await openSshHouse();
}, 120_000);
afterAll(() => house.stop());

test('ok: paramiko with a file certificate: a command with its exit code, a file by SFTP', async () => {
  const { account, alice, cluster } = house;
  const words = [join(CLIENTS, 'client.py'), String(cluster.nodePort), account.name, alice.key];
  expect(await house.run(paramikoPython(), [...words, 'id -un; exit 3'])).toEqual({
    code: 3,
    stdout: `${account.name}\n100000\n`,
    stderr: '',
  });
}, 120_000);

test('refuses: paramiko with a login that the certificate does not have', async () => {
  const { alice, cluster } = house;
  const words = [join(CLIENTS, 'client.py'), String(cluster.nodePort), 'nobody', alice.key, 'id'];
  expect(await house.run(paramikoPython(), words)).toMatchObject({ code: 255, stdout: '' });
}, 120_000);

test('ok: golang x/crypto/ssh with a file certificate, the server known by its certificate', async () => {
  const { account, alice, cluster } = house;
  const program = house.path('go-client');
  execFileSync('go', ['build', '-o', program, '.'], {
    cwd: join(CLIENTS, 'go'),
    env: { ...process.env, GOFLAGS: '-mod=mod', GOCACHE: house.path('go-cache') },
  });
  const at = `127.0.0.1:${cluster.nodePort}`;
  const words = (name: string): string[] => [
    at,
    name,
    account.name,
    alice.key,
    alice.knownHosts,
    'id -un; exit 4',
  ];
  expect(await house.run(program, words(NODE))).toEqual({ code: 4, stdout: `${account.name}\n`, stderr: '' });
  expect(await house.run(program, words('another-1'))).toMatchObject({ code: 255, stdout: '' });
}, 240_000);

test('ok: libssh with a file certificate: a command with its exit code, a file by SFTP', async () => {
  const { account, alice, cluster } = house;
  const program = house.path('libssh-client');
  execFileSync('cc', ['-O1', '-o', program, join(CLIENTS, 'libssh/client.c'), '-lssh']);
  const words = (login: string): string[] => [String(cluster.nodePort), login, alice.key, 'id -un; exit 3'];
  expect(await house.run(program, words(account.name))).toEqual({
    code: 3,
    stdout: `${account.name}\n100000\n`,
    stderr: '',
  });
  expect(await house.run(program, words('nobody'))).toMatchObject({ code: 255, stdout: '' });
}, 120_000);
