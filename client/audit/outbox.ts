// Events that wait for auth: in memory and, as soon as the disk takes them, in files. Apart from audit-sender.ts, which
// sends them, because what is kept where must hold whatever the network does.
import { randomUUID } from 'node:crypto';
import { MAX_REPORTED } from '#core/api/reports.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { openAuditSpool, type AuditSpool } from './spool.ts';

/** `event` is its type; which fields there are, says docs/reference/events.md. */
export type HostEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

/** Events that are sent together, and removed together. */
export interface Batch {
  readonly name: string;
  /** Undefined when they are in the file alone. */
  events: readonly object[] | undefined;
  count: number;
  bytes: number;
  /** Number of its newest event. */
  last: number;
  /** Lines that are not in the file yet. */
  unwritten: string;
  /** Nothing is added to it any more. */
  isSealed: boolean;
  /** A write failed half-way: the next one begins on a line of its own. */
  isTorn: boolean;
}

export interface OutboxOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxBytes: number;
}

interface Waiter {
  readonly upTo: number;
  resolve(): void;
  reject(error: GatehouseError): void;
}

const MAX_BATCH_BYTES = 512 * 1024;
const MAX_EVENT_BYTES = 1024 * 1024;
/** While the disk takes nothing, so much is held in memory. */
const MAX_MEMORY_BYTES = 16 * 1024 * 1024;
const DISK_RETRY_MS = 5000;

