// Graceful restarts: a new process takes the listening sockets, then what only one process may have (data directory, auth
// service), and serves; this one keeps the sessions it has. Whatever goes wrong before the new one serves, this one goes on.
//
//   serving ── HUP, USR2 ──▶ handing over ── the new one is ready ──▶ handed over ──▶ (HUP) empty: ends
//      ▲                        └── it failed: taken back ──┐
//      └────────────────────────────────────────────────────┘
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { StartSuccessor, Successor } from './successor.ts';
import type { InheritedSocket } from './sockets.ts';

export interface HandoverParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: StartSuccessor;
  /** This process is the first of its container, which ends with it: it stays for as long as the new one runs. */
  readonly isInit: boolean;
  sockets(): readonly InheritedSocket[];
  /** Gives up what only one process may have. */
  release(): Promise<void>;
  /** Opens all of it again; a throw ends the process. */
  retake(): Promise<void>;
  /** Takes nothing new; resolves when nothing is left. */
  drain(): Promise<void>;
}

export interface Handover {
  /** Resolves when a process that was told HUP has nothing left to do. */
  readonly finished: Promise<void>;
  /** Rejects when what was released cannot be opened again; never resolves. */
  readonly failed: Promise<never>;
  /** Never rejects. Resolves when it is handed over, or has failed. */
  begin(signal: NodeJS.Signals): Promise<void>;
  /** Ends a new process that does not serve yet; as init, one that serves as well, and waits for its end. */
  close(): Promise<void>;
}

/** Reading a configuration, compiling code. */
const WAITING_MS = 60_000;
/** Opening the store and all services, with an auth service that may be far away. */
const READY_MS = 120_000;
const AGAIN_MS = 5000;

export function openHandover(parts: HandoverParts): Handover {
  return new RunningHandover(parts);
}

class RunningHandover implements Handover {
  readonly finished: Promise<void>;
  readonly failed: Promise<never>;
  readonly #parts: HandoverParts;
  readonly #finish: () => void;
  readonly #fail: (error: Error) => void;
  #state: 'serving' | 'handing over' | 'handed over' | 'closed' = 'serving';
  #successor: Successor | undefined;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
    const finished = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<never>();
    this.finished = finished.promise;
    this.failed = failed.promise;
    this.failed.catch(() => {});
    this.#finish = finished.resolve;
    this.#fail = failed.reject;
  }

  async begin(signal: NodeJS.Signals): Promise<void> {
    const { log } = this.#parts;
    if (this.#state === 'handing over') {
      log.warn({ signal }, 'a graceful restart is under way already');
    } else if (this.#state === 'handed over') {
      // Init systems know this process for as long as it lives.
      log.info(
        { signal, to: this.#successor?.pid },
        'the signal is passed on to the process that serves now',
      );
      this.#successor?.signal(signal);
    } else if (this.#state === 'serving') {
      this.#state = 'handing over';
      if (await this.#handOver()) this.#leave(signal);
    }
  }

  async close(): Promise<void> {
    const { isInit } = this.#parts;
    const was = this.#state;
    this.#state = 'closed';
    if (was === 'handing over') this.#successor?.signal('SIGKILL');
    if (was !== 'handed over' || !isInit) return;
    this.#successor?.signal('SIGTERM');
    await this.#successor?.ended;
  }

  async #handOver(): Promise<boolean> {
    const { log, sockets } = this.#parts;
    log.info({}, 'graceful restart: a new process is started');
    const successor = (this.#successor = this.#parts.start(sockets()));
    let isReleased = false;
    try {
      await this.#within(WAITING_MS, successor.waiting);
      isReleased = true;
      await this.#parts.release();
      successor.go();
      await this.#within(READY_MS, successor.ready);
      log.info({ pid: successor.pid }, 'graceful restart: the new process serves');
      return true;
    } catch (error) {
      successor.signal('SIGKILL');
      await successor.ended;
      if (this.#isClosed()) return false;
      log.error({ err: error }, 'graceful restart: the new process could not take over; this one goes on');
      if (isReleased) await this.#parts.retake().catch((cause: unknown) => this.#fail(cause as Error));
      if (!this.#isClosed()) this.#state = 'serving';
      return false;
    }
  }

  #leave(signal: NodeJS.Signals): void {
    if (this.#isClosed()) return;
    this.#state = 'handed over';
    void this.#watch();
    void this.#drain(signal);
  }

  async #drain(signal: NodeJS.Signals): Promise<void> {
    const { log, drain } = this.#parts;
    try {
      await drain();
    } catch (error) {
      log.error({ err: error }, 'graceful restart: this process did not stop taking connections in order');
      return;
    }
    if (signal !== 'SIGHUP') return;
    log.info({}, 'graceful restart: nothing is left in this process');
    if (!this.#parts.isInit) this.#finish();
  }

  /** Until this process ends, it looks after the one that serves. */
  async #watch(): Promise<void> {
    const { clock, log, start } = this.#parts;
    for (;;) {
      const how = (await this.#successor?.ended) ?? '';
      if (this.#isClosed()) return;
      if (how === 'it ended with 0') {
        if (this.#parts.isInit) this.#finish();
        return;
      }
      log.error({ how }, 'the process that took over has ended; another one is started');
      await sleep(clock, AGAIN_MS);
      if (this.#isClosed()) return;
      const next = (this.#successor = start([]));
      // Nothing is held here any more.
      next.waiting.then(
        () => next.go(),
        () => {},
      );
    }
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  async #within(ms: number, word: Promise<void>): Promise<void> {
    const done = new AbortController();
    const late = sleep(this.#parts.clock, ms, done.signal).then(
      () => {
        throw new GatehouseError('UNAVAILABLE', `the new process said nothing for ${ms / 1000} s`);
      },
      () => {},
    );
    try {
      await Promise.race([word, late]);
    } finally {
      done.abort();
    }
  }
}
