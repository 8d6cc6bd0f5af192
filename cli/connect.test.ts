// How gatectl finds the service, and what it says when it cannot.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { runCli, type CliMachine, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { gatectl } from './commands/gatectl/program.ts';
import { saveProfile } from './profile/profile.ts';

let house: TestAuth;
const folder = tempFolder();
const path = (name: string): string => join(folder, name);
const SSH = { privateKey: 'k', publicKey: 'p', certificate: 'c', knownHosts: 'h' };

beforeAll(async () => {
  house = await startTestAuth();
  writeFileSync(path('good.yaml'), `gatehouse:\n  data_dir: ${house.dataDir}\n`);
  writeFileSync(path('empty.yaml'), `gatehouse:\n  data_dir: ${path('no-data')}\n`);
  mkdirSync(path('home'));
  const editor = await house.issueUser('edith', ['editor']);
  await saveProfile(
    { home: path('home'), uid: process.getuid?.(), clock: house.clock },
    {
      version: 1,
      cluster: 'test.example.com',
      user: 'edith',
      auth_servers: [`127.0.0.1:${house.auth.port}`],
      roles: ['editor'],
      logins: [],
      expires: new Date(editor.expires).toISOString(),
      tls_private_key: editor.privateKey,
      tls_certificate: editor.certificate,
      tls_authorities: [house.authority],
    },
    SSH,
  );
});
afterAll(() => house.close());

const status = (flags: string, machine: CliMachine = {}): Promise<CliRun> =>
  runCli(gatectl, `${flags} status`, {
    clock: house.clock,
    home: path('nobody'),
    configPaths: [path('empty.yaml')],
    ...machine,
  });

describe('finding the service', () => {
  test.each([
    ['--config', '--config GOOD', {}],
    ['-c', '-c GOOD', {}],
    ['GATEHOUSE_CONFIG_FILE', '', { env: { GATEHOUSE_CONFIG_FILE: 'GOOD' } }],
    ['--data-dir, as gatehouse start takes it', '--data-dir=DATA', {}],
    ['the login in the home folder', '', { home: 'HOME' }],
    ['the login, at another address', '--auth-server=SERVER', { home: 'HOME' }],
    ['several addresses, the first of which is dead', '-c GOOD --auth-server=127.0.0.1:1,SERVER', {}],
  ])('ok: by %s', async (_, flags, machine) => {
    const filled = (text: string): string =>
      text
        .replace('GOOD', path('good.yaml'))
        .replace('HOME', path('home'))
        .replace('DATA', house.dataDir)
        .replace('SERVER', `127.0.0.1:${house.auth.port}`);
    const { stdout, stderr, exitCode } = await status(
      filled(flags),
      JSON.parse(filled(JSON.stringify(machine))) as CliMachine,
    );
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(stdout).toContain('test.example.com');
  });

  test('ok: with a login, roles decide', async () => {
    const as = (line: string): Promise<CliRun> =>
      runCli(gatectl, line, { clock: house.clock, home: path('home'), configPaths: [path('empty.yaml')] });
    expect(await as('users ls')).toMatchObject({ exitCode: 0 });
    const denied = await as('get users --with-secrets');
    expect([denied.exitCode, denied.stderr]).toEqual([
      1,
      expect.stringMatching(/^ERROR: access denied \(denial [0-9a-f-]{36}\)\n/),
    ]);
    expect(await as('tokens ls')).toMatchObject({ exitCode: 0 });
  });
});

describe('refuses, and says what to do', () => {
  test.each([
    [
      'a config file that is not there',
      '-c /no/such.yaml',
      {},
      'ERROR: cannot read /no/such.yaml: there is no such file',
    ],
    ['a service that never ran', '-c EMPTY', {}, 'Start it with `gatehouse start`'],
    [
      'an address that is none',
      '-c GOOD --auth-server=::::',
      {},
      'ERROR: --auth-server: "::::" is not an address',
    ],
    [
      'nobody there',
      '-c GOOD --auth-server=127.0.0.1:1',
      {},
      'ERROR: cannot reach 127.0.0.1:1 (ECONNREFUSED)',
    ],
    ['an identity without an address', '--identity=x', {}, '--identity needs the address as well'],
    [
      'an identity file that is not there',
      '--identity=/no/x --auth-server=127.0.0.1:1',
      {},
      'cannot read /no/x: there is no such file',
    ],
    ['a pin that is none', '-c GOOD --ca-pin=sha256:12', {}, 'a CA pin must be sha256: and 64 hex digits'],
    [
      'another pin',
      `-c GOOD --ca-pin=sha256:${'0'.repeat(64)}`,
      {},
      'holds another certificate authority than the pinned one',
    ],
  ])('%s', async (_, flags, machine, message) => {
    const { exitCode, stdout, stderr } = await status(
      flags.replace('GOOD', path('good.yaml')).replace('EMPTY', path('empty.yaml')),
      machine,
    );
    expect([stdout, exitCode > 0]).toEqual(['', true]);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('internal error');
  });

  test('a file that was named is not replaced by a login', async () => {
    const { exitCode, stderr } = await status(`-c ${path('empty.yaml')}`, { home: path('home') });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('no auth service has run')]);
  });

  test('an expired local admin identity: the service does not run', async () => {
    const clock = new FakeClock(house.clock.now() + 25 * 3_600_000);
    const { stderr } = await status(`-c ${path('good.yaml')}`, { clock });
    expect(stderr).toContain('has expired\n  The auth service renews it while it runs');
  });

  test('an expired login', async () => {
    const clock = new FakeClock(house.clock.now() + 25 * 3_600_000);
    const { stderr } = await status('', { clock, home: path('home') });
    expect(stderr).toContain(
      'the login of edith to test.example.com has expired\n  Log in again with `gate login`.',
    );
  });

  test('a damaged local admin identity', async () => {
    mkdirSync(path('broken'));
    writeFileSync(join(path('broken'), 'admin-identity.json'), '{"version":1}', { mode: 0o600 });
    writeFileSync(path('broken.yaml'), `gatehouse:\n  data_dir: ${path('broken')}\n`);
    expect((await status(`-c ${path('broken.yaml')}`)).stderr).toContain('is damaged');
  });

  test('S22 a login folder that others may write, or that is a link', async () => {
    const open = path('open-home');
    mkdirSync(join(open, '.gate'), { recursive: true });
    chmodSync(join(open, '.gate'), 0o777);
    writeFileSync(join(open, '.gate', '_current'), 'test.example.com\n', { mode: 0o600 });
    expect((await status('', { home: open })).stderr).toContain('can be written by other users');
    mkdirSync(path('linked-home'));
    symlinkSync(join(path('home'), '.gate'), join(path('linked-home'), '.gate'));
    expect((await status('', { home: path('linked-home') })).stderr).toContain('is not a folder');
  });

  test('S26 a cluster name in the login folder cannot lead out of it', async () => {
    const trap = path('trap-home');
    mkdirSync(join(trap, '.gate'), { recursive: true, mode: 0o700 });
    writeFileSync(join(trap, '.gate', '_current'), '../../etc\n', { mode: 0o600 });
    expect((await status('', { home: trap })).stderr).toContain('the cluster name must be a DNS name');
  });
});
