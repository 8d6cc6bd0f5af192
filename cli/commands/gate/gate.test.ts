// Signing up and in, on an auth service that runs; and what is left on the machine.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeOtpSecret, otpCode, otpCounter } from '#auth/accounts/otp.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { runCli, type CliMachine, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { gate } from './program.ts';
import { tokenOf } from './signup.ts';

let house: TestAuth;
let server: string;
let pin: string;
const folder = tempFolder();
const home = join(folder, 'home');
const password = join(folder, 'password');
const PASSWORD = 'correct horse battery staple';

beforeAll(async () => {
  house = await startTestAuth();
  server = `--auth-server=127.0.0.1:${house.auth.port}`;
  pin = `--ca-pin=${house.auth.authorities.caPins()[0]}`;
  mkdirSync(home);
  writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 });
});
afterAll(() => house.close());

const run = (line: string | readonly string[], machine: CliMachine = {}): Promise<CliRun> =>
  runCli(gate, line, { home, clock: house.clock, ...machine });
const invite = async (user: string): Promise<string> => {
  const body = { user, purpose: 'invite', roles: ['access'], traits: { logins: [user, 'root'] } };
  const answer = await house.call(house.admin, 'POST', '/v1/invites', body);
  return String(answer.body?.['url']);
};
const secondFactor = (value: string): Promise<void> =>
  house.put('cluster_auth_preference', 'cluster-auth-preference', { type: 'local', second_factor: value });
const file = `--password-file=${password}`;

describe('without a second factor', () => {
  beforeAll(() => secondFactor('off'));

  test('ok: signup by link, login, status for jq, plain ssh-keygen, logout', async () => {
    const link = await invite('joe');
    const signup = await run(`signup ${link} ${server} ${pin} ${file}`);
    expect(signup.exitCode).toBe(0);
    expect(signup.stdout).toBe(`joe is ready to sign in:\n  gate login ${server} --user=joe\n`);
    const again = await run(`signup ${link} ${server} ${pin} ${file}`);
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('the link is not valid')]);

    const login = await run(`login ${server} ${pin} --user=joe ${file}`);
    expect([login.stderr, login.exitCode]).toEqual(['', 0]);
    expect(login.stdout).toMatch(
      /^Cluster {5}test\.example\.com\nUser {8}joe\nRoles {7}access\nLogins {6}joe, root\nValid until \S+ \(in 12h\)\n\nUse it with: ssh -i /,
    );

    const status = await run('status -f json');
    expect(JSON.parse(status.stdout)).toMatchObject({
      active: { username: 'joe', cluster: 'test.example.com', logins: ['joe', 'root'] },
    });
    const key = join(home, '.gate/test.example.com/key');
    expect(execFileSync('ssh-keygen', ['-L', '-f', `${key}-cert.pub`], { encoding: 'utf8' })).toMatch(
      /Principals: \n\s+joe\n\s+root\n/,
    );
    expect(execFileSync('ssh-keygen', ['-y', '-f', key], { encoding: 'utf8' }).trim()).toBe(
      readFileSync(`${key}.pub`, 'utf8').trim(),
    );
    expect(readFileSync(join(home, '.gate/test.example.com/known_hosts'), 'utf8')).toMatch(
      /^@cert-authority \* ssh-ed25519 \S+\n$/,
    );
    for (const name of [
      '',
      '/_current',
      '/test.example.com',
      '/test.example.com/key',
      '/test.example.com/profile.json',
    ]) {
      expect(statSync(join(home, '.gate') + name).mode & 0o077).toBe(0);
    }

    expect((await run('logout')).stdout).toBe('Signed out of test.example.com.\n');
    expect(existsSync(join(home, '.gate/test.example.com'))).toBe(false);
    expect(await run('status')).toMatchObject({ exitCode: 1, stdout: 'Not signed in. Run `gate login`.\n' });
    expect(JSON.parse((await run('status -f json')).stdout)).toEqual({ active: null, profiles: [] });
    expect((await run('logout')).stdout).toBe('Not signed in.\n');
  });

  test('ok: a known cluster needs neither address nor pin; the password file may come from the environment', async () => {
    await run(`login ${server} ${pin} --user=joe ${file}`);
    const { exitCode, stderr } = await run('login --ttl=1h', {
      env: { USER: 'joe', GATEHOUSE_PASSWORD_FILE: password },
    });
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect((await run('status')).stdout).toContain('(in 1h)');
  });

  test('R40 ok: status tells when a login has expired, and a new one mends it', async () => {
    const short = await run(`login ${server} ${pin} --user=joe ${file} --ttl=90s`);
    expect(short.stderr).toBe('');
    await house.clock.advance(150_000);
    expect(await run('status')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('EXPIRED 1m ago'),
    });
    expect(await run(`login --user=joe ${file}`)).toMatchObject({ exitCode: 0 });
  });

  test('refuses: another cluster of the same name, before a password is asked for; the login stays', async () => {
    const other = await startTestAuth();
    try {
      const flags = `--auth-server=127.0.0.1:${other.auth.port} --ca-pin=${other.auth.authorities.caPins()[0]}`;
      const record = join(home, '.gate/test.example.com/profile.json');
      const before = readFileSync(record, 'utf8');
      const { exitCode, stderr } = await run(`login ${flags} --user=joe --password-file=/no/such`);
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringContaining('gate logout --cluster=test.example.com'),
      ]);
      expect(stderr).toContain('another cluster');
      expect(readFileSync(record, 'utf8')).toBe(before);
    } finally {
      await other.close();
    }
  });

  test('ok: a damaged profile does not stand in the way of login and logout', async () => {
    writeFileSync(join(home, '.gate/test.example.com/profile.json'), '{');
    expect((await run('status')).stderr).toContain('is damaged\n  Log in again');
    expect(await run(`login ${server} ${pin} --user=joe ${file}`)).toMatchObject({ exitCode: 0 });
  });
});

