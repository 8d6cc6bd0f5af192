// The manual's move to a fresh backend, line by line, in a shell.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { inShell } from './shell.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bootstrap-'));
const path = (name: string): string => join(folder, name);
const running: TestDaemon[] = [];
afterAll(async () => {
  for (const daemon of running) await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Plain {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly revision?: string };
  readonly spec: object;
}

/** What must be the same after the move: everything but revisions. */
function comparable(text: string): Plain[] {
  return parseAllDocuments(text).map((document) => {
    const { metadata, ...rest } = document.toJS() as Plain;
    const { revision: _changes, ...kept } = metadata;
    return { ...rest, metadata: kept };
  });
}

async function start(name: string, ...args: string[]): Promise<TestDaemon> {
  const daemon = startDaemon({ folder: path(name), config: configs[name] ?? '', args });
  running.push(daemon);
  await daemon.authAddress();
  return daemon;
}

/** As in the manual, the fresh one has little more than a data folder: its cluster name comes from the state. */
const configs: Readonly<Record<string, string>> = {
  old: `gatehouse:\n  data_dir: ${path('old/data')}\n  log: {format: {output: json}}\nauth_service:\n  cluster_name: old.example.com\n  listen_addr: 127.0.0.1:0\nssh_service: {enabled: no}\nproxy_service: {enabled: no}\n`,
  fresh: `gatehouse:\n  data_dir: ${path('fresh/data')}\n  log: {format: {output: json}}\nauth_service:\n  listen_addr: 127.0.0.1:0\nssh_service: {enabled: no}\nproxy_service: {enabled: no}\n`,
};

describe.each([
  ['without secrets', 'get all', (kind: string) => kind !== 'cert_authority'],
  ['with secrets', 'get all --with-secrets', () => true],
])('moving to a fresh backend %s', (title, get, isKept) => {
  test('ok: the same resources, by the lines of the manual', async () => {
    for (const name of ['old', 'fresh']) {
      rmSync(path(name), { recursive: true, force: true });
      await inShell(`mkdir ${path(name)}`);
    }
    const old = await start('old');
    const gatectl = `gatectl --config ${old.configPath}`;
    await inShell(`${gatectl} create <<EOF
kind: role
version: v3
metadata:
  name: db
spec:
  allow:
    db_labels:
      '*': '*'
EOF
${gatectl} users add --roles=access,db alice > /dev/null
${gatectl} tokens add --type=node --ttl=1h --value=some-secret-token > /dev/null
${gatectl} lock --login=root > /dev/null
${gatectl} ${get} > ${path('state.yaml')}`);
    await old.stop();

    const fresh = await start('fresh', '--bootstrap', path('state.yaml'));
    const after = await runProgram('gatectl', ['--config', fresh.configPath, ...get.split(' ')]);
    expect(after.code).toBe(0);
    const before = comparable(readFileSync(path('state.yaml'), 'utf8'));
    const kept = (all: readonly Plain[]): Plain[] =>
      all.filter(({ kind }) => isKept(kind) && !LATER.has(kind));
    expect(kept(comparable(after.stdout))).toEqual(kept(before));
    expect(before.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['role', 'user', 'token', 'lock']));
    const status = await runProgram('gatectl', ['--config', fresh.configPath, 'status']);
    expect(status.stdout).toContain('Cluster  old.example.com\n');

    // Again with the flag: it has no effect any more.
    await inShell(`gatectl --config ${fresh.configPath} users rm alice`);
    await fresh.stop();
    const again = await start('fresh', '--bootstrap', path('state.yaml'));
    const users = await runProgram('gatectl', [
      '--config',
      again.configPath,
      'get',
      'users',
      '--format=json',
    ]);
    expect([title, JSON.parse(users.stdout)]).toEqual([title, []]);
    await again.stop();
  });
});

/** Written by the service itself at each start. */
const LATER = new Set(['audit_state', 'instance']);

test('refuses: a state file with an error; the service does not start', async () => {
  rmSync(path('fresh'), { recursive: true, force: true });
  await inShell(`mkdir ${path('fresh')}`);
  writeFileSync(path('bad.yaml'), 'kind: role\nmetadata: {name: x}\nspec: {alow: {}}\n');
  const daemon = startDaemon({
    folder: path('fresh'),
    config: configs['fresh'] ?? '',
    args: ['--bootstrap', path('bad.yaml')],
  });
  running.push(daemon);
  expect((await daemon.ended).code).not.toBe(0);
  expect(daemon.stderr).toContain('alow');
});
