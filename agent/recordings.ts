// Recordings of this host's sessions: a spool on its disk, and their way to the auth service. Separate from the sessions,
// which only ask for a recorder.
import { join } from 'node:path';
import type { ClusterView } from '#client/cluster-view.ts';
import { apiUploadTarget } from '#client/recordings.ts';
import type { Membership } from '#client/member/membership.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { openOutlet } from '#recordings/spool/outlet.ts';
import type { UploaderStatus } from '#recordings/spool/uploader.ts';
import type { AgentEvent } from './ssh/context.ts';
import type { RecordRequest } from './ssh/session/parts.ts';

export interface RecordingsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  /** How long the end waits for uploads; left out where the data directory outlives the process. */
  readonly patienceMs?: number | undefined;
  readonly hostId: string;
  readonly membership: Pick<Membership, 'api'>;
  readonly view: Pick<ClusterView, 'recording'>;
  readonly emit: (event: AgentEvent) => void;
}

export interface Recordings {
  /** Undefined where the cluster does not record, or its proxy does: who goes past the proxies is recorded here. */
  record(request: RecordRequest): SessionRecorder | undefined;
  status(): UploaderStatus;
  /** After the last session; what is not uploaded stays on disk for the next start. */
  close(): Promise<void>;
}

/** Beyond it, what cannot be kept is left out of recordings, and strict sessions are refused. */
const MAX_SPOOL_BYTES = 4 * 1024 ** 3;

/** STORAGE_FAILED or STORAGE_FULL when the spool cannot be opened. The caller closes it before the membership. */
export async function openRecordings(options: RecordingsOptions): Promise<Recordings> {
  const { clock, log, dataDir, hostId, membership, view, emit, patienceMs } = options;
  const outlet = await openOutlet({
    patienceMs,
    target: apiUploadTarget(() => membership.api()),
    dir: join(dataDir, 'recordings'),
    maxBytes: MAX_SPOOL_BYTES,
    clock,
    log,
    onFailure: ({ session, step, code, reason }) =>
      emit({ event: 'recording.failed', sid: session, action: step, error: code, reason, server_id: hostId }),
  });
  return {
    record(request) {
      const { mode } = view.recording();
      if (mode === 'off' || request.byProxy) return undefined;
      return outlet.record({ ...request, sync: mode.endsWith('-sync') });
    },
    status: () => outlet.status(),
    close: () => outlet.close(),
  };
}
