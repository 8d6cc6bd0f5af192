// The connection: takes the file for this process alone, sets how it is written, and checks what is in it.
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { GatehouseError } from '#core/errors/error.ts';
import { toStorageError } from './errors.ts';
import { journalNextTo } from './files.ts';
import type { JournalMode, SqliteOptions } from './options.ts';
import { isBackup, prepareSchema, type Prepared } from './schema.ts';

/** The lock is SQLite's own on the file, held until close; the kernel drops it when the process dies. */
const SETTINGS = `
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -32768;
PRAGMA journal_size_limit = 67108864;
`;

export function openDatabase(options: SqliteOptions): Prepared & { readonly db: DatabaseSync } {
  const { path, clock, sync = 'FULL', journal = 'WAL' } = options;
  let db: DatabaseSync | undefined;
  try {
    requireOwnJournal(path);
    db = new DatabaseSync(path, { timeout: 0, defensive: true, allowExtension: false });
    db.exec(SETTINGS);
    setJournal(db, path, journal);
    db.exec(`PRAGMA synchronous = ${sync}`);
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    const prepared = prepareSchema(db, path, clock.now());
    // From here on the file itself says that the journal next to it is its own; see requireOwnJournal.
    if (prepared.restored && journal === 'WAL') db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    if (options.maxBytes !== undefined) setMaxBytes(db, options.maxBytes);
    return { db, ...prepared };
  } catch (error) {
    db?.close();
    throw toStorageError(error, path);
  }
}

/**
 * A backup has no journal. One that lies next to it was left by the database that it replaced, and SQLite, which
 * cannot tell, would write the pages of that one into the backup.
 */
function requireOwnJournal(path: string): void {
  const journal = journalNextTo(path);
  if (journal === undefined || !isUnopenedBackup(path)) return;
  throw new GatehouseError(
    'STORAGE_FAILED',
    `${journal} was left by the database that the restored ${path} replaced; remove it and start again`,
    { details: { path: journal } },
  );
}

/** Looks at the file without its journal, lock or any change to it. */
function isUnopenedBackup(path: string): boolean {
  const url = pathToFileURL(path);
  url.searchParams.set('immutable', '1');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(url, { readOnly: true });
    return isBackup(db);
  } catch {
    // In the middle of a write the file may well be unreadable without its journal: then it is no backup.
    return false;
  } finally {
    db?.close();
  }
}

function setJournal(db: DatabaseSync, path: string, journal: JournalMode): void {
  const mode = String(db.prepare(`PRAGMA journal_mode = ${journal}`).get()?.['journal_mode']).toUpperCase();
  if (mode === journal) return;
  throw new GatehouseError(
    'STORAGE_FAILED',
    `${path} stays in journal mode ${mode}; it cannot be changed to ${journal}`,
  );
}

function setMaxBytes(db: DatabaseSync, maxBytes: number): void {
  const pageSize = Number(db.prepare('PRAGMA page_size').get()?.['page_size']);
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`);
}
