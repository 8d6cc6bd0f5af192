// Reads the requests of one connection in turn, and lets each be answered or forwarded (exchange.ts) before the next is
// looked at. Bounded: what waits is at most one head and one piece; who is slow in sending is sent away.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { writeAnswer, type Answer } from './answer.ts';
import { Exchange } from './exchange.ts';
import { requestFraming } from './framing.ts';
import { headEnd, parseRequestHead, type RequestHead } from './head.ts';

export interface ServeLimits {
  /** Of a request's head, in bytes. */
  readonly headBytes: number;
  /** For a head to be whole, from its first byte on. */
  readonly headMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** Without a byte in the middle of a body that is waited for. */
  readonly stallMs: number;
  /** For a client to take what waits for it. */
  readonly takeMs: number;
}

export const SERVE_LIMITS: ServeLimits = {
  headBytes: 32 * 1024,
  headMs: 30_000,
  idleMs: 120_000,
  stallMs: 120_000,
  takeMs: 300_000,
};

export interface ServeOptions {
  readonly clock: Clock;
  readonly limits?: ServeLimits;
  /** Answers the request, forwards it, or takes the connection, at once or later. */
  readonly handle: (exchange: Exchange) => void;
  /** What to say of bytes that are no request; the connection ends with it. */
  readonly refuse: (error: unknown) => Answer;
}

export interface Served {
  /** Ends the connection, after the exchange that is under way when `gently`. Safe to call twice. */
  end(gently?: boolean): void;
  readonly closed: Promise<void>;
}

/** Owns the stream. */
export function serveHttp(stream: Duplex, options: ServeOptions): Served {
  return new Serving(stream, options);
}

const EMPTY = Buffer.alloc(0);
const MAX_CHECK_MS = 5000;
/** A client that still sends when it was answered would not read the answer if it were cut off at once. */
const LINGER_MS = 30_000;

