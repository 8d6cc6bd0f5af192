// The statements on the table of items, prepared once.
import type { DatabaseSync } from 'node:sqlite';
import type { StoredItem } from '../backend.ts';
import type { CheckedRange } from '../bounds.ts';
import { optionalNumber, toItem } from './rows.ts';

export interface Head {
  readonly revision: number;
  readonly expires: number | undefined;
}

export type Items = ReturnType<typeof prepareItems>;

const SELECT = 'SELECT key, value, expires, revision FROM items WHERE (expires IS NULL OR expires > :now)';

export function prepareItems(db: DatabaseSync) {
  const head = db.prepare('SELECT revision, expires FROM items WHERE key = ?');
  const get = db.prepare(`${SELECT} AND key = :key`);
  const from = db.prepare(`${SELECT} AND key >= :low AND key < :end ORDER BY key LIMIT :limit`);
  const after = db.prepare(`${SELECT} AND key > :low AND key < :end ORDER BY key LIMIT :limit`);
  const put = db.prepare(
    'INSERT INTO items (key, value, expires, revision) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE ' +
      'SET value = excluded.value, expires = excluded.expires, revision = excluded.revision',
  );
  const remove = db.prepare('DELETE FROM items WHERE key = ?');
  const due = db.prepare('SELECT key FROM items WHERE expires <= ? ORDER BY expires LIMIT ?');
  const earliest = db.prepare('SELECT min(expires) AS expires FROM items WHERE expires IS NOT NULL');

  return {
    /** Also of an expired item. */
    head(key: string): Head | undefined {
      const row = head.get(key);
      return row && { revision: Number(row['revision']), expires: optionalNumber(row['expires']) };
    },
    get(key: string, now: number): StoredItem | undefined {
      const row = get.get({ key, now });
      return row && toItem(row);
    },
    /** The items of a range, read as they are taken. */
    range({ prefix, after: last, end, limit }: CheckedRange, now: number): Iterable<StoredItem> {
      const isAfter = last !== '' && last >= prefix;
      const parameters = { low: isAfter ? last : prefix, end, now, limit };
      return (isAfter ? after : from).iterate(parameters).map(toItem);
    },
    put(item: StoredItem, revision: number): void {
      put.run(item.key, item.value, item.expires ?? null, revision);
    },
    remove(key: string): void {
      remove.run(key);
    },
    /** Keys that have expired, longest ago first. */
    due(now: number, limit: number): string[] {
      return due.all(now, limit).map((row) => String(row['key']));
    },
    earliest(): number | undefined {
      return optionalNumber(earliest.get()?.['expires']);
    },
  };
}