export class Outbox {
  /** Called at each event. */
  onEvent: (() => void) | undefined;
  readonly #options: OutboxOptions;
  readonly #spool: AuditSpool;
  readonly #ending = new AbortController();
  readonly #waiters = new Set<Waiter>();
  /** Oldest first; events are put in the last one. */
  #batches: Batch[] = [];
  #writing: { readonly batch: Batch; readonly done: Promise<void> } | undefined;
  #writer: Promise<void> | undefined;
  /** How many were taken, and up to which one all are on disk or in the audit log. */
  #taken = 0;
  #safe = 0;
  #bytes = 0;
  #memoryBytes = 0;
  #lost = 0;
  #gap: { count: number; readonly since: number } | undefined;
  #failure: GatehouseError | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#spool = openAuditSpool(options.dir, options.clock.now());
  }

  get oldest(): Batch | undefined {
    return this.#batches[0];
  }

  /** Share of the room for waiting events that is taken, 0 to 1. Costs nothing. */
  get filled(): number {
    return this.#bytes / this.#options.maxBytes;
  }

  status(): { readonly pending: number; readonly lost: number; readonly failing?: string } {
    const pending = this.#batches.reduce((sum, batch) => sum + batch.count, 0);
    const failing = this.#failure?.message;
    return { pending, lost: this.#lost, ...(failing === undefined ? {} : { failing }) };
  }

  /** Never throws. */
  take(event: HostEvent): void {
    const now = this.#options.clock.now();
    const whole = { uid: randomUUID(), occurred: new Date(now).toISOString(), ...event };
    const line = lineOf(whole);
    if (line === undefined) return this.lose('it is not JSON', event.event);
    const bytes = Buffer.byteLength(line);
    if (bytes > MAX_EVENT_BYTES) return this.lose('it is too large', event.event);
    const held = this.#failure === undefined ? 0 : this.#memoryBytes;
    if (this.#bytes + bytes > this.#options.maxBytes || held + bytes > MAX_MEMORY_BYTES) {
      this.#gap ??= { count: 0, since: now };
      if (this.#gap.count++ === 0) return this.lose('too many wait for auth', event.event);
      this.#lost++;
      return;
    }
    this.#add(whole, line, bytes);
    if (this.#gap !== undefined) this.#tellGap(this.#gap);
  }

  lose(why: string, type: string): void {
    this.#lost++;
    this.#options.log.error({ event: type, why }, 'an audit event is lost');
  }

  /** Resolves when what was taken before is safe; STORAGE_FULL or STORAGE_FAILED when it cannot be now. */
  flush(): Promise<void> {
    const upTo = this.#taken;
    if (this.#safe >= upTo) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiters.add({ upTo, resolve, reject }));
  }

  /** Puts the files of processes that are gone before all others. */
  async adopt(): Promise<void> {
    const known = new Set(this.#batches.map(({ name }) => name));
    const orphans = await this.#spool.orphans().catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'audit events of an earlier process cannot be looked for');
      return [];
    });
    const left = orphans.filter((name) => !known.has(name)).map(orphanBatch);
    if (left.length > 0) {
      this.#options.log.info({ files: left.length }, 'audit events of an earlier process are sent');
    }
    this.#batches.unshift(...left);
  }

  /** STORAGE_FAILED, CORRUPT when its file cannot be read. */
  async eventsOf(batch: Batch): Promise<readonly object[]> {
    if (batch.events !== undefined) return batch.events;
    const { events, damaged } = await this.#spool.read(batch.name);
    if (damaged > 0) {
      this.#options.log.warn(
        { file: batch.name, lines: damaged },
        'lines of waiting audit events are damaged, as a process that was killed leaves them',
      );
    }
    return events;
  }

  /** Auth has it. */
  async done(batch: Batch): Promise<void> {
    await this.#settle(batch);
    await this.#spool.remove(batch.name).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'sent audit events could not be removed; they are sent again');
    });
    this.#drop(batch);
  }

  /** Auth will never take it, or it cannot be read. */
  async setAside(batch: Batch): Promise<void> {
    this.#lost += batch.count;
    // A person is to find all of it.
    const rest = batch.unwritten;
    await this.#settle(batch);
    if (rest !== '') await this.#spool.append(batch.name, batch.isTorn ? `\n${rest}` : rest).catch(() => {});
    await this.#spool.seal(batch.name);
    await this.#spool.quarantine(batch.name).catch(() => {});
    this.#drop(batch);
  }

  /** What is left stays on disk. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#writer;
    await this.#spool.close();
    for (const waiter of this.#waiters) waiter.reject(this.#failure ?? ended());
    this.#waiters.clear();
  }

  #add(event: object, line: string, bytes: number): void {
    const batch = this.#current();
    (batch.events as object[] | undefined)?.push(event);
    batch.unwritten += line;
    batch.count++;
    batch.bytes += bytes;
    batch.last = ++this.#taken;
    this.#bytes += bytes;
    this.#memoryBytes += bytes;
    this.#writer ??= this.#write();
    this.onEvent?.();
  }

  #current(): Batch {
    const last = this.#batches.at(-1);
    if (last !== undefined && !isFull(last)) return last;
    this.#forget();
    const batch = { ...orphanBatch(this.#spool.nextName()), events: [], isSealed: false };
    this.#batches.push(batch);
    return batch;
  }

  /** What is in files need not be in memory; but the oldest is about to be sent. */
  #forget(): void {
    for (const batch of this.#batches.slice(1)) {
      const isWritten = batch.unwritten === '' && this.#writing?.batch !== batch;
      if (!isFull(batch) || !isWritten || batch.events === undefined) continue;
      batch.events = undefined;
      this.#memoryBytes -= batch.bytes;
      void this.#spool.seal(batch.name);
    }
  }

  #tellGap({ count, since }: { readonly count: number; readonly since: number }): void {
    this.#gap = undefined;
    this.take({
      event: 'audit.gap',
      reason: 'the host could neither send its events nor keep more of them',
      lost: count,
      start_time: new Date(since).toISOString(),
      end_time: new Date(this.#options.clock.now()).toISOString(),
    });
  }

  /** Writes until nothing is unwritten. */
  async #write(): Promise<void> {
    // Those of one moment are written together.
    await Promise.resolve();
    for (;;) {
      const batch = this.#batches.find(({ unwritten }) => unwritten !== '');
      if (batch === undefined) break;
      const done = this.#append(batch);
      this.#writing = { batch, done };
      await done;
      this.#writing = undefined;
      if (this.#failure === undefined) continue;
      if (this.#ending.signal.aborted) break;
      await sleep(this.#options.clock, DISK_RETRY_MS, this.#ending.signal).catch(() => {});
    }
    this.#writer = undefined;
  }

  async #append(batch: Batch): Promise<void> {
    const { log } = this.#options;
    const { last, unwritten: lines } = batch;
    batch.unwritten = '';
    try {
      await this.#spool.append(batch.name, batch.isTorn ? `\n${lines}` : lines);
      batch.isTorn = false;
      if (this.#failure !== undefined) log.info({}, 'audit events are kept on disk again');
      this.#failure = undefined;
      this.#isSafeUpTo(last);
    } catch (error) {
      batch.unwritten = lines + batch.unwritten;
      batch.isTorn = true;
      if (this.#failure === undefined) {
        log.error(
          { err: error },
          'audit events cannot be kept on disk; they are in memory until they are sent',
        );
      }
      this.#failure = error as GatehouseError;
      for (const waiter of this.#waiters) waiter.reject(this.#failure);
      this.#waiters.clear();
    }
  }

  /** Events are written, and sent, in the order in which they were taken. */
  #isSafeUpTo(number: number): void {
    this.#safe = Math.max(this.#safe, number);
    for (const waiter of this.#waiters) {
      if (waiter.upTo > this.#safe) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** No write to its file is under way, and none follows. */
  async #settle(batch: Batch): Promise<void> {
    // Before the wait: the writer takes what is there as soon as its write is done, and the file would close under it.
    batch.unwritten = '';
    if (this.#writing?.batch === batch) await this.#writing.done;
    // A write that failed has put its lines back.
    batch.unwritten = '';
    await this.#spool.seal(batch.name);
  }

  #drop(batch: Batch): void {
    this.#batches = this.#batches.filter((other) => other !== batch);
    this.#bytes -= batch.bytes;
    if (batch.events !== undefined) this.#memoryBytes -= batch.bytes;
    this.#isSafeUpTo(batch.last);
  }
}

/** Takes no more events. */
export function isFull(batch: Batch): boolean {
  return batch.isSealed || batch.count >= MAX_REPORTED || batch.bytes >= MAX_BATCH_BYTES;
}

/** What another process left: all of it is in the file. */
function orphanBatch(name: string): Batch {
  return {
    name,
    events: undefined,
    count: 0,
    bytes: 0,
    last: 0,
    unwritten: '',
    isSealed: true,
    isTorn: false,
  };
}

function lineOf(event: object): string | undefined {
  try {
    return `${JSON.stringify(event)}\n`;
  } catch {
    return undefined;
  }
}

function ended(): GatehouseError {
  return new GatehouseError('UNAVAILABLE', 'audit events are no longer taken: this process ends');
}
