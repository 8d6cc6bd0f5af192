// Events of a host on their way to the audit log: taken at once, kept on disk, sent in batches, sent again until auth has
// them. A call that is repeated adds nothing, because each event has its id. Survives kill -9, and auth being away.
//
//   emit ──> batch in memory ──> its file (synced) ──> auth ──> file removed
//                  └──(disk full or failing: from memory)──^
import { MAX_REPORTED, reportEvents } from '#core/api/reports.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { formatDuration } from '#core/duration.ts';
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { isFull, Outbox, type Batch, type HostEvent } from './audit/outbox.ts';
import { backoffMs } from './member/backoff.ts';
import type { Membership } from './member/membership.ts';

export type { HostEvent } from './audit/outbox.ts';

export interface AuditSenderOptions {
  /** A folder for this alone; made when missing. */
  readonly dir: string;
  readonly membership: Pick<Membership, 'joined' | 'api'>;
  readonly clock: Clock;
  readonly log: Log;
  /** What may wait; beyond it events are lost, counted, and the loss is on record later. Default 256 MiB. */
  readonly maxBytes?: number;
}

export interface AuditSender {
  /** Never throws, never waits. Adds `uid` and `occurred` where they are left out. */
  emit(event: HostEvent): void;
  /**
   * Resolves when all that was emitted before is on stable storage here, or in the audit log. STORAGE_FULL or
   * STORAGE_FAILED when it cannot be kept here now.
   */
  flush(): Promise<void>;
  /** Events of this process that auth does not have, and those that were lost. */
  status(): { readonly pending: number; readonly lost: number; readonly failing?: string };
  /**
   * Share of the room for waiting events that is taken, 0 to 1: who can make events as fast as they like waits before it is
   * full, when events would be lost. Cheap enough to be asked for each event.
   */
  readonly filled: number;
  /** Keeps what is left on disk, after a second in which auth may take it. Safe to call twice. */
  close(): Promise<void>;
}

/** More events may come to a batch for this long. */
const GATHER_MS = 100;
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };
const ORPHANS_MS = 60_000;
const CLOSE_MS = 1000;
/** Repeating would not help: the events are not understood, or the file is none. */
const HOPELESS = ['BAD_REQUEST', 'TOO_LARGE', 'CORRUPT'] as const;

/** Starts at once; the caller closes it before the membership. */
export function startAuditSender(options: AuditSenderOptions): AuditSender {
  return new SpoolingSender(options);
}

class SpoolingSender implements AuditSender {
  readonly #options: AuditSenderOptions;
  readonly #outbox: Outbox;
  readonly #ending = new AbortController();
  readonly #sending: Promise<void>;
  #failures = 0;
  #wake: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: AuditSenderOptions) {
    this.#options = options;
    this.#outbox = new Outbox({ ...options, maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES });
    this.#outbox.onEvent = () => this.#wake?.();
    this.#sending = this.#send().catch((error: unknown) => {
      options.log.error({ err: error }, 'audit events are no longer sent');
    });
  }

  emit(event: HostEvent): void {
    if (this.#closed === undefined) this.#outbox.take(event);
    else this.#outbox.lose('it came after the end', event.event);
  }

  flush(): Promise<void> {
    return this.#outbox.flush();
  }

  status(): { readonly pending: number; readonly lost: number; readonly failing?: string } {
    return this.#outbox.status();
  }

  get filled(): number {
    return this.#outbox.filled;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    const late = new AbortController();
    const isLate = sleep(this.#options.clock, CLOSE_MS, late.signal).catch(() => {});
    await Promise.race([this.#sending, isLate]);
    late.abort();
    await this.#outbox.close();
  }

  async #send(): Promise<void> {
    const { membership, clock } = this.#options;
    const isMember = await Promise.race([membership.joined.then(() => true), ended(this.#ending.signal)]);
    if (!isMember) return;
    let orphansAt = clock.now();
    while (!this.#isOver()) {
      if (clock.now() >= orphansAt) {
        orphansAt = clock.now() + ORPHANS_MS;
        await this.#outbox.adopt();
      }
      const batch = this.#outbox.oldest;
      if (batch === undefined) await this.#idle(orphansAt - clock.now());
      else await this.#deliver(batch);
    }
  }

  /** At the end, what auth takes at once is still sent. */
  #isOver(): boolean {
    if (!this.#ending.signal.aborted) return false;
    return this.#failures > 0 || this.#outbox.oldest === undefined;
  }

  async #deliver(batch: Batch): Promise<void> {
    if (!isFull(batch)) await this.#pause(GATHER_MS);
    batch.isSealed = true;
    try {
      await this.#report(await this.#outbox.eventsOf(batch));
    } catch (error) {
      if (!isCode(error, ...HOPELESS)) return this.#failed(error);
      this.#options.log.error({ err: error, file: batch.name }, 'auth does not take a batch of audit events');
      return this.#outbox.setAside(batch);
    }
    if (this.#failures > 0) this.#options.log.info({}, 'audit events are sent again');
    this.#failures = 0;
    await this.#outbox.done(batch);
  }

  async #report(events: readonly object[]): Promise<void> {
    const { membership, log } = this.#options;
    for (let at = 0; at < events.length; at += MAX_REPORTED) {
      const part = events.slice(at, at + MAX_REPORTED);
      const { refused } = await membership.api().call(reportEvents, { events: part });
      for (const { index, code, message } of refused) {
        const { event, uid } = (part[index] ?? {}) as { event?: string; uid?: string };
        log.error({ event, uid, code, why: message }, 'auth does not take an audit event');
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const waitMs = backoffMs(BACKOFF, ++this.#failures);
    if (this.#failures === 1) {
      const retryIn = formatDuration(waitMs);
      this.#options.log.warn({ err: error, retryIn }, 'audit events could not be sent; they wait');
    }
    await this.#pause(waitMs);
  }

  /** Until something is emitted, or the time has come. */
  async #idle(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const signal = AbortSignal.any([woken.signal, this.#ending.signal]);
    await sleep(this.#options.clock, ms, signal).catch(() => {});
    this.#wake = undefined;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(this.#options.clock, ms, this.#ending.signal).catch(() => {});
  }
}

function ended(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    else signal.addEventListener('abort', () => resolve(false), { once: true });
  });
}
