// Opens the store of recordings that the configuration names. Apart from main.ts, which only connects.
import { join, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { openDirRecordings } from '#recordings/dir/store.ts';
import type { RecordingStore } from '#recordings/store.ts';

export interface OpenRecordingsOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** `file:///path`, or a path; unset takes `<data_dir>/log/sessions`. */
  readonly auditSessionsUri?: string | undefined;
}

/** The caller closes it. NOT_SUPPORTED for stores that are not part of this release; STORAGE_* when the folder fails. */
export function openRecordings(options: OpenRecordingsOptions): Promise<RecordingStore> {
  return openDirRecordings({ path: pathOf(options), clock: options.clock });
}

function pathOf({ dataDir, auditSessionsUri: uri }: OpenRecordingsOptions): string {
  if (uri === undefined) return join(dataDir, 'log', 'sessions');
  if (isAbsolute(uri)) return uri;
  if (uri.startsWith('file:///')) return fileURLToPath(uri);
  throw new GatehouseError(
    'NOT_SUPPORTED',
    `audit_sessions_uri: ${uri.slice(0, 64)} is no folder of this machine, and other stores are not part of this release`,
  );
}
