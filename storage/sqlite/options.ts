// What an operator can set on the SQLite store, and the two SQLite settings that decide what a power loss costs.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';

/** How hard to push writes to the disk; https://sqlite.org/pragma.html#pragma_synchronous */
export const SYNC_MODES = ['EXTRA', 'FULL', 'NORMAL', 'OFF'] as const;
/** https://sqlite.org/pragma.html#pragma_journal_mode; MEMORY and OFF are not offered: a crash would damage the file. */
export const JOURNAL_MODES = ['WAL', 'DELETE', 'TRUNCATE', 'PERSIST'] as const;

export type SyncMode = (typeof SYNC_MODES)[number];
export type JournalMode = (typeof JOURNAL_MODES)[number];

export interface SqliteOptions {
  /** The database file; its folder is made (0700) when missing. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Default FULL: an acknowledged write survives a power loss. */
  readonly sync?: SyncMode;
  /** Default WAL: one disk flush per commit instead of three or more. */
  readonly journal?: JournalMode;
  /** How far back a watch can resume: events (100,000), bytes (128 MiB), age (24 h); the first bound reached counts. */
  readonly historyEvents?: number;
  readonly historyBytes?: number;
  readonly historyAgeMs?: number;
  /** Transactions longer than this are warned of; default 250. */
  readonly slowTransactionMs?: number;
  /** The database file grows to at most this; beyond, writes fail with STORAGE_FULL. Default: the disk is the bound. */
  readonly maxBytes?: number;
  /** Milliseconds for measuring durations; default `performance.now`. */
  readonly stopwatch?: () => number;
}

/** A mode as the config file says it, in either case; INVALID_CONFIG names what is allowed. */
export function parseSyncMode(value: unknown): SyncMode {
  // An unquoted OFF is a boolean to some YAML readers.
  return parseMode('sync', value === false ? 'OFF' : value, SYNC_MODES);
}

export function parseJournalMode(value: unknown): JournalMode {
  return parseMode('journal', value, JOURNAL_MODES);
}

function parseMode<Mode extends string>(field: string, value: unknown, allowed: readonly Mode[]): Mode {
  const text = typeof value === 'string' ? value.toUpperCase() : undefined;
  const mode = allowed.find((candidate) => candidate === text);
  if (mode !== undefined) return mode;
  throw new GatehouseError('INVALID_CONFIG', `storage.${field} must be one of ${allowed.join(', ')}`, {
    details: { field: `storage.${field}` },
  });
}
