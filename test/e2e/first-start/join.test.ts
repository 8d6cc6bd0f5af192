// A second machine: joins over loopback with token and pin, is listed, outlives the death of auth, and is refused when
// anything about it is wrong.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  freePort,
  loopbackConfig,
  runProgram,
  startDaemon,
  type DaemonSetup,
  type TestDaemon,
} from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

const started: TestDaemon[] = [];
const folders: string[] = [];
let auth: TestDaemon;
let authFolder: string;
let port: number;
let sshPort: number;
let pin: string;
let token: string;

const start = (setup: DaemonSetup): TestDaemon => {
  const daemon = startDaemon(setup);
  started.push(daemon);
  return daemon;
};
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'gatehouse-join-'));
  folders.push(made);
  return made;
};
const gatectl = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${auth.configPath}`, ...args]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
};
const authConfig = (): string => loopbackConfig(join(authFolder, 'data'), '', port);
/** The machine of this story has a port that stays; others take a free one. */
const nodeConfig = (folder: string, more = ''): string => `gatehouse:
  nodename: web-1
  data_dir: ${join(folder, 'data')}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
${more}
auth_service: {enabled: no}
ssh_service:
  listen_addr: 127.0.0.1:${folder === place ? sshPort : 0}
  labels: {role: web}
`;
const joinFlags = (more: Record<string, string> = {}): string[] => {
  const flags = { roles: 'node', token, 'auth-server': `127.0.0.1:${port}`, 'ca-pin': pin, ...more };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
};
const listed = async (): Promise<string | undefined> =>
  new RegExp(`^web-1 +(\\S+) +127\\.0\\.0\\.1:${sshPort} +(\\S+)$`, 'm').exec(
    await gatectl('nodes', 'ls'),
  )?.[1];

beforeAll(async () => {
  authFolder = folder();
  port = await freePort();
  sshPort = await freePort();
  auth = start({ folder: authFolder, config: authConfig() });
  await auth.ready();
  pin = /sha256:[0-9a-f]{64}/.exec(await gatectl('status'))?.[0] ?? '';
  token = (await gatectl('tokens', 'add', '--type=node', '--ttl=1h', '--format=text')).trim();
});
afterAll(async () => {
  for (const daemon of started) await daemon.stop();
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

let place: string;
let node: TestDaemon;
let hostId: string;

test('1. ok: a machine joins with token and pin, and is listed with its labels', async () => {
  place = folder();
  const args = [...joinFlags(), '--labels', 'arch=[1h:"uname -m"],env=test'];
  node = start({ folder: place, config: nodeConfig(place), args });
  await node.ready();
  hostId = (await listed()) ?? '';
  expect(hostId).toMatch(/^[0-9a-f-]{36}$/);
  expect(await gatectl('nodes', 'ls')).toMatch(/arch:\w+,env:test,role:web/);
  expect(node.log.filter(({ level }) => level === 'warn')).toEqual([]);
});

test('2. ok: auth is killed and comes back; nobody joins again', async () => {
  auth.kill('SIGKILL');
  await auth.ended;
  auth = start({ folder: authFolder, config: authConfig() });
  await auth.ready();
  expect(await listed()).toBe(hostId);
  // The last word of a node that is stopped reaches the new process with the old identity.
  expect(await node.stop()).toEqual({ code: 0, signal: null });
  await until('the node to be off the list', async () => (await listed()) === undefined);
});

test('3. ok: a later start needs neither token nor pin, and is the same machine', async () => {
  node = start({
    folder: place,
    config: nodeConfig(place, `  auth_servers: ["127.0.0.1:1", "127.0.0.1:${port}"]`),
  });
  await node.ready();
  expect(await listed()).toBe(hostId);
});

test('4. ok: it starts while auth is away, says that it is not ready, and is ready later', async () => {
  await node.stop();
  await auth.stop();
  node = start({ folder: place, config: nodeConfig(place, `  auth_server: 127.0.0.1:${port}`) });
  const url = await node.diagnostics();
  await until('the identity to be read', async () => {
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    const { reasons } = (await answer.json()) as { reasons: readonly string[] };
    return reasons.join() === 'node: does not know the cluster yet';
  });
  auth = start({ folder: authFolder, config: authConfig() });
  await node.ready();
  expect(await listed()).toBe(hostId);
});

test('5. ok: the documented file forms: a token file, join_params and ca_pin', async () => {
  const other = folder();
  writeFileSync(join(other, 'token'), `${token}\n`, { mode: 0o600 });
  const more = `  auth_server: 127.0.0.1:${port}
  join_params: {method: token, token_name: ${join(other, 'token')}}
  ca_pin: "${pin}"`;
  const daemon = start({ folder: other, config: nodeConfig(other, more) });
  await daemon.ready();
  expect(daemon.log.some(({ message }) => message.includes('pin'))).toBe(false);
  await daemon.stop();
});

async function refused(more: Record<string, string>): Promise<TestDaemon> {
  const other = folder();
  const daemon = start({ folder: other, config: nodeConfig(other), args: joinFlags(more) });
  expect((await daemon.ended).code).toBe(1);
  expect(() => readFileSync(join(other, 'data', 'identity.json'))).toThrow();
  for (const secret of [token, more['token']]) {
    if (secret !== undefined) expect(daemon.stderr).not.toContain(secret);
  }
  return daemon;
}

test('S7 refuses: a wrong pin, naming both, and keeps nothing', async () => {
  const wrong = `sha256:${'0'.repeat(64)}`;
  const daemon = await refused({ 'ca-pin': wrong });
  expect(daemon.stderr).toContain(wrong);
  expect(daemon.stderr).toContain(pin);
});

test('S8 refuses: unknown tokens, tokens of another role, and tokens that have expired', async () => {
  const unknown = await refused({ token: 'this-is-no-token' });
  expect(unknown.stderr).toContain('the join token is not valid');
  const app = (await gatectl('tokens', 'add', '--type=app', '--ttl=1h', '--format=text')).trim();
  await refused({ token: app });
  const short = 'a-token-that-ends-soon';
  const expires = new Date(Date.now() + 2000).toISOString();
  const path = join(folder(), 'token.yaml');
  writeFileSync(
    path,
    `kind: token\nmetadata: {name: ${short}, expires: "${expires}"}\nspec: {roles: [node]}\n`,
  );
  await runProgram('gatectl', [`--config=${auth.configPath}`, 'create', path]);
  expect(await gatectl('tokens', 'ls')).toContain(short);
  await until('the token to expire', async () => !(await gatectl('tokens', 'ls')).includes(short));
  await refused({ token: short });
});

test('S7 ok: without a pin it joins, and warns', async () => {
  const other = folder();
  const args = joinFlags().filter((flag) => !flag.startsWith('--ca-pin'));
  const daemon = start({ folder: other, config: nodeConfig(other), args });
  await daemon.ready();
  expect(daemon.log.find(({ message }) => message.includes('without a CA pin'))?.level).toBe('warn');
});

test('refuses: a damaged identity, which stays as it is', async () => {
  await node.stop();
  const path = join(place, 'data', 'identity.json');
  const text = readFileSync(path, 'utf8').replace('"node_name": "web-1"', '"node_name": "web-2"');
  writeFileSync(path, text);
  const daemon = start({ folder: place, config: nodeConfig(place), args: joinFlags() });
  expect((await daemon.ended).code).toBe(1);
  expect(daemon.stderr).toContain('is damaged');
  expect(readFileSync(path, 'utf8')).toBe(text);
});
