// From SQLite's rows to ours.
import type { SQLOutputValue } from 'node:sqlite';
import type { StoredItem } from '../backend.ts';

export type Row = Record<string, SQLOutputValue>;

/** A row with the columns key, value, expires and revision. */
export function toItem(row: Row): StoredItem {
  return {
    key: String(row['key']),
    value: row['value'] instanceof Uint8Array ? row['value'] : new Uint8Array(),
    expires: optionalNumber(row['expires']),
    revision: String(row['revision']),
  };
}

export function optionalNumber(value: SQLOutputValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
