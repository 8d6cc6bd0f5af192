// The audit log of one writer: gives each event its place in the hash chain, makes it durable in the journal, and brings
// it to every sink. `emit` never throws and never waits; whoever must not go on before the event is safe uses
// `emitDurably`.
import { GatehouseError } from '#core/errors/error.ts';
import type { EventInput } from './catalogue.ts';
import type { AuditLimits, AuditLog, AuditLogOptions, AuditStatus } from './audit-log.ts';
import { Checkpoints } from './checkpoint.ts';
import { CommitQueue } from './commit-queue.ts';
import { Deliveries } from './deliveries.ts';
import { makeFolder, realDisk } from './disk.ts';
import { lockFolder, type FolderLock } from './lock.ts';
import { openJournal, type Journal } from './journal.ts';
import type { EventPage, EventQuery } from './query.ts';
import { sealEvent, type ChainHead, type EventRecord } from './record.ts';
import { findHead } from './resume.ts';
import { within } from './within.ts';

const LIMITS: AuditLimits = {
  queueBytes: 32 * 1024 * 1024,
  segmentBytes: 8 * 1024 * 1024,
  appendTimeoutMs: 60_000,
  closeTimeoutMs: 600,
  checkpointEvents: 1000,
  checkpointMs: 60_000,
};

/** A clock that was set back by less than this does not show in the log; by more, it does. */
const MAX_HELD_CLOCK_MS = 10_000;
const REMEMBERED_UIDS = 10_000;
const SEARCH_WAIT_MS = 2_000;