test('refuses: credential-process asks nothing on a terminal, where nobody sees the question', async () => {
  await secondFactor('off');
  await run(`signup ${await invite('cora')} ${server} ${pin} ${file}`);
  await run(`login ${server} ${pin} --user=cora ${file} --ttl=90s`);
  await house.clock.advance(150_000);
  const keys = Object.assign(Readable.from([]), { isTTY: true, setRawMode: () => {} });
  expect(await run('aws credential-process', { keys })).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(/^ERROR: the login of cora to test\.example\.com has expired\n/),
  });
});

describe('logout and sessions in browsers', () => {
  beforeAll(() => secondFactor('off'));
  const beginInBrowser = async (user: string): Promise<() => Promise<number>> => {
    await run(`signup ${await invite(user)} ${server} ${pin} ${file}`);
    const begun = await house.call(undefined, 'POST', '/v1/web/sessions', { user, password: PASSWORD });
    const cookie = { id: begun.body?.['id'], secret: begun.body?.['secret'], address: '192.0.2.1' };
    const proxy = house.issueHost(['proxy']);
    return async () => (await house.call(proxy, 'POST', '/v1/web/sessions/open', cookie)).status;
  };

  test('S12 they end with it, and nobody else’s', async () => {
    const wanda = await beginInBrowser('wanda');
    const willi = await beginInBrowser('willi');
    await run(`login ${server} ${pin} --user=wanda ${file}`);
    expect([await wanda(), await willi()]).toEqual([200, 200]);
    expect(await run('logout')).toMatchObject({ exitCode: 0, stderr: '' });
    expect([await wanda(), await willi()]).toEqual([401, 200]);
  });

  test('ok: a cluster that refuses keeps nobody from leaving', async () => {
    await run(`login ${server} ${pin} --user=wanda ${file}`);
    await house.remove('user', 'wanda');
    const left = await run('logout');
    expect(left).toMatchObject({ exitCode: 0, stdout: 'Signed out of test.example.com.\n' });
    expect(left.stderr).toContain('Sessions in browsers at test.example.com go on');
  });
});

