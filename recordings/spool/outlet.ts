// What a recording host has open: a spool, the recorders that write into it, and the uploader that empties it. Separate
// because a node and a proxy close them in the same order, and where the disk goes with the process that order takes time.
import { sleep } from '#core/clock.ts';
import type { SessionRecorder } from '../recorder.ts';
import { openRecorder } from '../recorder/open.ts';
import type { RecorderOptions } from '../recorder.ts';
import type { UploadTarget } from '../upload.ts';
import { openSpool, type SpoolOptions } from './open.ts';
import { startUploader, type UploaderStatus } from './uploader.ts';

export interface OutletOptions extends SpoolOptions {
  readonly target: UploadTarget;
  /** How long the end waits for what is not uploaded; left out where the disk stays, and the next process uploads it. */
  readonly patienceMs?: number | undefined;
}

export interface RecordingOutlet {
  /** BAD_REQUEST for a session id that is none. */
  record(request: Omit<RecorderOptions, 'spool' | 'clock' | 'log' | 'onFinished'>): SessionRecorder;
  status(): UploaderStatus;
  /** After the last session. Waits for uploads as long as `patienceMs`; what is left stays on disk. */
  close(): Promise<void>;
}

const LOOK_MS = 50;

/** STORAGE_FAILED or STORAGE_FULL when the spool cannot be opened. The caller closes it. */
export async function openOutlet(options: OutletOptions): Promise<RecordingOutlet> {
  const { clock, log, target, patienceMs = 0 } = options;
  const spool = await openSpool(options);
  const uploader = startUploader({ spool, target, clock, log });
  let unfinished = 0;
  return {
    record(request) {
      unfinished++;
      return openRecorder({ ...request, spool, clock, log, onFinished: () => unfinished-- });
    },
    status: () => uploader.status(),
    async close() {
      const lateAt = clock.now() + patienceMs;
      const isLeft = (): boolean => unfinished > 0 || uploader.status().waiting > 0;
      while (isLeft() && clock.now() < lateAt) await sleep(clock, LOOK_MS);
      const { waiting } = uploader.status();
      if (patienceMs > 0 && isLeft()) {
        log.warn(
          { waiting, unfinished },
          'recording: not uploaded before the end; it is lost if the disk is',
        );
      }
      await uploader.close();
      await spool.close();
    },
  };
}
