// The statements on the change log, prepared once: what watches resume from after a restart, or when they are far
// behind.
import type { DatabaseSync } from 'node:sqlite';
import type { WatchBatch, WatchEvent } from '../backend.ts';
import { prepareRows, toItem, type Row } from './rows.ts';

export interface LogSize {
  readonly events: number;
  readonly bytes: number;
}

export interface LogRow {
  readonly revision: number;
  readonly at: number;
  readonly bytes: number;
}

export type ChangeLog = ReturnType<typeof prepareChangeLog>;

/** What an event counts against the limits of the log. */
const BYTES = 'length(key) + coalesce(length(value), 0)';

export function prepareChangeLog(db: DatabaseSync) {
  const append = db.prepare(
    'INSERT INTO changes (position, revision, at, key, value, expires) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const after = prepareRows(
    db,
    'SELECT key, value, expires, revision, position FROM changes WHERE position > ? ORDER BY position',
  );
  const oldest = prepareRows(
    db,
    `SELECT revision, at, ${BYTES} AS bytes FROM changes ORDER BY position LIMIT ?`,
  );
  const size = prepareRows(
    db,
    `SELECT count(*) AS events, coalesce(sum(${BYTES}), 0) AS bytes FROM changes WHERE position <= ?`,
  );
  const at = prepareRows(db, 'SELECT 1 FROM changes WHERE position = ?');
  const cut = db.prepare('DELETE FROM changes WHERE position <= ?');
  const setFloor = db.prepare("UPDATE meta SET value = ? WHERE name = 'floor'");

  return {
    /** Returns the bytes that the event counts. */
    append(position: number, revision: number, at: number, event: WatchEvent): number {
      if (event.type === 'delete') {
        append.run(position, revision, at, event.key, null, null);
        return event.key.length;
      }
      const { key, value, expires } = event.item;
      append.run(position, revision, at, key, value, expires ?? null);
      return key.length + value.byteLength;
    },
    /** Whole batches after a position, at least one if there is any, and not much more than `maxBytes`. */
    batchesAfter(position: number, maxBytes: number): WatchBatch[] {
      const batches: WatchBatch[] = [];
      let events: WatchEvent[] = [];
      let bytes = 0;
      for (const row of after.each(position)) {
        const event = toEvent(row);
        events.push(event);
        bytes += 200 + (event.type === 'put' ? event.item.value.byteLength : 0);
        const [, , , revision, at] = row;
        if (at !== revision) continue;
        batches.push({ revision: String(revision), events });
        if (bytes > maxBytes) break;
        events = [];
      }
      return batches;
    },
    has: (position: number): boolean => at.first(position) !== undefined,
    oldest(limit: number): LogRow[] {
      return Array.from(oldest.each(limit), ([revision, at, bytes]) => {
        return { revision: Number(revision), at: Number(at), bytes: Number(bytes) };
      });
    },
    /** Removes all up to a revision, after which no watch can start before it; returns what that was. */
    cut(revision: number): LogSize {
      const row = size.first(revision);
      cut.run(revision);
      setFloor.run(revision);
      return { events: Number(row?.[0]), bytes: Number(row?.[1]) };
    },
  };
}

function toEvent(row: Row): WatchEvent {
  const item = toItem(row);
  return row[1] === null ? { type: 'delete', key: item.key, revision: item.revision } : { type: 'put', item };
}
