// All deliveries of a log together: how far each sink is (kept in a small file over restarts), what the journal may
// forget, who is waiting for whom, and the quarantine file.
import { join } from 'node:path';
import type { Clock, Timer } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { EventInput } from './catalogue.ts';
import { Delivery } from './delivery.ts';
import { diskError, openFile, replaceFile } from './disk.ts';
import type { Journal, JournalBatch } from './journal.ts';
import { RecentRecords } from './recent.ts';
import type { EventRecord } from './record.ts';
import type { Sink } from './sink.ts';

const RECENT_BYTES = 8 * 1024 * 1024;
const BATCH_BYTES = 1024 * 1024;
/** Sinks repeat at most this much after a crash; those that pass over what they have repeat nothing. */
const SAVE_EVERY_MS = 1000;

export interface DeliveriesOptions {
  readonly sinks: readonly Sink[];
  readonly spillDir: string;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly timeoutMs: number;
  /** The first sink has everything up to this record. */
  readonly onFirstHas: (record: EventRecord) => void;
  readonly onQuarantined: (event: EventInput) => void;
}

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #recent = new RecentRecords(RECENT_BYTES);
  #all: readonly Delivery[] = [];
  #waiters: Waiter[] = [];
  #timer: Timer | undefined;
  #saving: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { sinks, journal, clock, log, timeoutMs } = this.#options;
    const saved = await this.#load();
    this.#all = sinks.map((sink, at) => {
      const next = saved[sink.name] ?? journal.first;
      return new Delivery({
        sink,
        // A position behind the end belongs to a journal that is gone.
        from: next > journal.end ? journal.first : next,
        read: (from) => this.#read(from),
        clock,
        log,
        timeoutMs,
        quarantine: (record, error) => this.#quarantine(sink, record, error),
        onChange: (newest) => {
          if (at === 0 && newest !== undefined) this.#options.onFirstHas(newest);
          this.changed();
          if (newest !== undefined) this.#saveSoon();
        },
      });
    });
    await this.#save();
  }

  committed(records: readonly EventRecord[], first: number): void {
    this.#recent.add(records, first);
    for (const delivery of this.#all) delivery.wake();
  }

  /** Lets those go who need not wait any longer. */
  changed(): void {
    const done = this.#waiters.filter((waiter) => waiter.isDone());
    if (done.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve();
  }

  /** Each sink has all that is in the journal now, or is failing. */
  caughtUp(): Promise<void> {
    return this.#reach(this.#all);
  }

  firstCaughtUp(): Promise<void> {
    return this.#reach(this.#all.slice(0, 1));
  }

  #reach(deliveries: readonly Delivery[]): Promise<void> {
    const { end } = this.#options.journal;
    const isDone = (): boolean =>
      deliveries.every(({ next, failing }) => next >= end || failing !== undefined);
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  get oldest(): number | undefined {
    const times = this.#all.map(({ oldest }) => oldest).filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  status(): { readonly name: string; readonly pending: number; readonly failing?: Delivery['failing'] }[] {
    const { end } = this.#options.journal;
    return this.#all.map(({ name, next, failing }) => ({ name, pending: end - next, failing }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#all.map((delivery) => delivery.stop()));
    await this.#save();
  }

  async #read(from: number): Promise<JournalBatch | undefined> {
    const { journal } = this.#options;
    if (from >= journal.end) return undefined;
    const batch = this.#recent.read(from, BATCH_BYTES) ?? (await journal.read(from, BATCH_BYTES));
    return batch.end > from ? batch : undefined;
  }

  async #quarantine(sink: Sink, record: EventRecord, error: GatehouseError): Promise<void> {
    const { spillDir, clock, log } = this.#options;
    const path = join(spillDir, 'quarantine.jsonl');
    const entry = {
      time: new Date(clock.now()).toISOString(),
      sink: sink.name,
      error: error.message,
      line: record.line,
    };
    try {
      const file = await openFile(path, 'append');
      try {
        await file.write(`${JSON.stringify(entry)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw diskError('write the quarantine file', cause);
    }
    const { uid, seq, type } = record;
    log.warn(
      { sink: sink.name, uid, seq, file: path, err: error },
      'audit log: a sink refused an event for good',
    );
    if (type === 'audit.quarantined') return;
    this.#options.onQuarantined({
      event: 'audit.quarantined',
      sink: sink.name,
      uid_ref: uid,
      first_seq: seq,
      error: error.message,
      file: path,
    });
  }

  #saveSoon(): void {
    if (this.#stopped) return;
    this.#timer ??= this.#options.clock.after(SAVE_EVERY_MS, () => {
      this.#timer = undefined;
      void this.#save();
    });
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#saveOnce());
    return this.#saving;
  }

  async #saveOnce(): Promise<void> {
    const { spillDir, journal, log } = this.#options;
    const next = Object.fromEntries(this.#all.map((delivery) => [delivery.name, delivery.next]));
    try {
      await replaceFile(join(spillDir, 'positions.json'), `${JSON.stringify({ version: 1, next })}\n`);
      await journal.trim(Math.min(...Object.values(next)));
    } catch (error) {
      log.warn({ err: error }, 'audit log: positions of the sinks could not be saved; it is tried again');
    }
  }

  async #load(): Promise<Record<string, number>> {
    try {
      const file = await openFile(join(this.#options.spillDir, 'positions.json'), 'read');
      const text = await file.readFile('utf8').finally(() => file.close());
      const { next } = JSON.parse(text) as { next?: unknown };
      const entries = typeof next === 'object' && next !== null ? Object.entries(next) : [];
      return Object.fromEntries(entries.filter(([, at]) => Number.isSafeInteger(at))) as Record<
        string,
        number
      >;
    } catch {
      return {};
    }
  }
}
