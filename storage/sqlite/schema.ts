// The tables, their version, and what is checked before a file is trusted as our store.
import type { DatabaseSync } from 'node:sqlite';
import { GatehouseError } from '#core/errors/error.ts';
import { newHistoryRevision } from '../changes.ts';
import { fileIdentity } from './files.ts';
import type { Position } from './ledger.ts';

const SCHEMA_VERSION = 1;
/** "GHSE" in the header of the file tells our databases from others. */
const APPLICATION_ID = 0x47485345;

/**
 * `changes` is the log that watches resume from: one row per event, numbered without a gap, where all events of one
 * atomic write carry the position of the last of them as their revision. A null value is a delete.
 * `items` has a rowid: with values of a kilobyte, WITHOUT ROWID was measured at a fifth of the read speed.
 */
const TABLES = `
CREATE TABLE items (
  key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, expires INTEGER, revision INTEGER NOT NULL
) STRICT;
CREATE INDEX items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
CREATE TABLE changes (
  position INTEGER PRIMARY KEY, revision INTEGER NOT NULL, at INTEGER NOT NULL,
  key TEXT NOT NULL, value BLOB, expires INTEGER
) STRICT;
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

export interface Prepared {
  readonly position: Position;
  /** The file was copied or restored since it was last open here. */
  readonly restored: boolean;
}

/**
 * Makes the tables in an empty file; in another one checks them. INVALID_CONFIG when the file is another program's,
 * NOT_SUPPORTED when a newer Gatehouse wrote it, CORRUPT when it is damaged.
 */
export function prepareSchema(db: DatabaseSync, path: string, now: number): Prepared {
  const empty = numberOf(db, 'SELECT count(*) AS n FROM sqlite_schema') === 0;
  if (empty) {
    db.exec('BEGIN IMMEDIATE');
    createTables(db);
    writeMeta(db, 'home', fileIdentity(path));
    writeMeta(db, 'floor', newHistoryRevision(now, 0));
    db.exec('COMMIT');
  }
  requireOurs(db, path);
  requireSound(db, path);
  const restored = readMeta(db, 'home') !== fileIdentity(path);
  if (restored) startNewHistory(db, path, now);
  return { position: readPosition(db), restored };
}

/** Stands for a home in a copy that was never opened. */
const NO_HOME = 'backup';

/** Makes `meta` that of a copy of the store at `revision`. */
export function markAsBackup(db: DatabaseSync, revision: number): void {
  writeMeta(db, 'home', NO_HOME);
  writeMeta(db, 'floor', revision);
}

/** Whether the file is a backup that no store has been opened on. */
export function isBackup(db: DatabaseSync): boolean {
  return readMeta(db, 'home') === NO_HOME;
}

function readPosition(db: DatabaseSync): Position {
  const floor = Number(readMeta(db, 'floor'));
  const size = 'sum(length(key) + coalesce(length(value), 0))';
  return {
    revision: Math.max(floor, numberOf(db, 'SELECT coalesce(max(position), 0) AS n FROM changes')),
    floor,
    events: numberOf(db, 'SELECT count(*) AS n FROM changes'),
    bytes: numberOf(db, `SELECT coalesce(${size}, 0) AS n FROM changes`),
  };
}

function writeMeta(db: DatabaseSync, name: string, value: string | number): void {
  db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(
    name,
    value,
  );
}

function readMeta(db: DatabaseSync, name: string): unknown {
  return db.prepare('SELECT value FROM meta WHERE name = ?').get(name)?.['value'];
}

/** Inside the caller's transaction; the caller fills `meta`. */
export function createTables(db: DatabaseSync): void {
  db.exec(TABLES);
}

function requireOurs(db: DatabaseSync, path: string): void {
  if (numberOf(db, 'SELECT application_id AS n FROM pragma_application_id') !== APPLICATION_ID) {
    throw new GatehouseError(
      'INVALID_CONFIG',
      `${path} is the database of another program; name another path`,
    );
  }
  const version = numberOf(db, 'SELECT user_version AS n FROM pragma_user_version');
  if (version > SCHEMA_VERSION) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `${path} has schema version ${version}, this program knows up to ${SCHEMA_VERSION}; ` +
        'run the newer version again, or restore a backup made before the upgrade',
    );
  }
}

function requireSound(db: DatabaseSync, path: string): void {
  const finding = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (finding === 'ok') return;
  throw new GatehouseError(
    'CORRUPT',
    `${path} is damaged; stop the service, keep a copy of the file, and put a backup in its place`,
    { details: { path, finding: String(finding).slice(0, 200) } },
  );
}

/** What the copy's origin did after the copy is unknown here, so no watch may continue over this point. */
function startNewHistory(db: DatabaseSync, path: string, now: number): void {
  const last = readPosition(db).revision;
  db.exec('BEGIN IMMEDIATE');
  db.exec('DELETE FROM changes');
  writeMeta(db, 'floor', newHistoryRevision(now, last));
  writeMeta(db, 'home', fileIdentity(path));
  db.exec('COMMIT');
}

function numberOf(db: DatabaseSync, sql: string): number {
  return Number(db.prepare(sql).get()?.['n']);
}
