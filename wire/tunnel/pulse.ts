// Is the other end of a long connection still there? Asked end to end, because a balancer or NAT in between keeps a dead
// connection open. What arrives is a sign of life, so that a slow link under load is not taken for a dead one, and two ends
// that watch each other ask once; but after a question a few bytes are none. One timer looks after all of an owner.
//
//   quiet for askAfterMs ─▶ ask (keepalive), again after 2 s ── quiet for 5 s since the first question ─▶ dead
//                                                               with much on its way out: 15 s
import { randomInt } from 'node:crypto';
import type { Clock } from '#core/clock.ts';

const TICK_MS = 1000;
const ASK_AGAIN_MS = 2000;
const SILENCE_MS = 5000;
const BUSY_SILENCE_MS = 15_000;
/** Sent since the last sign of life: so much that an answer may have to queue behind it. */
const BUSY_BYTES = 256 * 1024;
/** Where nothing gets through to the other end, it asks as well: so few bytes are its questions, and no answer. */
const QUESTION_BYTES = 1024;

/** What node:net counts of a socket. */
export interface CountedStream {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

export interface PulseTarget {
  readonly stream: CountedStream;
  /** As SshConnection.probe: true when the other end answered. */
  readonly probe: () => Promise<boolean>;
  /** Called once, when the other end is taken for dead; watching is over then. */
  readonly onDead: () => void;
}

export interface Pulse {
  /** The other end was asked, and nothing came so far. */
  readonly isInDoubt: boolean;
  /** Asks at once instead of when it has been quiet for long. */
  hurry(): void;
  stop(): void;
}

export interface PulsesOptions {
  readonly clock: Clock;
  /** How long it may be quiet before the other end is asked. */
  readonly askAfterMs: number;
  /** Up to so much longer, each time anew, so that many do not ask at once. */
  readonly spreadMs: number;
}

/** Runs a timer only while it watches something. */
export class Pulses {
  readonly #options: PulsesOptions;
  readonly #watched = new Set<Watched>();
  #isTicking = false;

  constructor(options: PulsesOptions) {
    this.#options = options;
  }

  watch(target: PulseTarget): Pulse {
    const watched = new Watched(target, this.#options, () => this.#watched.delete(watched));
    this.#watched.add(watched);
    if (!this.#isTicking) this.#tickLater();
    return watched;
  }

  #tickLater(): void {
    this.#isTicking = true;
    this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#isTicking = false;
    const now = this.#options.clock.now();
    for (const watched of this.#watched) watched.look(now);
    if (this.#watched.size > 0) this.#tickLater();
  }
}

class Watched implements Pulse {
  readonly stop: () => void;
  readonly #target: PulseTarget;
  readonly #options: PulsesOptions;
  #read: number;
  #written: number;
  #askAt: number;
  #askedAt: number | undefined;
  #questions = 0;
  #isAnswered = false;

  constructor(target: PulseTarget, options: PulsesOptions, stop: () => void) {
    this.#target = target;
    this.#options = options;
    this.stop = stop;
    this.#read = target.stream.bytesRead ?? 0;
    this.#written = target.stream.bytesWritten ?? 0;
    this.#askAt = this.#nextQuestion(options.clock.now());
  }

  get isInDoubt(): boolean {
    return this.#askedAt !== undefined;
  }

  hurry(): void {
    if (this.#askedAt === undefined) this.#ask(this.#options.clock.now());
  }

  look(now: number): void {
    if (this.#hasSignOfLife()) {
      this.#askedAt = undefined;
      this.#askAt = this.#nextQuestion(now);
    } else if (this.#askedAt === undefined) {
      if (now >= this.#askAt) this.#ask(now);
    } else if (now - this.#askedAt >= this.#patienceMs()) {
      this.stop();
      this.#target.onDead();
    } else if (now - this.#askedAt >= ASK_AGAIN_MS * this.#questions) this.#question();
  }

  #nextQuestion(now: number): number {
    const { askAfterMs, spreadMs } = this.#options;
    return now + askAfterMs + (spreadMs === 0 ? 0 : randomInt(spreadMs));
  }

  #patienceMs(): number {
    const sent = (this.#target.stream.bytesWritten ?? 0) - this.#written;
    return sent > BUSY_BYTES ? BUSY_SILENCE_MS : SILENCE_MS;
  }

  #ask(now: number): void {
    this.#askedAt = now;
    this.#questions = 0;
    this.#question();
  }

  #question(): void {
    this.#questions++;
    void this.#waitForAnswer();
  }

  async #waitForAnswer(): Promise<void> {
    const isAlive = await this.#target.probe().catch(() => false);
    this.#isAnswered ||= isAlive;
  }

  #hasSignOfLife(): boolean {
    const { bytesRead = 0, bytesWritten = 0 } = this.#target.stream;
    const enough = this.#askedAt === undefined ? 0 : QUESTION_BYTES;
    const isAlive = bytesRead - this.#read > enough || this.#isAnswered;
    this.#isAnswered = false;
    if (isAlive) {
      this.#read = bytesRead;
      this.#written = bytesWritten;
    }
    return isAlive;
  }
}
