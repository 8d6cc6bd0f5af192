// The statements on the table of items, prepared once.
import type { DatabaseSync } from 'node:sqlite';
import type { StoredItem } from '../backend.ts';
import type { CheckedRange } from '../bounds.ts';
import { optionalNumber, prepareRows, toItem, type Row } from './rows.ts';

export interface Head {
  readonly revision: number;
  readonly expires: number | undefined;
}

export type Items = ReturnType<typeof prepareItems>;

const SELECT = 'SELECT key, value, expires, revision FROM items WHERE';
const ALIVE = '(expires IS NULL OR expires > ?)';

export function prepareItems(db: DatabaseSync) {
  const head = prepareRows(db, 'SELECT revision, expires FROM items WHERE key = ?');
  const get = prepareRows(db, `${SELECT} key = ? AND ${ALIVE}`);
  const from = prepareRows(db, `${SELECT} key >= ? AND key < ? AND ${ALIVE} ORDER BY key LIMIT ?`);
  const after = prepareRows(db, `${SELECT} key > ? AND key < ? AND ${ALIVE} ORDER BY key LIMIT ?`);
  const put = db.prepare(
    'INSERT INTO items (key, value, expires, revision) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE ' +
      'SET value = excluded.value, expires = excluded.expires, revision = excluded.revision',
  );
  const remove = db.prepare('DELETE FROM items WHERE key = ?');
  const due = prepareRows(db, 'SELECT key FROM items WHERE expires <= ? ORDER BY expires LIMIT ?');
  const earliest = prepareRows(db, 'SELECT min(expires) FROM items WHERE expires IS NOT NULL');

  return {
    /** Also of an expired item. */
    head(key: string): Head | undefined {
      const row = head.first(key);
      return row && { revision: Number(row[0]), expires: optionalNumber(row[1]) };
    },
    get(key: string, now: number): StoredItem | undefined {
      const row = get.first(key, now);
      return row && toItem(row);
    },
    /** Rows of items, read as they are taken. */
    range({ prefix, after: last, end, limit }: CheckedRange, now: number): Iterable<Row> {
      if (last !== '' && last >= prefix) return after.each(last, end, now, limit);
      return from.each(prefix, end, now, limit);
    },
    put(item: StoredItem, revision: number): void {
      put.run(item.key, item.value, item.expires ?? null, revision);
    },
    remove(key: string): void {
      remove.run(key);
    },
    /** Keys that have expired, longest ago first. */
    due(now: number, limit: number): string[] {
      return Array.from(due.each(now, limit), ([key]) => String(key));
    },
    earliest(): number | undefined {
      return optionalNumber(earliest.first()?.[0]);
    },
  };
}
