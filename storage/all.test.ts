import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { openStorage, type StorageConfig } from './all.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-storage-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (config: StorageConfig) =>
  openStorage(config, { dataDir, clock: new FakeClock(), log: silentLog });

test.each<StorageConfig>([
  {},
  { type: 'sqlite' },
  { type: 'dir' },
  { type: 'sqlite', sync: 'NORMAL' },
  { type: 'sqlite', sync: 'OFF' },
  { type: 'sqlite', sync: false },
  { type: 'sqlite', sync: 'NORMAL', journal: 'WAL' },
  { type: 'dir', sync: 'full', journal: 'delete' },
  { type: 'sqlite', audit_events_uri: ['file:///x'], audit_sessions_uri: 's3://x/y', region: 'us-east-1' },
])('ok: %j opens the database of the data folder', async (config) => {
  const backend = await open(config);
  await backend.put({ key: 'a', value: Buffer.from('x') });
  await backend.close();
  expect(statSync(join(dataDir, 'backend', 'sqlite.db')).mode & 0o777).toBe(0o600);
});

test('ok: all these configurations share one database', async () => {
  const backend = await open({});
  expect(await backend.get('a')).toBeDefined();
  await backend.close();
});

test('ok: another folder, and memory', async () => {
  const elsewhere = join(dataDir, 'elsewhere');
  const backend = await open({ type: 'sqlite', path: elsewhere });
  await backend.close();
  expect(statSync(join(elsewhere, 'sqlite.db')).isFile()).toBe(true);
  const memory = await open({ type: 'memory' });
  await memory.close();
});

test.each<[StorageConfig, string, RegExp]>([
  [{ type: 'mysql' }, 'INVALID_CONFIG', /storage\.type must be one of sqlite, dir, memory/],
  [{ type: 'toString' }, 'INVALID_CONFIG', /storage\.type must be one of/],
  [{ type: 'etcd', peers: ['https://x'] }, 'NOT_SUPPORTED', /etcd comes with a later version/],
  [{ type: 'postgresql' }, 'NOT_SUPPORTED', /later version/],
  [{ type: 'dynamodb' }, 'NOT_SUPPORTED', /later version/],
  [{ type: 'firestore' }, 'NOT_SUPPORTED', /later version/],
  [{ type: 'cockroachdb' }, 'NOT_SUPPORTED', /later version/],
  [
    { type: 'sqlite', sync: 'SOMETIMES' },
    'INVALID_CONFIG',
    /storage\.sync must be one of EXTRA, FULL, NORMAL, OFF/,
  ],
  [{ type: 'sqlite', journal: 'OFF' }, 'INVALID_CONFIG', /storage\.journal must be one of WAL, DELETE/],
  [{ type: 'sqlite', journal: 'MEMORY' }, 'INVALID_CONFIG', /storage\.journal/],
  [{ type: 'sqlite', sink: 'FULL' }, 'INVALID_CONFIG', /storage\.sink is not an option of type sqlite/],
  [{ type: 'sqlite', path: 7 }, 'INVALID_CONFIG', /storage\.path/],
  [{ type: 'memory', path: '/x' }, 'INVALID_CONFIG', /storage\.path is not an option of type memory/],
])('refuses: %j with %s', async (config, code, message) => {
  await expect(open(config)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as string,
  });
});
