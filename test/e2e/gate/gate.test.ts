// A person at a terminal with `gate` and with plain OpenSSH, on an all-in-one cluster of real processes: signing in at the
// proxy, several clusters beside each other, what is listed, and the ssh_config that is printed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAccount, type TestAccount } from '#test/kit/account.ts';
import { CLUSTER, must, NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { runProgram } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

let cluster: TestCluster;
let alice: Person;
let account: TestAccount;

beforeAll(async () => {
  account = makeAccount();
  cluster = await startCluster();
  alice = await cluster.person('alice', ['access', 'editor'], [account.name]);
}, 60_000);
afterAll(async () => {
  await cluster.stop();
  account.remove();
});

/** The ProxyCommand finds the login by it. */
const environment = (): NodeJS.ProcessEnv => ({ ...process.env, HOME: alice.home });

const ssh = (config: string, ...args: readonly string[]) => {
  const path = join(alice.home, 'ssh_config');
  writeFileSync(path, config);
  return spawnSync('ssh', ['-F', path, ...args], { encoding: 'utf8', timeout: 30_000, env: environment() });
};

test('ok: gate status names the proxy; its data is for programs', async () => {
  const status = JSON.parse(must(await alice.gate('status', '-f', 'json'))) as { active: object };
  expect(status.active).toMatchObject({ username: 'alice', cluster: CLUSTER, proxy: cluster.web });
});

test('ok: gate ls shows servers, by labels and by words', async () => {
  expect(must(await alice.gate('ls'))).toMatch(
    new RegExp(`^Node Name +Address +Labels\\n-.*\\n${NODE} .*env=test`, 'm'),
  );
  expect(must(await alice.gate('ls', 'env=test,team=core', '--names'))).toBe(`${NODE}\n`);
  expect(must(await alice.gate('ls', 'env=prod', '--names'))).toBe('');
  expect(must(await alice.gate('ls', '--search=core', '--names'))).toBe(`${NODE}\n`);
  const found = JSON.parse(must(await alice.gate('ls', '-f', 'json'))) as { spec: { hostname: string } }[];
  expect(found.map(({ spec }) => spec.hostname)).toEqual([NODE]);
  expect(await alice.gate('ls', 'env')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('key=value'),
  });
});

test('ok: plain ssh by gate config, by the name with the cluster and by any name', async () => {
  const named = must(await alice.gate('config'));
  expect(ssh(named, `${account.name}@${NODE}.${CLUSTER}`, 'echo hello; exit 3')).toMatchObject({
    stdout: 'hello\n',
    status: 3,
  });
  const all = must(await alice.gate('config', '--match-all'));
  expect(ssh(all, `${account.name}@${NODE}`, 'cat', '/proc/self/comm')).toMatchObject({
    stdout: 'cat\n',
    status: 0,
  });
  const big = spawnSync('ssh', ['-F', join(alice.home, 'ssh_config'), `${account.name}@${NODE}`, 'cat'], {
    input: Buffer.alloc(20_000_000, 'gatehouse '),
    maxBuffer: 1e8,
    env: environment(),
  });
  expect(big.stdout.equals(Buffer.alloc(20_000_000, 'gatehouse '))).toBe(true);
});

test('refuses: a server that is not there, with an exit code for ssh', async () => {
  expect(await alice.gate('proxy', 'ssh', 'root@nowhere')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nowhere'),
  });
});

test('S30 refuses: a proxy of another cluster, whatever its name', async () => {
  const other = await startCluster();
  try {
    const home = join(alice.home, 'elsewhere');
    mkdirSync(home);
    const record = JSON.parse(readFileSync(join(alice.home, '.gate', CLUSTER, 'profile.json'), 'utf8')) as {
      proxy: { web: string };
    };
    record.proxy.web = other.web;
    mkdirSync(join(home, '.gate', CLUSTER), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, '.gate', CLUSTER, 'profile.json'), JSON.stringify(record), { mode: 0o600 });
    writeFileSync(join(home, '.gate', '_current'), `${CLUSTER}\n`, { mode: 0o600 });
    expect(
      await runProgram('gate', ['proxy', 'ssh', `${account.name}@${NODE}`], { HOME: home }),
    ).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/no proxy of this cluster/),
    });
  } finally {
    await other.stop();
  }
}, 60_000);

test('ok: a damaged or expired login is in the way of nobody who means another (R40)', async () => {
  const broken = join(alice.home, '.gate', 'broken.example.com');
  mkdirSync(broken, { mode: 0o700 });
  writeFileSync(join(broken, 'profile.json'), '{', { mode: 0o600 });
  expect(must(await alice.gate('ls', '--names'))).toBe(`${NODE}\n`);
  expect(must(await alice.gate(`--proxy=${cluster.web}`, 'ls', '--names'))).toBe(`${NODE}\n`);
  expect(await alice.gate('--cluster=broken.example.com', 'ls')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is damaged'),
  });
  must(await alice.gate('logout', '--cluster=broken.example.com'));
  expect(await alice.gate('--cluster=broken.example.com', 'ls')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('gate login --cluster=broken.example.com'),
  });
});

test('ok: gate env is read by a shell', async () => {
  const text = must(await alice.gate('env'));
  const shell = spawnSync(
    'sh',
    ['-c', `${text}\necho "$GATEHOUSE_PROXY $GATEHOUSE_CLUSTER $GATEHOUSE_USER"`],
    {
      encoding: 'utf8',
    },
  );
  expect(shell.stdout).toBe(`${cluster.web} ${CLUSTER} alice\n`);
});

test('ok: the ssh-agent has the certificate from login to logout, and only while it is good', async () => {
  const socket = join(alice.home, 'agent.sock');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  try {
    await until('the agent listens', () => existsSync(socket));
    const env = { HOME: alice.home, SSH_AUTH_SOCK: socket };
    const list = () =>
      spawnSync('ssh-add', ['-l'], { encoding: 'utf8', env: { ...process.env, ...env } }).stdout;
    const file = `--password-file=${join(alice.home, 'password')}`;
    must(await runProgram('gate', ['login', file], env));
    must(await runProgram('gate', ['login', file], env));
    expect(list().match(/gatehouse:alice@test\.example\.com \(ED25519-CERT\)/g)).toHaveLength(1);
    must(await runProgram('gate', ['logout', `--cluster=${CLUSTER}`], env));
    expect(list()).toContain('no identities');
    const common = [`--proxy=${cluster.web}`, `--ca-pin=${cluster.pin}`, '--user=alice', file];
    must(await runProgram('gate', ['login', ...common, '--add-keys-to-agent=no'], env));
    expect(list()).toContain('no identities');
  } finally {
    agent.kill();
  }
});

test('ok: gate login again needs neither address nor pin', async () => {
  const again = await alice.gate('login', `--password-file=${join(alice.home, 'password')}`);
  expect(again).toMatchObject({ code: 0, stderr: '' });
});
