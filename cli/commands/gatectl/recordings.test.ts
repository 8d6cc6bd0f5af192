// The verbs about recordings, servers with plain sshd and proxies, on an auth service that runs.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { runCli, type CliMachine, type CliRun } from '#test/kit/cli.ts';
import { recordSessions } from '#test/kit/recordings.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { gatectl } from './program.ts';

let house: TestAuth;
let config: string;
const folder = tempFolder();
const [sid, hostile] = [randomUUID(), randomUUID()];

beforeAll(async () => {
  house = await startTestAuth();
  config = join(folder, 'gatehouse.yaml');
  writeFileSync(config, `gatehouse:\n  data_dir: ${house.dataDir}\n`);
  await recordSessions(house, [{ sid, user: 'joe', output: 'hello world\r\n' }]);
  await recordSessions(house, [{ sid: hostile, user: 'eve', output: 'a\u001b]0;pwned\u0007b\r\n' }], 'exec');
});
afterAll(() => house.close());

const run = (line: string, machine: CliMachine = {}): Promise<CliRun> =>
  runCli(gatectl, line, {
    home: folder,
    clock: house.clock,
    ...machine,
    env: { GATEHOUSE_CONFIG_FILE: config, ...machine.env },
  });

describe('recordings', () => {
  test('ok: ls, by user and kind, as a table and as JSON', async () => {
    const table = await run('recordings ls');
    expect(table.stdout).toMatch(/^ID +Type +User +Login +Server +Started +Ended +Status\n/);
    expect(table.stdout).toContain(sid);
    const only = await run('recordings ls --user=joe --kind=interactive --from=24h --format=json');
    expect(JSON.parse(only.stdout)).toMatchObject([{ sid, user: 'joe', status: 'closed', exit_code: 0 }]);
    expect((await run('recordings ls --kind=other')).exitCode).toBe(2);
  });

  test('ok: export as text to the screen, and as the documented file', async () => {
    expect((await run(`recordings export ${sid}`)).stdout).toBe('hello world\n');
    const path = join(folder, 'session.bytes');
    expect((await run(`recordings export ${sid} --as=bytes --out=${path}`)).exitCode).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('hello world\r\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await run(`recordings export ${sid} --as=bytes --out=${path}`)).exitCode).toBe(1);
    const cast = await run(`recordings export ${sid} --as=asciicast`);
    expect(JSON.parse(cast.stdout.split('\n')[0] ?? '')).toMatchObject({ version: 2, title: 'root@web-1' });
    expect(readdirSync(folder).filter((name) => name.endsWith('.draft'))).toEqual([]);
  });

  test('S27 what a session printed reaches no terminal raw', async () => {
    const text = await run(`recordings export ${hostile}`, { isTTY: true });
    expect(text.stdout).not.toContain('\u001b');
    expect(text.stdout).toContain('ab');
    const bytes = await run(`recordings export ${hostile} --as=bytes`, { isTTY: true });
    expect([bytes.exitCode, bytes.stdout]).toEqual([2, '']);
  });

  test('ok: verify says whole, and says what is not', async () => {
    const good = await run(`recordings verify ${sid}`);
    expect([good.exitCode, good.stdout]).toEqual([0, expect.stringContaining(`${sid} is whole: 1 segment,`)]);
    const path = join(house.dataDir, 'log', 'sessions', 'default', `${sid}.segment`);
    const bytes = readFileSync(path);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const bad = await run(`recordings verify ${sid} ${hostile}`);
    expect(bad.exitCode).toBe(1);
    expect(bad.stdout).toContain(`${sid} is NOT whole`);
    expect(bad.stdout).toContain(`${hostile} is whole`);
  });

  test('ok: rm, and then there is none', async () => {
    expect((await run(`recordings rm ${sid}`)).exitCode).toBe(0);
    const again = await run(`recordings rm ${sid}`);
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('there is no recording')]);
    expect((await run('recordings ls')).stdout).not.toContain(sid);
  });
});

describe('servers', () => {
  test('ok: a host certificate for plain sshd, as ssh-keygen reads it', async () => {
    const out = join(folder, 'ssh_host_gatehouse');
    const made = await run(`auth sign --format=openssh --host=bastion.example.org,192.0.2.9 --out=${out}`);
    expect([made.exitCode, made.stdout]).toEqual([0, expect.stringContaining('HostCertificate')]);
    const shown = execFileSync('ssh-keygen', ['-L', '-f', `${out}-cert.pub`], { encoding: 'utf8' });
    expect(shown).toMatch(/Type: ssh-ed25519-cert-v01@openssh.com host certificate/);
    for (const name of ['bastion.example.org', 'bastion.example.org.test.example.com', '192.0.2.9'])
      expect(shown).toMatch(new RegExp(`^\\s+${name.replaceAll('.', '\\.')}$`, 'm'));
    const exported = await run('auth export --type=user');
    expect(exported.stdout).toMatch(/ssh-ed25519 /);
  });

  test.each([
    ['auth sign --format=openssh --host=a --user=joe --out=x', '--user is not for a server'],
    ['auth sign --format=tls --host=a --out=x', '--host goes with --format=db or openssh'],
    ['auth sign --format=openssh --out=x', '--user is missing'],
    ['auth sign --format=db --out=x', '--host is missing'],
  ])('refuses: %s', async (line, message) => {
    const { exitCode, stderr } = await run(line);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('ok: proxies and live sessions are shown, and new nodes are sent to a proxy', async () => {
    const before = await run('nodes add');
    expect(before.stdout).not.toContain('gate.example.org');
    await house.put('proxy', 'p1', { hostname: 'edge-1', public_addrs: ['gate.example.org:443'] });
    await house.put('session', randomUUID(), {
      host_id: 'n1',
      server_id: 'n1',
      user: 'joe',
      created: '2026-01-01T00:00:00Z',
    });
    expect((await run('get proxies --format=text')).stdout).toContain('edge-1');
    expect((await run('get sessions')).stdout).toContain('user: joe');
    expect((await run('nodes add')).stdout).toContain('--auth-server=gate.example.org:443');
    expect((await run('nodes add --roles=node,proxy')).stdout).not.toContain('gate.example.org');
    expect((await run('tokens add --type=app')).stdout).toContain('--auth-server=gate.example.org:443');
  });
});
