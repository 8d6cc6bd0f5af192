// Heartbeats: the machine tells the auth service that it is there, every minute or so, and that this holds for ten.
// So one that loses its network is still listed for a while, and one that is switched off goes at once. Sessions that
// begin or end are told within a second or so.
import { heartbeat } from '#core/api/join.ts';
import { sleep, type Clock } from '#core/clock.ts';
import type { HostRecord } from '../credentials.ts';
import { formatDuration } from '#core/duration.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { backoffMs, jittered } from './backoff.ts';
import { sessionDocument, type LiveSessions, type SessionNews } from './live-sessions.ts';
import type { Membership } from './membership.ts';
import { ToldTargets } from './told-targets.ts';

export const HEARTBEAT_MS = 60_000;
export const PRESENCE_MS = 600_000;
const BACKOFF = { firstMs: 1000, maxMs: 60_000 };
/** Without an answer for this long, the machine is as good as cut off. */
const STALE_MS = 3 * HEARTBEAT_MS;
const GOODBYE_MS = 1000;
/** Whoever leaves is on the lists for so long at most. */
const LEAVE_MS = 1000;
const NO_NEWS: SessionNews = { live: [], ended: [] };
/** News of sessions wait for more of them … */
const GATHER_MS = 250;
/** … and for as long since the last ones: auth takes one call of a host in two seconds. */
const NEWS_MS = 2500;

export interface PresenceOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly membership: Pick<Membership, 'joined' | 'record' | 'api'>;
  /** The first heartbeat waits for it. */
  readonly ready: Promise<void>;
  readonly resources: (record: HostRecord) => readonly Resource[];
  /** What the host carries; left out where it carries none. */
  readonly sessions?: LiveSessions | undefined;
}

export interface Presence {
  readonly counts: { readonly sent: number; readonly failed: number };
  health(): { readonly ready: boolean; readonly reason?: string };
  /** The resources are others now: they are told within some seconds. */
  renew(): void;
  /** Takes what the host serves off the lists within some seconds; sessions are told of as before. */
  leave(): void;
  /**
   * Takes the machine off the list if the auth service answers within a second; not when `isReplaced`, because another
   * process of the same host goes on.
   */
  close(options?: { readonly isReplaced?: boolean }): Promise<void>;
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
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Ends the wait for the next heartbeat when there is news. */
  #wake: (() => void) | undefined;
  /** The resources changed since they were told. */
  #isStale = false;
  /** What the host serves is for others to serve from now on. */
  #leaving: 'no' | 'asked' | 'told' = 'no';
  readonly #targets = new ToldTargets();

  constructor(options: PresenceOptions) {
    this.#options = options;
    options.sessions?.onChange(() => this.#wake?.());
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

  renew(): void {
    this.#isStale = true;
    this.#wake?.();
  }

  leave(): void {
    if (this.#leaving === 'no') this.#leaving = 'asked';
    this.renew();
  }

  async close({ isReplaced = false }: { readonly isReplaced?: boolean } = {}): Promise<void> {
    this.#closing.abort();
    const { clock, membership } = this.#options;
    const late = new AbortController();
    const isLate = sleep(clock, GOODBYE_MS, late.signal).catch(() => {});
    // A heartbeat may be on its way to a server that says nothing.
    await Promise.race([this.#running, isLate]);
    // Only to one that is there: nobody waits for a server that is down.
    if (!isReplaced && this.#answeredAt !== undefined && this.#failures === 0) {
      await Promise.race([this.#send(membership.record(), 1000, true).catch(() => {}), isLate]);
    }
    late.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { membership, ready } = this.#options;
    await Promise.race([Promise.all([membership.joined, ready]), aborted(signal)]);
    while (!signal.aborted) {
      await this.#beat(true);
      let nextAt = this.#nextAt();
      while (await this.#hasNewsBefore(nextAt)) {
        await this.#beat(this.#isStale);
        if (this.#failures > 0) nextAt = Math.min(nextAt, this.#nextAt());
      }
    }
  }

  #nextAt(): number {
    const waitMs = this.#failures > 0 ? backoffMs(BACKOFF, this.#failures) : jittered(HEARTBEAT_MS);
    return this.#options.clock.now() + waitMs;
  }

  /** Waits for the time, or for sessions to tell of; those of a host that nobody hears wait as well. */
  async #hasNewsBefore(time: number): Promise<boolean> {
    const { clock, sessions } = this.#options;
    const { signal } = this.#closing;
    while (clock.now() < time) {
      const hasNews = (sessions?.hasNews === true || this.#isStale) && this.#failures === 0;
      const newsAt = Math.max(clock.now() + GATHER_MS, this.#toldAt + NEWS_MS);
      if (!hasNews) await this.#sleepUntilWoken(time - clock.now());
      else {
        await sleep(clock, Math.min(newsAt, time) - clock.now(), signal);
        return clock.now() < time;
      }
    }
    return false;
  }

  async #sleepUntilWoken(ms: number): Promise<void> {
    const { signal } = this.#closing;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await sleep(this.#options.clock, ms, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }

  /** With everything, or only with what is new. */
  async #beat(all: boolean): Promise<void> {
    const { clock, log, membership } = this.#options;
    try {
      await this.#send(membership.record(), PRESENCE_MS, all);
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

  async #send(record: HostRecord | undefined, ttlMs: number, all: boolean): Promise<void> {
    if (record === undefined) return;
    const { membership, version, sessions, clock } = this.#options;
    const isGoodbye = all && this.#leaving === 'asked';
    const served = all ? this.#served(record) : [];
    const news = (isGoodbye ? undefined : sessions?.news(all)) ?? NO_NEWS;
    this.#toldAt = clock.now();
    await membership.api().call(heartbeat, {
      version,
      ttl: formatDuration(isGoodbye ? LEAVE_MS : ttlMs),
      resources: documentsOf(record, served, news) as never,
      ended: news.ended,
      gone: all ? this.#targets.gone(served) : [],
    });
    sessions?.told(news);
    if (!all) return;
    this.#targets.heard(served);
    if (isGoodbye) this.#leaving = 'told';
  }

  #served(record: HostRecord): readonly Resource[] {
    this.#isStale = false;
    return this.#leaving === 'told' ? [] : this.#options.resources(record);
  }
}

function documentsOf(
  record: HostRecord,
  served: readonly Resource[],
  { live }: SessionNews,
): readonly Resource[] {
  return [...served, ...live.map((session) => sessionDocument(record.certificates.host_id, session))];
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
