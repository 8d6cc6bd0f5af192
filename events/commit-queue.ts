// From memory to the journal: events that arrive while a write is under way are written together (group commit). When
// the disk is full the queue holds what it can, in bounded memory, and goes on by itself once there is space.
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { backoffMs } from './backoff.ts';
import { diskError } from './disk.ts';
import type { Journal } from './journal.ts';
import type { EventRecord } from './record.ts';

const BATCH_BYTES = 4 * 1024 * 1024;
const MAX_BACKOFF_MS = 5_000;

export interface CommitQueueOptions {
  readonly journal: Pick<Journal, 'commit' | 'end'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Beyond this many bytes in memory the queue is full. */
  readonly maxBytes: number;
  /** Called in order, after each commit; `first` is the journal number of the first record. */
  readonly onCommitted: (records: readonly EventRecord[], first: number) => void;
  /** Called when committing starts to fail. */
  readonly onFailing: () => void;
}

interface Entry {
  readonly record: EventRecord;
  readonly resolve?: (() => void) | undefined;
  readonly reject?: ((error: GatehouseError) => void) | undefined;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #stop = new AbortController();
  #entries: Entry[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #failing: GatehouseError | undefined;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#options.maxBytes;
  }

  /** Why the journal cannot be written at present. */
  get failing(): GatehouseError | undefined {
    return this.#failing;
  }

  get length(): number {
    return this.#entries.length;
  }

  get oldest(): number | undefined {
    return this.#entries[0]?.record.time;
  }

  push(record: EventRecord): void {
    this.#add({ record });
  }

  /** Rejects when the next attempt to write fails; the record stays queued all the same. */
  pushDurably(record: EventRecord): Promise<void> {
    return new Promise((resolve, reject) => this.#add({ record, resolve, reject }));
  }

  /** Resolves when all that is queued now is durable; rejects as `pushDurably`. */
  settled(): Promise<void> {
    const last = this.#entries.at(-1);
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const { record } = last;
      this.#entries[this.#entries.length - 1] = {
        record,
        resolve: () => {
          last.resolve?.();
          resolve();
        },
        reject: (error) => {
          last.reject?.(error);
          reject(error);
        },
      };
    });
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.record.line.length;
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.#entries.length > 0;) {
      const batch = this.#batch();
      const first = this.#options.journal.end;
      try {
        await this.#options.journal.commit(batch.map(({ record }) => record));
      } catch (error) {
        this.#fail(diskError('write the journal', error));
        if (this.#stop.signal.aborted) break;
        const delay = backoffMs(attempt++, MAX_BACKOFF_MS);
        await sleep(this.#options.clock, delay, this.#stop.signal).catch(() => undefined);
        continue;
      }
      attempt = 0;
      this.#done(batch, first);
    }
    this.#running = undefined;
  }

  /** The entries stay in the queue until they are durable. */
  #batch(): Entry[] {
    let bytes = 0;
    const over = this.#entries.findIndex(({ record }) => (bytes += record.line.length) > BATCH_BYTES);
    return over === -1 ? this.#entries.slice() : this.#entries.slice(0, Math.max(over, 1));
  }

  #done(batch: readonly Entry[], first: number): void {
    if (this.#failing !== undefined) {
      this.#options.log.info({ queued: this.#entries.length }, 'audit log: the journal can be written again');
      this.#failing = undefined;
    }
    // A waiter may have been added to the last entry meanwhile: take the entries as they are now.
    const done = this.#entries.splice(0, batch.length);
    this.#bytes -= done.reduce((sum, { record }) => sum + record.line.length, 0);
    this.#options.onCommitted(
      done.map(({ record }) => record),
      first,
    );
    for (const { resolve } of done) resolve?.();
  }

  #fail(error: GatehouseError): void {
    const isNew = this.#failing === undefined;
    this.#failing = error;
    if (isNew) {
      this.#options.log.error(
        { err: error, queued: this.#entries.length },
        'audit log: the journal cannot be written; events are held in memory',
      );
      this.#options.onFailing();
    }
    this.#entries = this.#entries.map(({ record, reject }) => {
      reject?.(error);
      return { record };
    });
  }

  /** Writes what is queued, once more; returns how many events had to be given up. */
  async close(): Promise<number> {
    this.#stop.abort(new GatehouseError('UNAVAILABLE', 'the audit log is closing'));
    await this.#running;
    return this.#entries.length;
  }
}
