// Statements whose rows come as arrays, which node:sqlite makes about twice as fast as objects; and from rows to items.
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { StoredItem } from '../backend.ts';

/** The columns in the order of the SELECT. */
export type Row = readonly (SQLOutputValue | undefined)[];

export interface RowStatement {
  first(...parameters: SQLInputValue[]): Row | undefined;
  /** Rows as they are taken; the iteration must be ended or left by `break` before the next statement. */
  each(...parameters: SQLInputValue[]): Iterable<Row>;
}

export function prepareRows(db: DatabaseSync, sql: string): RowStatement {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return {
    first: (...parameters) => statement.get(...parameters) as unknown as Row | undefined,
    each: (...parameters) => statement.iterate(...parameters) as unknown as Iterable<Row>,
  };
}

/** A row that begins with the columns key, value, expires, revision. */
export function toItem([key, value, expires, revision]: Row): StoredItem {
  return {
    key: String(key),
    value: value instanceof Uint8Array ? value : new Uint8Array(),
    expires: optionalNumber(expires),
    revision: String(revision),
  };
}

export function optionalNumber(value: SQLOutputValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
