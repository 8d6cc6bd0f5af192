// One daemon from its first start to its end: files, health, signals, and what it refuses.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openApi } from '#client/api.ts';
import {
  loopbackConfig,
  runProgram,
  startDaemon,
  type DaemonSetup,
  type TestDaemon,
} from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

const started: TestDaemon[] = [];
const folders: string[] = [];
const start = (setup?: DaemonSetup): TestDaemon => {
  const daemon = startDaemon(setup);
  started.push(daemon);
  return daemon;
};
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'gatehouse-e2e-'));
  folders.push(made);
  return made;
};
async function cleanUp(): Promise<void> {
  for (const daemon of started.splice(0)) await daemon.stop();
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
}
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('a first start', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = start();
    await daemon.ready();
  });
  afterAll(cleanUp);

  test('1. ok: what is on the disk is for the owner alone', () => {
    expect(modeOf(daemon.dataDir)).toBe('700');
    const files = readdirSync(daemon.dataDir).sort();
    for (const name of [
      'admin-identity.json',
      'backend',
      'daemon.lock',
      'host_uuid',
      'identity.json',
      'log',
    ]) {
      expect(files).toContain(name);
    }
    for (const name of ['admin-identity.json', 'identity.json', 'host_uuid', 'daemon.lock']) {
      expect([name, modeOf(join(daemon.dataDir, name))]).toEqual([name, '600']);
    }
    expect(modeOf(join(daemon.dataDir, 'backend'))).toBe('700');
    const world = execFileSync('find', [daemon.dataDir, '-perm', '/007'], { encoding: 'utf8' });
    expect(world).toBe('');
  });

  test('2. ok: gatectl finds it, and its own node is listed', async () => {
    const status = await runProgram('gatectl', [`--config=${daemon.configPath}`, 'status']);
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toMatch(/^Cluster +test\.example\.com\n/);
    expect(status.stdout).toMatch(/^CA pin +sha256:[0-9a-f]{64}$/m);
    const nodes = await runProgram('gatectl', [`--config=${daemon.configPath}`, 'nodes', 'ls']);
    expect(nodes.stdout).toMatch(/^auth-1 +[0-9a-f-]{36} +127\.0\.0\.1:\d+ +env:test$/m);
  });

  test('3. S36 ok: health and metrics on an address of their own, and nothing else there', async () => {
    const url = await daemon.diagnostics();
    expect(await (await fetch(`${url}/readyz`)).text()).toBe('{"status":"ok"}');
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('{"status":"ok"}');
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await metrics.text();
    expect(text).toContain('gatehouse_build_info{version="');
    expect(text).toContain('gatehouse_auth_calls_total{route="POST /v1/heartbeat",status="200"}');
    expect(text).toContain('gatehouse_audit_events_total{type="instance.join"} 1');
    expect(text).not.toMatch(/PRIVATE|token="/);
    for (const path of ['/', '/v1/ping', '/metrics/', '/debug/pprof/', '/../etc/passwd']) {
      expect([path, (await fetch(`${url}${path}`)).status]).toEqual([path, 404]);
    }
    expect((await fetch(`${url}/readyz`, { method: 'POST' })).status).toBe(405);
    const auth = await daemon.authAddress();
    const insecure = await runProgram('gatectl', [`--config=${daemon.configPath}`, 'status', '-d']);
    expect(insecure.code).toBe(0);
    await expect(fetch(`http://${auth}/metrics`)).rejects.toThrow();
  });

  test('4. refuses: a second daemon on the same data folder, and says whose it is', async () => {
    const config = loopbackConfig(daemon.dataDir);
    const second = start({ config });
    const { code } = await second.ended;
    expect(code).toBe(1);
    expect(second.stderr).toContain(`is in use by process ${daemon.pid}`);
    expect(second.stderr).toContain('--data-dir');
    await daemon.ready();
  });

  test('5. refuses: a port that is in use, and says which', async () => {
    const place = folder();
    const port = Number((await daemon.authAddress()).split(':')[1]);
    const second = start({ folder: place, config: loopbackConfig(join(place, 'data'), '', port) });
    expect((await second.ended).code).toBe(1);
    expect(second.stderr).toContain(`127.0.0.1:${port}`);
    expect(second.stderr).toMatch(/another process/);
    expect(existsSync(join(place, 'data', 'daemon.lock'))).toBe(false);
  });

  test('6. ok: USR1 tells what it is doing, and nothing secret', async () => {
    daemon.kill('SIGUSR1');
    const process = await daemon.logged('diagnostics of the process');
    expect(process).toMatchObject({ pid: daemon.pid, memory: { rss: expect.any(Number) as number } });
    const auth = await daemon.logged('diagnostics of the auth service');
    expect(auth).toMatchObject({ ready: true, cluster: 'test.example.com' });
    expect(await daemon.logged('diagnostics of the agent')).toMatchObject({ ready: true });
    expect(daemon.stderr).not.toMatch(/PRIVATE KEY|Debugger listening/);
    await daemon.ready();
  });

  test('7. ok: TERM ends it within two seconds, code 0, nothing left behind', async () => {
    const began = performance.now();
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(2500);
    expect(existsSync(join(daemon.dataDir, 'daemon.lock'))).toBe(false);
    const refused = await runProgram('gatectl', [`--config=${daemon.configPath}`, 'status']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^ERROR: cannot reach/);
  });
});