describe('with a second factor', () => {
  beforeAll(() => secondFactor('otp'));

  test('ok: the key is shown on stderr, its code is taken once', async () => {
    const link = await invite('olga');
    const shown = await run(`signup ${link} ${server} ${pin} ${file}`);
    expect([shown.exitCode, shown.stdout]).toEqual([2, '']);
    expect(shown.stderr).toContain('there is no terminal to ask on; pass --otp');
    const secret = /secret=([A-Z2-7]+)/.exec(shown.stderr)?.[1] ?? '';
    const signup = await run(
      `signup ${tokenOf(link)} ${server} ${pin} ${file} --otp=${codeOf(secret, house.clock.now())}`,
    );
    expect([signup.exitCode, signup.stdout]).toEqual([0, expect.stringContaining('olga is ready')]);
    await house.clock.advance(60_000);
    const login = `login ${server} ${pin} --user=olga ${file}`;
    const otp = codeOf(secret, house.clock.now());
    expect(await run(`${login} --otp=${otp}`)).toMatchObject({ exitCode: 0 });
    const replay = await run(`${login} --otp=${otp}`);
    expect([replay.exitCode, replay.stderr]).toEqual([1, expect.not.stringContaining(PASSWORD)]);
    expect(await run(login)).toMatchObject({ exitCode: 2 });
  });
});

describe('refuses', () => {
  test.each([
    [
      'an unknown server without a pin',
      'login SERVER --user=joe FILE',
      2,
      'nobody is there to compare its CA pin',
    ],
    [
      'another pin',
      `login SERVER --ca-pin=sha256:${'0'.repeat(64)} --user=joe FILE`,
      1,
      'another certificate authority',
    ],
    ['no server at all', 'login --user=joe FILE', 2, '--proxy is missing'],
    ['no user', 'login SERVER PIN FILE', 2, '--user is missing'],
    ['no password', 'login SERVER PIN --user=joe', 2, 'pass --password-file'],
    [
      'a password file that is not there',
      'login SERVER PIN --user=joe --password-file=/no/x',
      1,
      'cannot read /no/x',
    ],
    ['a link that never was', 'signup 0123456789abcdef SERVER PIN FILE', 1, 'the link is not valid'],
    ['a password on the command line', 'login SERVER --user=joe --password=x', 2, '--password is not a flag'],
  ])('%s', async (_, line, code, message) => {
    const filled = line.replace('SERVER', server).replace('PIN', pin).replace('FILE', file);
    const { exitCode, stderr, stdout } = await run(filled, { home: join(folder, 'empty-home') });
    expect([exitCode, stdout]).toEqual([code, '']);
    expect(stderr).toContain(message);
  });

  test('a wrong password, without repeating it', async () => {
    await secondFactor('off');
    const wrong = join(folder, 'wrong');
    writeFileSync(wrong, 'swordfish-9000-x');
    const { exitCode, stderr } = await run(`login ${server} ${pin} --user=joe --password-file=${wrong} -d`);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('wrong')]);
    expect(stderr).not.toContain('swordfish');
  });

  test('S22 a ~/.gate that others may write', async () => {
    const open = join(folder, 'open-home');
    mkdirSync(join(open, '.gate'), { recursive: true });
    chmodSync(join(open, '.gate'), 0o775);
    const { exitCode, stderr } = await run(`login ${server} ${pin} --user=joe ${file}`, { home: open });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('can be written by other users\n  Run: chmod go-w'),
    ]);
  });
});

test('ok: the token of a link, with and without its surroundings', () => {
  const token = 'ab12';
  for (const link of [token, `https://p:3080/web/newuser/${token}`, `https://p/web/newuser/${token}/?x=1`]) {
    expect(tokenOf(link.replace('/?x=1', '/'))).toBe(token);
  }
});

const codeOf = (secret: string, now: number): string => otpCode(decodeOtpSecret(secret), otpCounter(now));
