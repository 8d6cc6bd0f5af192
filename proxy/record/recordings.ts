// Recordings of sessions that end at this proxy: a spool on its disk, and their way to the auth service. What is spooled is
// the only thing a proxy keeps; it is gone from here once auth has it.
import { join } from 'node:path';
import type { ClusterView } from '#client/cluster-view.ts';
import { apiUploadTarget } from '#client/recordings.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { RecorderOptions, SessionRecorder } from '#recordings/recorder.ts';
import { openOutlet } from '#recordings/spool/outlet.ts';
import type { ProxyEvent } from '../ssh/refusals.ts';

export interface ProxyRecordingsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  /** How long the end waits for uploads; left out where the data directory outlives the process. */
  readonly patienceMs?: number | undefined;
  readonly membership: Pick<Membership, 'api'>;
  readonly view: Pick<ClusterView, 'recording'>;
  readonly audit: { emit(event: ProxyEvent): void };
}

export type ProxyRecordRequest = Pick<RecorderOptions, 'sessionId' | 'facts' | 'kind' | 'mode'>;

export interface ProxyRecordings {
  /** Undefined when the cluster records nothing (mode off). Throws when it cannot be recorded. */
  record(request: ProxyRecordRequest): SessionRecorder | undefined;
  /** After the last session; what is not uploaded stays on disk for the next start. */
  close(): Promise<void>;
}

/** Beyond it, what cannot be kept is left out of recordings, and strict sessions are refused. */
const MAX_SPOOL_BYTES = 4 * 1024 ** 3;
/** Apart from the spool of a node in the same process. */
const FOLDER = 'proxy-recordings';

/** STORAGE_FAILED or STORAGE_FULL when the spool cannot be opened. The caller closes it before the membership. */
export async function openProxyRecordings(options: ProxyRecordingsOptions): Promise<ProxyRecordings> {
  const { clock, log, dataDir, membership, view, audit, patienceMs } = options;
  const outlet = await openOutlet({
    patienceMs,
    target: apiUploadTarget(() => membership.api()),
    dir: join(dataDir, FOLDER),
    maxBytes: MAX_SPOOL_BYTES,
    clock,
    log,
    onFailure: ({ session, step, code, reason }) =>
      audit.emit({ event: 'recording.failed', sid: session, action: step, error: code, reason }),
  });
  return {
    record(request) {
      const { mode: now } = view.recording();
      if (now === 'off') return undefined;
      return outlet.record({ ...request, sync: now.endsWith('-sync') });
    },
    close: () => outlet.close(),
  };
}