describe('signals and files', () => {
  afterEach(cleanUp);

  test('ok: INT ends it as TERM does, within two seconds, with a feed open', async () => {
    const daemon = start();
    await daemon.ready();
    const admin = JSON.parse(readFileSync(join(daemon.dataDir, 'admin-identity.json'), 'utf8')) as {
      readonly auth_servers: string[];
      readonly tls_private_key: string;
      readonly tls_certificate: string;
      readonly tls_authorities: string[];
    };
    const api = openApi({
      addresses: admin.auth_servers,
      authorities: admin.tls_authorities,
      identity: { certificate: admin.tls_certificate, privateKey: admin.tls_private_key },
    });
    const feed = api.stream('/v1/watch?kinds=role', new AbortController().signal)[Symbol.asyncIterator]();
    await feed.next();
    const next = feed.next().catch(() => ({ done: true }));
    const metrics = await (await fetch(`${await daemon.diagnostics()}/metrics`)).text();
    expect(metrics).toContain('gatehouse_auth_calls_running{route="GET /v1/watch"} 2');
    const began = performance.now();
    daemon.kill('SIGINT');
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(2500);
    await next;
    api.close();
  });

  test('ok: the pid file replaces a stale one, and goes with the process', async () => {
    const place = folder();
    const pidFile = join(place, 'gatehouse.pid');
    writeFileSync(pidFile, '999999\n');
    const daemon = start({ folder: place, args: [`--pid-file=${pidFile}`] });
    await daemon.ready();
    expect(readFileSync(pidFile, 'utf8')).toBe(`${daemon.pid}\n`);
    expect(modeOf(pidFile)).toBe('644');
    await daemon.stop();
    expect(existsSync(pidFile)).toBe(false);
  });

  test('ok: after kill -9 it starts again as it was: same cluster, same host, stale lock and pid file replaced', async () => {
    const place = folder();
    const pidFile = join(place, 'gatehouse.pid');
    const args = [`--pid-file=${pidFile}`];
    const first = start({ folder: place, args });
    await first.ready();
    const hostId = (await first.logged('joined the cluster'))['hostId'];
    first.kill('SIGKILL');
    await first.ended;
    expect(existsSync(join(first.dataDir, 'daemon.lock'))).toBe(true);
    const second = start({ folder: place, args });
    await second.ready();
    expect(readFileSync(pidFile, 'utf8')).toBe(`${second.pid}\n`);
    second.kill('SIGUSR1');
    expect((await second.logged('diagnostics of the agent'))['hostId']).toBe(hostId);
    expect(second.log.some(({ message }) => message === 'a certificate authority was made')).toBe(false);
  });

  test('S18 ok: the machine of auth may be called as auth is, also when that changes', async () => {
    const place = folder();
    const first = start({ folder: place });
    await first.ready();
    const hostId = (await first.logged('joined the cluster'))['hostId'];
    await first.stop();
    const config = loopbackConfig(first.dataDir).replace('nodename: auth-1', 'nodename: auth-2');
    const second = start({ folder: place, config });
    await second.ready();
    expect((await second.logged('the certificates of this host were renewed'))['hostId']).toBe(hostId);
  });

  test('refuses: a data folder of somebody else; one that is open to others is closed', async (context) => {
    if (process.getuid?.() !== 0) context.skip('needs root to give a folder away');
    const place = folder();
    const dataDir = join(place, 'data');
    execFileSync('mkdir', [dataDir]);
    chmodSync(dataDir, 0o755);
    const open = start({ folder: place, config: loopbackConfig(dataDir) });
    await open.ready();
    expect(modeOf(dataDir)).toBe('700');
    await open.stop();
    execFileSync('chown', ['65534', dataDir]);
    const foreign = start({ folder: place, config: loopbackConfig(dataDir) });
    expect((await foreign.ended).code).toBe(1);
    expect(foreign.stderr).toContain('belongs to user id 65534');
    expect(foreign.stderr).toContain('chown');
  });

  test('ok: a log of text in a file', async () => {
    const place = folder();
    const log = join(place, 'gatehouse.log');
    const config = loopbackConfig(join(place, 'data')).replace(
      'format: {output: json}',
      `output: ${log}\n    format: {output: text}`,
    );
    const daemon = start({ folder: place, config });
    const line =
      /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO {2}\[AUTH\] {7}the auth service is ready address:127\.0\.0\.1:\d+ .* daemon\/services\.ts:\d+$/m;
    await until('the log file', () => existsSync(log) && line.test(readFileSync(log, 'utf8')));
    await daemon.stop();
    expect(readFileSync(log, 'utf8')).toContain('stopping');
    expect(daemon.stderr).toBe('');
  });

  test('refuses: a config that is not valid (with its line), files that are not there, no service', async () => {
    const place = folder();
    const bad = start({ folder: place, config: 'gatehouse:\n  datadir: /tmp/x\n' });
    expect((await bad.ended).code).toBe(1);
    expect(bad.stderr).toMatch(/line 2: .*datadir/);
    const none = await runProgram('gatehouse', ['start', '--config=/no/such/file.yaml']);
    expect(none).toMatchObject({ code: 1 });
    expect(none.stderr).toContain('/no/such/file.yaml');
    const roles = await runProgram('gatehouse', ['start', '--roles=kube', `--data-dir=${join(place, 'd')}`]);
    expect(roles.code).toBe(1);
    expect(roles.stderr).toContain('nothing would run');
    const unknown = await runProgram('gatehouse', ['start', '--rolez=auth']);
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toContain('--roles');
  });
});