class Serving implements Served {
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #options: ServeOptions;
  readonly #limits: ServeLimits;
  #pending: Buffer = EMPTY;
  #exchange: Exchange | undefined;
  #movedAt: number;
  #headSince: number | undefined;
  /** Since when the client has not taken what waits for it, as far as was looked. */
  #fullSince: number | undefined;
  #timer: Timer | undefined;
  #isEnding = false;
  #isGone = false;
  readonly #onData = (bytes: Buffer): void => this.#read(bytes);
  readonly #onEnd = (): void => this.#halfClosed();
  readonly #onClose = (): void => this.#gone();
  readonly #onDrain = (): void => {
    this.#fullSince = undefined;
    this.#exchange?.clientDrained();
  };

  constructor(stream: Duplex, options: ServeOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#limits = options.limits ?? SERVE_LIMITS;
    this.#movedAt = options.clock.now();
    this.closed = new Promise((resolve) => {
      if (stream.destroyed) resolve();
      else stream.once('close', () => resolve());
    });
    stream.on('error', () => {});
    stream
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('close', this.#onClose)
      .on('drain', this.#onDrain);
    if (stream.destroyed) this.#gone();
    else this.#watch();
  }

  end(gently = false): void {
    this.#isEnding = true;
    if (!gently || this.#exchange === undefined) this.#stream.destroy();
  }

  #read(bytes: Buffer): void {
    this.#movedAt = this.#options.clock.now();
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#next(this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]));
      return;
    }
    this.#feed(exchange, bytes);
  }

  /** Bytes that came during an exchange: its body, and what belongs to the next request. */
  #feed(exchange: Exchange, bytes: Buffer): void {
    try {
      const at = this.#pending.length > 0 ? 0 : exchange.readBody(bytes, 0);
      if (at < bytes.length) this.#keep(bytes.subarray(at));
    } catch (error) {
      const hasReplied = exchange.hasReplied;
      exchange.abort();
      if (hasReplied) this.#stream.destroy();
      else this.#refuse(error);
    }
  }

  #keep(bytes: Buffer): void {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    // One more request may wait; the next read goes on when it is its turn.
    this.#stream.pause();
  }

  #next(bytes: Buffer): void {
    this.#pending = EMPTY;
    let head: RequestHead;
    let end: number | undefined;
    try {
      end = headEnd(bytes, this.#limits.headBytes);
      if (end === undefined) {
        this.#pending = bytes;
        this.#headSince ??= this.#movedAt;
        return;
      }
      head = parseRequestHead(bytes.subarray(0, end));
      this.#headSince = undefined;
      const exchange = new Exchange(this.#stream, head, requestFraming(head), {
        done: (keepsAlive) => this.#done(keepsAlive),
        handOver: () => this.#handOver(),
        bodyRead: () => this.#resumeBody(),
      });
      this.#exchange = exchange;
      if (end < bytes.length) this.#pending = bytes.subarray(end);
      this.#options.handle(exchange);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** The exchange takes its body now. */
  #resumeBody(): void {
    const exchange = this.#exchange;
    const pending = this.#pending;
    if (exchange === undefined) return;
    this.#pending = EMPTY;
    if (pending.length > 0) this.#feed(exchange, pending);
    if (this.#exchange === exchange && this.#pending.length === 0 && !exchange.isHeld) this.#stream.resume();
  }

  #done(keepsAlive: boolean): void {
    this.#exchange = undefined;
    this.#movedAt = this.#options.clock.now();
    if (this.#isGone) return;
    if (!keepsAlive || this.#isEnding || (this.#stream.readableEnded && this.#pending.length === 0)) {
      this.#close();
      return;
    }
    if (this.#pending.length > 0) queueMicrotask(() => this.#goOn());
    this.#stream.resume();
  }

  #goOn(): void {
    if (this.#exchange === undefined && !this.#isGone && this.#pending.length > 0) this.#next(this.#pending);
  }

  /** Lets what was written go out; what the client still sends is read and forgotten for a moment, so that it reads. */
  #close(): void {
    this.#isGone = true;
    this.#stream.off('data', this.#onData);
    this.#stream.end();
    this.#stream.resume();
    const timer = this.#options.clock.after(LINGER_MS, () => this.#stream.destroy());
    this.#stream.once('close', () => timer.cancel());
    this.#stream.once('end', () => this.#stream.destroy());
  }

  #refuse(error: unknown): void {
    if (this.#isGone) return;
    this.#exchange = undefined;
    if (this.#stream.writable) {
      const answer = this.#options.refuse(
        isCode(error) ? error : new Error('a request could not be handled', { cause: error }),
      );
      this.#stream.write(writeAnswer(answer, { method: 'GET', keepsAlive: false, minor: 1 }));
    }
    this.#close();
  }

  /** Nobody who leaves says it in another way: whoever wants the reply keeps the connection. */
  #halfClosed(): void {
    this.#stream.destroy();
  }

  #gone(): void {
    this.#isGone = true;
    this.#timer?.cancel();
    this.#exchange?.abort();
    this.#exchange = undefined;
  }

  #handOver(): Buffer {
    this.#isGone = true;
    this.#timer?.cancel();
    const stream = this.#stream;
    stream
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('drain', this.#onDrain);
    stream.pause();
    const rest = this.#pending;
    this.#pending = EMPTY;
    this.#exchange = undefined;
    return rest;
  }

  #watch(): void {
    const { clock } = this.#options;
    const { headMs, idleMs, stallMs, takeMs } = this.#limits;
    const shortest = Math.min(headMs, idleMs, stallMs, takeMs);
    this.#timer = clock.after(Math.min(MAX_CHECK_MS, shortest / 2), () => {
      if (this.#isGone) return;
      if (this.#isTooSlow()) this.#stream.destroy();
      else this.#watch();
    });
  }

  #isTooSlow(): boolean {
    const now = this.#options.clock.now();
    const { headMs, idleMs, stallMs, takeMs } = this.#limits;
    if (this.#stream.writableNeedDrain) {
      this.#fullSince ??= now;
      return now - this.#fullSince > takeMs;
    }
    this.#fullSince = undefined;
    if (this.#exchange !== undefined) {
      return this.#exchange.awaitsClient && now - this.#movedAt > stallMs;
    }
    if (this.#headSince !== undefined) return now - this.#headSince > headMs;
    return now - this.#movedAt > idleMs;
  }
}
