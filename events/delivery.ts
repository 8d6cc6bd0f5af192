// Brings the journal to one sink, in order, for as long as it takes. Each sink has its own, so that one that fails,
// is slow or hangs holds up nobody but itself.
//
//   waiting ──wake──▶ reading ──batch──▶ appending ──ok──▶ reading
//                                          │ outage: back off, same batch again
//                                          └ refused: halve; a single refused event goes to quarantine
import { sleep, type Clock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { backoffMs } from './backoff.ts';
import type { JournalBatch } from './journal.ts';
import type { EventRecord } from './record.ts';
import type { Sink } from './sink.ts';

const MAX_BACKOFF_MS = 30_000;

export interface DeliveryOptions {
  readonly sink: Sink;
  /** Journal number of the first line this sink may lack. */
  readonly from: number;
  /** What follows line `from`; undefined when there is nothing yet. */
  readonly read: (from: number) => Promise<JournalBatch | undefined>;
  readonly clock: Clock;
  readonly log: Log;
  /** An append that takes longer counts as failed and is repeated. */
  readonly timeoutMs: number;
  readonly quarantine: (record: EventRecord, error: GatehouseError) => Promise<void>;
  /** After each batch (with its newest record), and whenever `failing` changes. */
  readonly onChange: (newest?: EventRecord) => void;
}

export interface Outage {
  readonly code: Code;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #next: number;
  #failing: Outage | undefined;
  #oldest: number | undefined;
  #wake: () => void = () => undefined;
  #woken = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#next = options.from;
    this.#ended = this.#run();
  }

  get name(): string {
    return this.#options.sink.name;
  }

  /** Number of the first line the sink may lack. */
  get next(): number {
    return this.#next;
  }

  get failing(): Outage | undefined {
    return this.#failing;
  }

  /** Time of the oldest event that is being delivered. */
  get oldest(): number | undefined {
    return this.#oldest;
  }

  /** Says that there is more to read. */
  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Stops without waiting for an append that hangs; what was not confirmed comes again after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new GatehouseError('UNAVAILABLE', 'the audit log is closing'));
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      const batch = await this.#attempt(() => this.#options.read(this.#next));
      if (batch === undefined || batch === 'stopped') {
        await this.#sleepUntilWoken();
        continue;
      }
      this.#oldest = batch.records[0]?.time;
      if (!(await this.#deliver(batch.records))) return;
      this.#next = batch.end;
      this.#oldest = undefined;
      this.#options.onChange(batch.records.at(-1));
    }
  }

  async #sleepUntilWoken(): Promise<void> {
    if (this.#woken || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** False when stopped before all were delivered. */
  async #deliver(records: readonly EventRecord[]): Promise<boolean> {
    if (records.length === 0) return true;
    const refused = await this.#attempt(async () => {
      try {
        await this.#append(records);
        return undefined;
      } catch (error) {
        if (isCode(error, 'TOO_LARGE', 'BAD_REQUEST')) return error;
        throw error;
      }
    });
    if (refused === 'stopped') return false;
    if (refused === undefined) return true;
    const [only] = records;
    if (records.length === 1 && only !== undefined) {
      return (await this.#attempt(() => this.#options.quarantine(only, refused))) !== 'stopped';
    }
    const half = records.length >>> 1;
    return (await this.#deliver(records.slice(0, half))) && (await this.#deliver(records.slice(half)));
  }

  /** Repeats `work` until it succeeds or the delivery is stopped. */
  async #attempt<T>(work: () => Promise<T>): Promise<T | 'stopped'> {
    for (let attempt = 0; ; attempt++) {
      if (this.#stop.signal.aborted) return 'stopped';
      try {
        const result = await work();
        this.#recovered();
        return result;
      } catch (error) {
        if (this.#stop.signal.aborted) return 'stopped';
        this.#failed(error);
        const delay = backoffMs(attempt, MAX_BACKOFF_MS);
        await sleep(this.#options.clock, delay, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  #append(records: readonly EventRecord[]): Promise<void> {
    const { sink, clock, timeoutMs } = this.#options;
    const { signal } = this.#stop;
    return new Promise((resolve, reject) => {
      const onStop = (): void => reject(signal.reason as Error);
      const timer = clock.after(timeoutMs, () => {
        reject(
          new GatehouseError('UNAVAILABLE', `audit sink ${sink.name}: no answer within ${timeoutMs} ms`),
        );
      });
      signal.addEventListener('abort', onStop, { once: true });
      const settle = (finish: () => void): void => {
        timer.cancel();
        signal.removeEventListener('abort', onStop);
        finish();
      };
      new Promise<void>((done) => done(sink.append(records))).then(
        () => settle(resolve),
        (error: unknown) => settle(() => reject(error as Error)),
      );
    });
  }

  #failed(error: unknown): void {
    if (this.#failing !== undefined) return;
    const code = isCode(error) ? error.code : 'INTERNAL';
    this.#failing = { code, message: (error as Error).message, since: this.#options.clock.now() };
    this.#options.log.warn(
      { sink: this.name, err: error },
      'audit log: a sink fails; its events wait in the journal',
    );
    this.#options.onChange();
  }

  #recovered(): void {
    if (this.#failing === undefined) return;
    this.#options.log.info({ sink: this.name, since: this.#failing.since }, 'audit log: a sink works again');
    this.#failing = undefined;
  }
}
