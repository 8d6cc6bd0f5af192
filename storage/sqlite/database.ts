// The connection: takes the file for this process alone, sets how it is written, and checks what is in it.
import { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import { toStorageError } from './errors.ts';
import type { JournalMode, SqliteOptions } from './options.ts';
import { prepareSchema, type Prepared } from './schema.ts';

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
    db = new DatabaseSync(path, { timeout: 0, defensive: true, allowExtension: false });
    db.exec(SETTINGS);
    setJournal(db, path, journal);
    db.exec(`PRAGMA synchronous = ${sync}`);
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    const prepared = prepareSchema(db, path, clock.now());
    if (options.maxBytes !== undefined) setMaxBytes(db, options.maxBytes);
    return { db, ...prepared };
  } catch (error) {
    db?.close();
    throw toStorageError(error, path);
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
