// Empties the spool: several recordings at a time, the oldest first, small ones in batches. An answer that speaks of one
// recording delays that one; a target that is away delays all, with one recording asking whether it is back.
import type { Clock, Timer } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { ClosedSegment, Spool } from '../spool.ts';
import { MAX_BATCH, MAX_BATCH_BYTES, type UploadTarget } from '../upload.ts';
import { backoffMs } from './backoff.ts';
import { asFailure, judge } from './refusal.ts';
import { readSegment, SessionUpload } from './session-upload.ts';

const CONCURRENCY = 3;
/** How long a small recording waits for others to travel with. */
const LINGER_MS = 500;
const ADOPT_EVERY_MS = 60_000;
/** A recording that is denied or fails this often is put aside. */
const MAX_ATTEMPTS = 12;
const MAX_SMALL_BYTES = MAX_BATCH_BYTES / 4;

export interface UploaderOptions {
  readonly spool: Spool;
  readonly target: UploadTarget;
  readonly clock: Clock;
  readonly log: Log;
}

export interface UploaderStatus {
  /** Recordings that ended and are not uploaded. */
  readonly waiting: number;
  readonly bytes: number;
  /** False from a failure of the target to the next success. */
  readonly healthy: boolean;
}

export interface Uploader {
  /** Resolves once every recording that has ended by now is uploaded or put aside. Waits as long as the target is away. */
  flush(): Promise<void>;
  status(): UploaderStatus;
  /** Ends after the requests that are under way; what is left stays in the spool. */
  close(): Promise<void>;
}

export function startUploader(options: UploaderOptions): Uploader {
  return new SpoolUploader(options);
}

class SpoolUploader implements Uploader {
  readonly #options: UploaderOptions;
  readonly #uploads = new Map<string, SessionUpload>();
  /** What may be uploaded now: on its own, or in a batch. */
  readonly #ready = new Set<SessionUpload>();
  readonly #small = new Set<SessionUpload>();
  readonly #running = new Set<Promise<void>>();
  readonly #timers = new Set<Timer>();
  readonly #stopListening: () => void;
  #isBatchDue = false;
  #isLingering = false;
  #isPaused = false;
  #failures = 0;
  #isClosed = false;
  #flushing: { readonly sessions: Set<string>; readonly resolve: () => void }[] = [];

  constructor(options: UploaderOptions) {
    this.#options = options;
    for (const segment of options.spool.closed()) this.#add(segment);
    this.#stopListening = options.spool.onClosed((segment) => this.#add(segment));
    this.#adoptLater();
  }

