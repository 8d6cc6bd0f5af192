// The life of the socket below a transport: its events, and how it ends so that the last words arrive and nothing waits
// for a peer that never closes.
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';

const LAST_WORDS_MS = 1000;

export interface SocketEvents {
  onData(chunk: Buffer): void;
  /** The peer will send no more; not called once this end is ending. */
  onEnd(): void;
  onDrain(): void;
  /** Once, with the first error that was given or met. */
  onClose(error: GatehouseError | undefined): void;
}

export class SocketEnd {
  readonly #socket: Duplex;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #error: GatehouseError | undefined;
  #hasReason = false;
  #isEnding = false;
  #isPeerDone = false;

  constructor(socket: Duplex, clock: Clock, events: SocketEvents) {
    this.#socket = socket;
    this.#clock = clock;
    setNoDelay(socket);
    socket.on('data', events.onData);
    socket.on('drain', events.onDrain);
    socket.on('end', () => {
      this.#isPeerDone = true;
      if (this.#isEnding) socket.destroy();
      else events.onEnd();
    });
    socket.on('error', (cause) => {
      this.#because(new GatehouseError('UNAVAILABLE', 'the connection failed', { cause }));
      socket.destroy();
    });
    socket.once('close', () => {
      this.#because(new GatehouseError('UNAVAILABLE', 'the connection was cut'));
      this.#isEnding = true;
      this.#timer?.cancel();
      events.onClose(this.#error);
    });
    // A listener that looked at the first bytes has paused it.
    socket.resume();
  }

  /** Nothing more is read or sent. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  get isPeerDone(): boolean {
    return this.#isPeerDone;
  }

  /** Ends when what was written is out, or after a second. What comes in is thrown away, as unread bytes would reset the connection. */
  finish(error: GatehouseError | undefined): void {
    if (this.#isEnding) return;
    this.finishWithin(error);
    this.#isEnding = true;
    this.#socket.end();
    this.#socket.resume();
    if (this.#isPeerDone) this.#socket.destroy();
  }

  /** Fixes the reason and the time; `finish` may follow. */
  finishWithin(error: GatehouseError | undefined): void {
    this.#because(error);
    this.#timer ??= this.#clock.after(LAST_WORDS_MS, () => this.#socket.destroy());
  }

  destroy(error: GatehouseError | undefined): void {
    this.#because(error);
    this.#isEnding = true;
    this.#socket.destroy();
  }

  #because(error: GatehouseError | undefined): void {
    if (this.#hasReason) return;
    this.#hasReason = true;
    this.#error = error;
  }
}

function setNoDelay(socket: Duplex): void {
  if ('setNoDelay' in socket && typeof socket.setNoDelay === 'function') {
    socket.setNoDelay(true);
  }
}
