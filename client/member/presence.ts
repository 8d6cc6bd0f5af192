// Heartbeats: the machine tells the auth service that it is there, every minute or so, and that this holds for ten.
// So one that loses its network is still listed for a while, and one that is switched off goes at once.
import { heartbeat } from '#core/api/join.ts';
import { sleep, type Clock } from '#core/clock.ts';
import type { HostRecord } from '../credentials.ts';
import { formatDuration } from '#core/duration.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { backoffMs, jittered } from './backoff.ts';
import type { Membership } from './membership.ts';

export const HEARTBEAT_MS = 60_000;
export const PRESENCE_MS = 600_000;
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };
/** Without an answer for this long, the machine is as good as cut off. */
const STALE_MS = 3 * HEARTBEAT_MS;
const GOODBYE_MS = 1000;

export interface PresenceOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  /** The first heartbeat waits for it. */
  readonly ready: Promise<void>;
  readonly resources: (record: HostRecord) => readonly Resource[];
}

export interface Presence {
  readonly counts: { readonly sent: number; readonly failed: number };
  health(): { readonly ready: boolean; readonly reason?: string };
  /** Takes the machine off the list if the auth service answers within a second. */
  close(): Promise<void>;
}

/** Starts at once; the caller closes it before the membership. */
export function startPresence(options: PresenceOptions): Presence {
  return new Heart(options);
}

class Heart implements Presence {
  counts = { sent: 0, failed: 0 };
  readonly #options: PresenceOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #answeredAt: number | undefined;
  /** In a row. */
  #failures = 0;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) options.log.error({ err: error }, 'heartbeats ended');
    });
  }

  health(): { ready: boolean; reason?: string } {
    const { clock, membership } = this.#options;
    if (membership.record() === undefined) return { ready: false, reason: 'has not joined the cluster yet' };
    if (this.#answeredAt === undefined) return { ready: false, reason: 'no heartbeat was answered yet' };
    const silentMs = clock.now() - this.#answeredAt;
    if (silentMs <= STALE_MS) return { ready: true };
    return { ready: false, reason: `no heartbeat was answered for ${formatDuration(silentMs)}` };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const { clock, membership } = this.#options;
    const late = new AbortController();
    const isLate = sleep(clock, GOODBYE_MS, late.signal).catch(() => {});
    // A heartbeat may be on its way to a server that says nothing.
    await Promise.race([this.#running, isLate]);
    // Only to one that is there: nobody waits for a server that is down.
    if (this.#answeredAt !== undefined && this.#failures === 0) {
      await Promise.race([this.#send(membership.record(), 1000).catch(() => {}), isLate]);
    }
    late.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { membership, clock, ready } = this.#options;
    await Promise.race([Promise.all([membership.joined, ready]), aborted(signal)]);
    while (!signal.aborted) {
      await this.#beat();
      await sleep(
        clock,
        this.#failures > 0 ? backoffMs(BACKOFF, this.#failures) : jittered(HEARTBEAT_MS),
        signal,
      );
    }
  }

  async #beat(): Promise<void> {
    const { clock, log, membership } = this.#options;
    try {
      await this.#send(membership.record(), PRESENCE_MS);
    } catch (error) {
      this.counts = { ...this.counts, failed: this.counts.failed + 1 };
      this.#failures++;
      if (this.#failures === 1 && !this.#closing.signal.aborted) {
        log.warn({ err: error }, 'a heartbeat was not answered; trying again');
      }
      return;
    }
    if (this.#failures > 0) log.info({ failures: this.#failures }, 'heartbeats are answered again');
    if (this.#answeredAt === undefined) log.info({}, 'the cluster knows this machine');
    this.#failures = 0;
    this.#answeredAt = clock.now();
    this.counts = { ...this.counts, sent: this.counts.sent + 1 };
  }

  async #send(record: HostRecord | undefined, ttlMs: number): Promise<void> {
    if (record === undefined) return;
    const { membership, version, resources } = this.#options;
    await membership
      .api()
      .call(heartbeat, { version, ttl: formatDuration(ttlMs), resources: [...resources(record)] as never });
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