  #add(segment: ClosedSegment): void {
    const upload = this.#uploads.get(segment.session) ?? new SessionUpload(segment.session);
    this.#uploads.set(segment.session, upload);
    upload.add(segment);
    this.#offer(upload);
  }

  #offer(upload: SessionUpload): void {
    if (upload.isRunning || !upload.hasWork) return;
    const { whole } = upload;
    if (whole !== undefined && whole.bytes <= MAX_SMALL_BYTES && upload.attempts === 0) {
      this.#small.add(upload);
      if (this.#small.size >= MAX_BATCH) this.#isBatchDue = true;
      else this.#linger();
    } else {
      this.#ready.add(upload);
    }
    this.#pump();
  }

  #linger(): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    this.#after(LINGER_MS, () => {
      this.#isLingering = false;
      this.#isBatchDue = true;
      this.#pump();
    });
  }

  #after(delayMs: number, action: () => void): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      action();
    });
    this.#timers.add(timer);
  }

  #pump(): void {
    while (!this.#isClosed && !this.#isPaused && this.#running.size < this.#limit()) {
      const job = this.#nextJob();
      if (job === undefined) return;
      const running = job().finally(() => {
        this.#running.delete(running);
        this.#pump();
      });
      this.#running.add(running);
    }
  }

  /** After a failure of the target one job finds out whether it is back. */
  #limit(): number {
    return this.#failures > 0 ? 1 : CONCURRENCY;
  }

  #nextJob(): (() => Promise<void>) | undefined {
    if (this.#isBatchDue && this.#small.size > 0) {
      const batch = this.#takeBatch();
      return () => this.#runBatch(batch);
    }
    this.#isBatchDue = false;
    const [upload] = this.#ready;
    if (upload === undefined) return undefined;
    this.#ready.delete(upload);
    upload.isRunning = true;
    return () => this.#runOne(upload);
  }

  #takeBatch(): SessionUpload[] {
    const batch: SessionUpload[] = [];
    let bytes = 0;
    for (const upload of this.#small) {
      bytes += upload.whole?.bytes ?? 0;
      if (batch.length === MAX_BATCH || bytes > MAX_BATCH_BYTES) break;
      batch.push(upload);
      this.#small.delete(upload);
      upload.isRunning = true;
    }
    return batch;
  }

  async #runOne(upload: SessionUpload): Promise<void> {
    try {
      const isComplete = await upload.run(this.#options.target, this.#options.spool);
      this.#failures = 0;
      upload.attempts = 0;
      upload.isRunning = false;
      if (isComplete) this.#done(upload);
      else this.#offer(upload);
    } catch (error) {
      await this.#failed(upload, error);
    }
  }

  async #runBatch(batch: readonly SessionUpload[]): Promise<void> {
    const { target, spool } = this.#options;
    try {
      const wholes = await Promise.all(
        batch.map(async ({ session, whole }) => ({ session, ...(await readWhole(whole)) })),
      );
      await target.putWhole(wholes);
      this.#failures = 0;
      for (const upload of batch) {
        for (const segment of upload.segments) await spool.remove(segment);
        this.#done(upload);
      }
    } catch (error) {
      const isOfTarget = judge(error) === 'wait';
      if (isOfTarget) this.#pause(error);
      for (const upload of batch) {
        upload.isRunning = false;
        if (isOfTarget) this.#small.add(upload);
        // One of them is refused: each goes on its own, so that the others do not wait for it.
        else this.#ready.add(upload);
      }
    }
  }

  async #failed(upload: SessionUpload, error: unknown): Promise<void> {
    upload.isRunning = false;
    if (judge(error) === 'wait') {
      this.#ready.add(upload);
      this.#pause(error);
      return;
    }
    const { code, message } = asFailure(error);
    this.#options.log.warn({ session: upload.session, code, reason: message }, 'recording: not uploaded yet');
    if (++upload.attempts < MAX_ATTEMPTS) {
      this.#after(backoffMs(upload.attempts), () => this.#offer(upload));
      return;
    }
    try {
      for (const segment of upload.segments) await this.#options.spool.quarantine(segment, code, message);
      this.#done(upload);
    } catch (problem) {
      this.#pause(problem);
      this.#ready.add(upload);
    }
  }

  #pause(error: unknown): void {
    this.#isPaused = true;
    const delayMs = backoffMs(this.#failures++);
    const { code, message } = asFailure(error);
    this.#options.log.warn(
      { code, reason: message, delayMs },
      'recording: uploads wait for the auth service',
    );
    this.#after(delayMs, () => {
      this.#isPaused = false;
      if (this.#small.size > 0) this.#isBatchDue = true;
      this.#pump();
    });
  }

  #done(upload: SessionUpload): void {
    this.#uploads.delete(upload.session);
    this.#ready.delete(upload);
    this.#small.delete(upload);
    for (const { sessions } of this.#flushing) sessions.delete(upload.session);
    for (const { sessions, resolve } of this.#flushing) if (sessions.size === 0) resolve();
    this.#flushing = this.#flushing.filter(({ sessions }) => sessions.size > 0);
  }

  #adoptLater(): void {
    this.#after(ADOPT_EVERY_MS, () => {
      this.#options.spool
        .adopt()
        .catch((error: unknown) =>
          this.#options.log.warn({ error }, 'recording: cannot look for what others left'),
        )
        .finally(() => {
          if (!this.#isClosed) this.#adoptLater();
        });
    });
  }

  flush(): Promise<void> {
    const ended = [...this.#uploads.values()].filter(({ hasEnded }) => hasEnded);
    if (ended.length === 0) return Promise.resolve();
    const sessions = new Set(ended.map(({ session }) => session));
    const flushed = new Promise<void>((resolve) => this.#flushing.push({ sessions, resolve }));
    this.#isBatchDue = true;
    this.#pump();
    return flushed;
  }

  status(): UploaderStatus {
    let waiting = 0;
    for (const { hasEnded } of this.#uploads.values()) if (hasEnded) waiting++;
    return { waiting, bytes: this.#options.spool.usedBytes(), healthy: this.#failures === 0 };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening();
    for (const timer of this.#timers) timer.cancel();
    await Promise.all(this.#running);
  }
}

async function readWhole(segment: ClosedSegment | undefined): Promise<{ bytes: Uint8Array; sha256: string }> {
  if (segment === undefined) throw new RangeError('a batch holds recordings of one segment');
  return readSegment(segment);
}
