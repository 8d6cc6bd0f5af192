// The SQLite store against the storage contract, in each journal mode on offer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { silentLog } from '#core/log.ts';
import type { FakeClock } from '#test/kit/clock.ts';
import type { Backend } from '../backend.ts';
import { conformance } from '../conformance/suite.ts';
import { openSqlite } from './open.ts';
import type { SqliteOptions } from './options.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const journal of ['WAL', 'DELETE'] as const) {
  const paths = new Map<Backend, string>();
  let count = 0;
  const openAt = async (
    path: string,
    clock: FakeClock,
    extra: Partial<SqliteOptions> = {},
  ): Promise<Backend> => {
    const backend = await openSqlite({ path, clock, log: silentLog, sync: 'OFF', journal, ...extra });
    paths.set(backend, path);
    return backend;
  };
  const newPath = (): string => join(folder, journal, `${count++}`, 'store.db');
  conformance({
    name: `sqlite (${journal})`,
    open: (clock) => openAt(newPath(), clock),
    openShort: (clock) => openAt(newPath(), clock, { historyEvents: 1000, historyAgeMs: 60_000 }),
    reopen: (closed, clock) => openAt(paths.get(closed)!, clock),
    propertyRuns: 40,
  });
}
