// From SQLite's result codes to ours. Separate because opening, reading, writing and backing up all need it.
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Code } from '#core/errors/codes.ts';

/** Primary result codes, https://sqlite.org/rescode.html */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The GatehouseError for whatever node:sqlite threw; ours pass as they are. */
export function toStorageError(error: unknown, path: string): GatehouseError {
  if (isCode(error)) return error;
  const [code, message] = describe(error, path);
  return new GatehouseError(code, message, { cause: error, details: { path } });
}

function describe(error: unknown, path: string): [code: Code, message: string] {
  switch (primaryCode(error)) {
    case BUSY:
    case LOCKED:
      return [
        'UNAVAILABLE',
        `another process uses ${path}; stop it first (\`fuser ${path}\` names it), then try again`,
      ];
    case CORRUPT:
    case NOTADB:
      return [
        'CORRUPT',
        `${path} is damaged or not a database; stop the service, keep a copy of the file, and put a backup in its place`,
      ];
    case FULL:
      return ['STORAGE_FULL', `no space is left for ${path}; nothing was half-written`];
    case IOERR:
      if (isDiskFull(path)) return ['STORAGE_FULL', `no space is left for ${path}; nothing was half-written`];
      return ['STORAGE_FAILED', `the disk of ${path} reported a failure; check the disk and the system log`];
    case READONLY:
    case CANTOPEN:
      return ['STORAGE_FAILED', `${path} cannot be opened for writing; check its owner, mode and mount`];
    default:
      return ['STORAGE_FAILED', `the database ${path} reported a failure`];
  }
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined;
  return error.errcode & 0xff;
}

/** SQLite tells a full disk apart from a failing one only on some calls. */
function isDiskFull(path: string): boolean {
  try {
    return statfsSync(dirname(path)).bavail === 0;
  } catch {
    return false;
  }
}
