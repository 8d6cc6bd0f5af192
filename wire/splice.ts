// Joins two connections: what one end sends the other receives, in both directions, with backpressure and half-close.
// The one implementation for whatever the proxy forwards without looking. TCP sockets are read into memory of ours
// (adopted-socket.ts); any other duplex, such as TLS, works as well and costs more.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Clock } from '#core/clock.ts';
import { adoptSocket, isAdoptable } from './adopted-socket.ts';

export interface SpliceOptions {
  /** Both ends are closed when nothing moved in either direction for so long. Left out: never. */
  readonly idle?: { readonly clock: Clock; readonly ms: number };
}

export interface SpliceEnd {
  /** Left out when both sides ended in order. */
  readonly error?: Error;
}

export interface Splice {
  /** Bytes that were passed on so far. */
  readonly aToB: number;
  readonly bToA: number;
  /** When both sides are closed; never rejects. */
  readonly done: Promise<SpliceEnd>;
  /** Closes both sides at once; what waits is lost. Safe to call twice. */
  destroy(error?: Error): void;
}

/** What a TCP socket may have waiting before the other end is told to stop. */
const HIGH_WATER_BYTES = 256 * 1024;

/**
 * Splices two connected streams, which it owns from now on: it ends and destroys both. Bytes that were put back with
 * `unshift` go first. A destroy of either from outside ends both.
 */
export function splice(a: Duplex, b: Duplex, options: SpliceOptions = {}): Splice {
  return new Running(a, b, options);
}

/** One direction. */
class Lane {
  source: Duplex;
  sink: Duplex;
  count = 0;
  /** The source said that no more comes. */
  isEnded = false;
  /** And all of it went out. */
  isFinished = false;
  /** The source reads into memory that is used again; its bytes come by `lend`. */
  isLent = false;
  /** The sink tells each time that all was written. */
  isSinkAdopted = false;

  constructor(source: Duplex, sink: Duplex) {
    this.source = source;
    this.sink = sink;
  }

  /** False: the bytes wait, and so must the source. */
  pass(bytes: Uint8Array): boolean {
    this.count += bytes.length;
    if (!this.sink.writable) return true;
    const hasRoom = this.sink.write(bytes);
    return this.sink instanceof Socket ? this.sink.writableLength < HIGH_WATER_BYTES : hasRoom;
  }

  /**
   * The same for memory that is used again. A TCP socket of ours has mostly written it when `write` returns, and if not,
   * the source waits. TLS has enciphered it by then, unless something waits before it; anything else is given a copy.
   */
  lend(bytes: Uint8Array): boolean {
    const { sink } = this;
    if (!this.isSinkAdopted && !enciphersAtOnce(sink)) return this.pass(Buffer.from(bytes));
    this.count += bytes.length;
    if (!sink.writable) return true;
    const hasRoom = sink.write(bytes);
    return sink.writableLength === 0 || (hasRoom && !this.isSinkAdopted);
  }

  run(head: readonly Buffer[], finished: () => void): void {
    const { source, sink } = this;
    let isHeld = false;
    const onBytes = (bytes: Buffer): void => {
      if (this.pass(bytes)) return;
      isHeld = true;
      source.pause();
    };
    sink.on('drain', () => {
      isHeld = false;
      if (!source.destroyed && !this.isEnded) source.resume();
    });
    sink.once('finish', () => {
      this.isFinished = true;
      finished();
    });
    source.once('end', () => {
      this.isEnded = true;
      if (sink.writable) sink.end();
    });
    head.forEach(onBytes);
    if (!this.isLent) source.on('data', onBytes);
    if (!isHeld) source.resume();
  }
}

class Running implements Splice {
  readonly done: Promise<SpliceEnd>;
  readonly #there: Lane;
  readonly #back: Lane;
  /** Sockets whose connection was moved: their owners hear of the end by them. */
  readonly #shells: Duplex[] = [];
  readonly #resolve: (end: SpliceEnd) => void;
  #cancelIdle: (() => void) | undefined;
  #isOver = false;

  constructor(a: Duplex, b: Duplex, { idle }: SpliceOptions) {
    const { promise, resolve } = Promise.withResolvers<SpliceEnd>();
    this.done = promise;
    this.#resolve = resolve;
    this.#there = new Lane(a, b);
    this.#back = new Lane(b, a);
    for (const stream of [a, b]) {
      stream.pause();
      this.#watch(stream);
    }
    if (a.destroyed || b.destroyed) {
      // It may have told so already, and tells it once.
      this.destroy();
      return;
    }
    whenFlushed(a, () => whenFlushed(b, () => this.#run()));
    if (idle !== undefined) this.#watchIdle(idle.clock, idle.ms);
  }

  get aToB(): number {
    return this.#there.count;
  }

  get bToA(): number {
    return this.#back.count;
  }

  destroy(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelIdle?.();
    for (const stream of [this.#there.source, this.#back.source, ...this.#shells]) stream.destroy();
    this.#resolve(error === undefined ? {} : { error });
  }

  #run(): void {
    if (this.#isOver) return;
    const [head, backHead] = [this.#adopt(this.#there, this.#back), this.#adopt(this.#back, this.#there)];
    const finished = (): void => {
      if (this.#there.isFinished && this.#back.isFinished) this.destroy();
    };
    this.#there.run(head, finished);
    this.#back.run(backHead, finished);
  }

  /** Moves the source of `lane` to a socket that is cheaper to read, where that can be done. */
  #adopt(lane: Lane, other: Lane): readonly Buffer[] {
    const before = lane.source;
    if (!isAdoptable(before)) return [];
    const { socket, head } = adoptSocket(before, (bytes) => lane.lend(bytes));
    this.#shells.push(before);
    lane.source = socket;
    lane.isLent = true;
    other.sink = socket;
    other.isSinkAdopted = true;
    this.#watch(socket);
    return head;
  }

  #watch(stream: Duplex): void {
    stream.once('error', (error) => this.destroy(error));
    stream.once('close', () => {
      const isDone = [this.#there, this.#back].every(
        (lane) => (lane.source !== stream || lane.isEnded) && (lane.sink !== stream || lane.isFinished),
      );
      if (!isDone || this.#shells.includes(stream)) this.destroy();
    });
  }

  #watchIdle(clock: Clock, ms: number): void {
    const look = (before: number): void => {
      const timer = clock.after(ms, () => {
        const now = this.aToB + this.bToA;
        if (now === before) this.destroy(new Error(`nothing moved for ${ms / 1000} s`));
        else look(now);
      });
      this.#cancelIdle = () => timer.cancel();
    };
    look(-1);
  }
}

/** What is written goes straight into the native half, which enciphers it or, before the handshake is done, copies it. */
function enciphersAtOnce(sink: Duplex): boolean {
  return (
    sink instanceof TLSSocket && !sink.connecting && sink.writableLength === 0 && sink.writableCorked === 0
  );
}

function whenFlushed(stream: Duplex, then: () => void): void {
  if (stream.writableLength === 0) then();
  // An error is told by its own event as well.
  else stream.write('', () => then());
}
