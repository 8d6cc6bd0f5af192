import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { inShell, tryInShell } from './shell.ts';

let daemon: TestDaemon;
let env: Record<string, string>;
beforeAll(async () => {
  daemon = startDaemon();
  env = { GATEHOUSE_CONFIG_FILE: daemon.configPath };
  await daemon.ready();
});
afterAll(() => daemon.stop());

describe('in a shell', () => {
  test('ok: the heredoc of the database guide, and editing a user through a file', async () => {
    const { stdout } = await inShell(
      `gatectl create <<EOF
kind: role
version: v3
metadata:
  name: db
spec:
  allow:
    db_labels:
      '*': '*'
    db_names:
    - '*'
    db_users:
    - '*'
EOF
gatectl users add --roles=access,db alice > /dev/null
cd ${daemon.folder}
gatectl get users/alice > out.yaml
sed -i 's/- db/- auditor/' out.yaml
gatectl create -f out.yaml
gatectl tokens add --type=app --ttl=1h --format=text > token
wc -l < token`,
      env,
    );
    expect(stdout).toBe('role "db" has been created\nuser "alice" has been updated\n1\n');
  });

  test('refuses: a heredoc whose second document is wrong; nothing is applied', async () => {
    const ran = await tryInShell(
      `gatectl create <<EOF
kind: role
metadata: {name: first}
spec: {}
---
kind: role
metadata: {name: second}
spec: {options: {max_session_ttl: never}}
EOF`,
      env,
    );
    expect([ran.code, ran.stdout]).toEqual([1, '']);
    expect(ran.stderr).toContain('document 2, line 7: spec.options.max_session_ttl');
    expect((await tryInShell('gatectl get role/first', env)).code).toBe(1);
  });

  test('ok: a reader that goes away early is no error', async () => {
    const { stdout, stderr } = await inShell('gatectl get roles | head -n 1', env);
    expect([stdout, stderr]).toEqual(['kind: role\n', '']);
  });

  test('ok: JSON for jq, errors as JSON on stderr', async () => {
    const { stdout } = await inShell(`gatectl status --format=json | jq -r .cluster_name`, env);
    expect(stdout).toBe('test.example.com\n');
    const failed = await tryInShell('gatectl get user/nobody --format=json', env);
    expect([failed.code, failed.stdout]).toEqual([1, '']);
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });

  test('ok: exit codes: 0, 1, 2', async () => {
    const { stdout } = await inShell(
      'set +e; gatectl status >/dev/null; echo $?; gatectl rm role/none 2>/dev/null; echo $?; gatectl rn 2>/dev/null; echo $?',
      env,
    );
    expect(stdout).toBe('0\n1\n2\n');
  });

  test('ok: a backup is a database of this user alone', async () => {
    const out = join(daemon.folder, 'backup.db');
    await inShell(`gatectl backup --out=${out}`, env);
    expect(readFileSync(out).subarray(0, 15).toString()).toBe('SQLite format 3');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const again = await tryInShell(`gatectl backup --out=${out}`, env);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('exists')]);
  });

  test('refuses: another user of the machine, and says what to do', async (context) => {
    if (process.getuid?.() !== 0) context.skip('needs root, to act as another user');
    const nobody = { uid: 65_534, gid: 65_534 };
    const config = join(daemon.folder, '..', `gatehouse-public-${process.pid}.yaml`);
    writeFileSync(config, readFileSync(daemon.configPath), { mode: 0o644 });
    const ran = await tryInShell(`gatectl --config ${config} status`, {}, nobody);
    await inShell(`rm ${config}`);
    expect([ran.code, ran.stdout]).toEqual([1, '']);
    expect(ran.stderr).toMatch(
      /^ERROR: you may not read .*\n {2}Run it as the user of the auth service \(sudo gatectl …\)/,
    );
  });

  test('refuses: clearly, when the service has stopped', async () => {
    const other = startDaemon();
    await other.ready();
    other.kill('SIGKILL');
    await other.ended;
    const ran = await tryInShell(`gatectl --config ${other.configPath} status`);
    await other.stop();
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(/^ERROR: cannot reach /)]);
  });
});

/** Milliseconds of processor time of the fastest of some runs: what it needs, whatever the machine is busy with. */
async function fastest(line: string): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const { stdout } = await inShell(`${line} > /dev/null; times`, { ...env, HOME: daemon.folder });
    const [user = 0, system = 0] = [...(stdout.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)].map(
      ([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1000,
    );
    times.push(user + system);
  }
  return Math.min(...times);
}

test('ok: starting up takes less than 150 ms of processor time for --help, 600 ms for status', async () => {
  expect(await fastest('gatectl --help')).toBeLessThan(150);
  expect(await fastest('gatectl status')).toBeLessThan(600);
});