/**
 * Opens the log and goes on where it ended, crash or not. UNAVAILABLE when another process uses `spillDir`, or when
 * the journal is new and a sink cannot say where the chain ended. STORAGE_FULL, STORAGE_FAILED from the disk.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  await makeFolder(options.spillDir);
  const lock = await lockFolder(options.spillDir);
  let journal: Journal | undefined;
  try {
    const { disk = realDisk, log, spillDir: folder } = options;
    const limits = { ...LIMITS, ...options.limits };
    journal = await openJournal({ folder, disk, log, segmentBytes: limits.segmentBytes });
    const { head, gap } = await findHead(journal, options);
    const opened = new ChainedLog({ ...options, limits, lock, journal, head });
    await opened.start(gap);
    return opened;
  } catch (error) {
    await journal?.close();
    lock.release();
    throw error;
  }
}

interface Opened extends Omit<AuditLogOptions, 'limits'> {
  readonly limits: AuditLimits;
  readonly lock: FolderLock;
  readonly journal: Journal;
  readonly head: ChainHead;
}

interface Loss {
  count: number;
  readonly since: number;
}

class ChainedLog implements AuditLog {
  readonly #options: Opened;
  readonly #queue: CommitQueue;
  readonly #deliveries: Deliveries;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #uids = new Set<string>();
  #head: ChainHead;
  #lastTime = 0;
  #loss: Loss | undefined;
  #lost = 0;
  #closing: Promise<void> | undefined;

  constructor(options: Opened) {
    const { journal, clock, log, writer, limits, checkpoint: keeper } = options;
    this.#options = options;
    this.#head = options.head;
    this.#checkpoints =
      keeper &&
      new Checkpoints({
        keeper,
        writer,
        clock,
        log,
        everyEvents: limits.checkpointEvents,
        everyMs: limits.checkpointMs,
      });
    this.#deliveries = new Deliveries({
      ...options,
      timeoutMs: limits.appendTimeoutMs,
      onFirstHas: (record) => {
        if (record.writer === writer) this.#checkpoints?.reached(record);
      },
      onQuarantined: (event) => this.emit(event),
    });
    this.#queue = new CommitQueue({
      journal,
      clock,
      log,
      maxBytes: limits.queueBytes,
      onCommitted: (records, first) => {
        this.#deliveries.committed(records, first);
        this.#reportLoss();
      },
      onFailing: () => this.#deliveries.changed(),
    });
  }

  async start(gap: EventInput | undefined): Promise<void> {
    await this.#deliveries.start();
    if (gap !== undefined) this.emit(gap);
  }

  emit(event: EventInput): void {
    const record = this.#take(event);
    if (typeof record === 'object') this.#queue.push(record);
  }

  async emitDurably(event: EventInput): Promise<void> {
    const record = this.#take(event);
    if (typeof record === 'object') return this.#queue.pushDurably(record);
    if (record === 'repeated') return this.#queue.settled();
    if (record === 'full') {
      throw this.#queue.failing ?? new GatehouseError('LIMIT_EXCEEDED', 'audit log: too many events at once');
    }
    throw new GatehouseError('UNAVAILABLE', 'the audit log is closed');
  }

  #take(event: EventInput): EventRecord | 'closed' | 'full' | 'repeated' {
    const { clock, log } = this.#options;
    if (this.#closing !== undefined) {
      log.error({ event: event.event }, 'audit log: an event came after the log was closed and is lost');
      return 'closed';
    }
    if (event.uid !== undefined && this.#uids.has(event.uid)) return 'repeated';
    if (this.#queue.isFull) {
      this.#lost++;
      this.#loss ??= { count: 0, since: clock.now() };
      if (this.#loss.count++ === 0)
        log.error({}, 'audit log: memory for events is full; events are being lost');
      return 'full';
    }
    const record = this.#seal(event);
    this.#head = record;
    if (event.uid !== undefined) this.#remember(event.uid);
    return record;
  }

  #seal(event: EventInput): EventRecord {
    const { clock, clusterName, writer, log } = this.#options;
    const now = clock.now();
    this.#lastTime = this.#lastTime - now < MAX_HELD_CLOCK_MS ? Math.max(now, this.#lastTime) : now;
    const seal = { clusterName, writer, head: this.#head, timeMs: this.#lastTime };
    try {
      return sealEvent(event, seal);
    } catch (error) {
      log.error({ event: event.event, err: error }, 'audit log: an event is not JSON; only its type is kept');
      const reason = error instanceof Error ? error.message : 'unknown';
      return sealEvent({ event: 'audit.malformed', name: String(event.event), error: reason }, seal);
    }
  }

  #remember(uid: string): void {
    this.#uids.add(uid);
    if (this.#uids.size <= REMEMBERED_UIDS) return;
    const [oldest] = this.#uids;
    if (oldest !== undefined) this.#uids.delete(oldest);
  }

  #reportLoss(): void {
    const loss = this.#loss;
    if (loss === undefined || this.#queue.isFull) return;
    this.#loss = undefined;
    this.emit({
      event: 'audit.gap',
      reason: 'the journal could not be written and memory was full',
      lost: loss.count,
      start_time: new Date(loss.since).toISOString(),
      end_time: new Date(this.#options.clock.now()).toISOString(),
    });
  }

  async flush(): Promise<void> {
    await this.#written();
    await this.#deliveries.caughtUp();
  }

  /** What was emitted is in the journal, or the journal is failing. */
  async #written(): Promise<void> {
    if (this.#queue.failing === undefined) await this.#queue.settled().catch(() => undefined);
  }

  async search(query: EventQuery): Promise<EventPage> {
    const [first] = this.#options.sinks;
    if (first?.search === undefined) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        `the first audit sink (${first?.name ?? 'none'}) cannot be searched; put one that can first in audit_events_uri`,
      );
    }
    const known = this.#written().then(() => this.#deliveries.firstCaughtUp());
    await within(this.#options.clock, SEARCH_WAIT_MS, known);
    return first.search(query);
  }

  status(): AuditStatus {
    const sinks = this.#deliveries.status();
    const durable = this.#queue.failing === undefined && this.#closing === undefined;
    const times = [this.#queue.oldest, this.#deliveries.oldest].filter((time) => time !== undefined);
    return {
      healthy: durable && this.#lost === 0 && sinks.every(({ failing }) => failing === undefined),
      durable,
      pending: this.#queue.length + Math.max(0, ...sinks.map(({ pending }) => pending)),
      oldest: times.length === 0 ? undefined : Math.min(...times),
      journalBytes: this.#options.journal.bytes,
      lost: this.#lost,
      sinks,
    };
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { clock, log, limits, journal, lock, sinks } = this.#options;
    const givenUp = await this.#queue.close();
    if (givenUp > 0)
      log.error({ events: givenUp }, 'audit log: closed while the journal could not be written');
    await within(clock, limits.closeTimeoutMs, this.#deliveries.caughtUp());
    if (this.#checkpoints !== undefined)
      await within(clock, limits.closeTimeoutMs, this.#checkpoints.finish());
    await this.#deliveries.stop();
    await journal.close();
    const closing = sinks.map((sink) =>
      within(clock, limits.closeTimeoutMs, sink.close()).catch((error: unknown) => {
        log.warn({ sink: sink.name, err: error }, 'audit log: a sink did not close well');
      }),
    );
    await Promise.all(closing);
    lock.release();
  }
}
