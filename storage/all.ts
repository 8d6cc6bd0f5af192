// The list of backends. Adding one is a folder, a line here, and its run of the conformance suite.
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Backend } from './backend.ts';
import { openMemory } from './memory/open.ts';
import { openSqlite } from './sqlite/open.ts';
import { parseJournalMode, parseSyncMode } from './sqlite/options.ts';

/** The `storage` section of the config file, as it was written there. */
export interface StorageConfig {
  readonly type?: string | undefined;
  readonly [option: string]: unknown;
}

export interface StorageDeps {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface StorageType {
  /** Options of the section besides `type`. */
  readonly options: readonly string[];
  open(config: StorageConfig, deps: StorageDeps): Promise<Backend>;
}

const sqlite: StorageType = {
  options: ['path', 'sync', 'journal'],
  async open({ path, sync, journal }, { dataDir, clock, log }) {
    if (path !== undefined && (typeof path !== 'string' || path === '')) {
      throw invalid('path', 'storage.path must be the folder for the database');
    }
    return openSqlite({
      path: join(path ?? join(dataDir, 'backend'), 'sqlite.db'),
      clock,
      log: log.child({ part: 'storage' }),
      ...(sync === undefined ? {} : { sync: parseSyncMode(sync) }),
      ...(journal === undefined ? {} : { journal: parseJournalMode(journal) }),
    });
  },
};

const memory: StorageType = {
  options: [],
  open: async (_config, { clock }) => openMemory({ clock }),
};

const STORAGE_TYPES: Readonly<Record<string, StorageType>> = { sqlite, dir: sqlite, memory };

/** Options of the same section that are about the audit log and recordings, and not for this room to judge. */
const ELSEWHERE = /^(?:audit_.*|region|credentials_path)$/;

/** Types that the config file may know already and this version does not have. */
const LATER = ['etcd', 'postgresql', 'dynamodb', 'firestore', 'cockroachdb'];

/**
 * Opens the configured store, SQLite in the data folder when no type is given; the caller closes it. INVALID_CONFIG
 * for unknown types and options, NOT_SUPPORTED for types that come later, otherwise as the backend says.
 */
export async function openStorage(config: StorageConfig, deps: StorageDeps): Promise<Backend> {
  const { type = 'sqlite', ...options } = config;
  const known = Object.keys(STORAGE_TYPES).join(', ');
  const storage = Object.hasOwn(STORAGE_TYPES, type) ? STORAGE_TYPES[type] : undefined;
  if (storage === undefined) {
    if (!LATER.includes(type)) throw invalid('type', `storage.type must be one of ${known}`);
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `storage.type ${type} comes with a later version; use one of ${known}`,
      {
        details: { field: 'storage.type' },
      },
    );
  }
  for (const option of Object.keys(options)) {
    if (storage.options.includes(option) || ELSEWHERE.test(option)) continue;
    const allowed = ['type', ...storage.options].join(', ');
    throw invalid(option, `storage.${option} is not an option of type ${type}; allowed are ${allowed}`);
  }
  return storage.open(config, deps);
}

function invalid(field: string, message: string): GatehouseError {
  return new GatehouseError('INVALID_CONFIG', message, { details: { field: `storage.${field}` } });
}
