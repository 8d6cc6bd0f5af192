// A reply of JSON lines to a reader that may be slow: what waits to be sent is bounded, and a reader that does not
// keep up is told so and let go. Apart from the routes because it knows nothing of what is sent.
import { Readable } from 'node:stream';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError, toErrorBody } from '#core/errors/error.ts';

export interface LineStreamOptions {
  readonly clock: Clock;
  /** Bytes that may wait; one line more is taken. Default 1 MiB. */
  readonly maxWaiting?: number;
  /** How long nothing may be taken by the reader. Default 30 s. */
  readonly stallMs?: number;
}

/** After its last line, how long a reader has to take what waits. */
const LINGER_MS = 30_000;

export class LineStream {
  readonly body: Readable;
  readonly #options: Required<LineStreamOptions>;
  #waiting: { resolve(): void; timer: Timer } | undefined;
  #linger: Timer | undefined;
  #isEnded = false;

  constructor(options: LineStreamOptions) {
    this.#options = { maxWaiting: 1024 * 1024, stallMs: 30_000, ...options };
    this.body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => this.#taken(),
      destroy: (error, done) => {
        this.#isEnded = true;
        this.#linger?.cancel();
        this.#taken();
        done(error);
      },
    });
  }

  /** True when nothing more can be sent: the reader is gone, or `end` or `fail` was called. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Sends one line without waiting; false, and nothing is sent, when too much waits already. */
  offer(value: unknown): boolean {
    if (this.#isEnded || this.body.readableLength > this.#options.maxWaiting) return false;
    this.body.push(`${JSON.stringify(value)}\n`);
    return true;
  }

  /** Sends one line once there is room. REVISION_COMPACTED when the reader takes nothing for too long. */
  async send(value: unknown): Promise<void> {
    while (!this.#isEnded && this.body.readableLength > this.#options.maxWaiting) {
      if (!(await this.#room())) {
        throw new GatehouseError('REVISION_COMPACTED', 'the reader is too slow; take a new snapshot');
      }
    }
    this.offer(value);
  }

  /** No more lines. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.body.push(null);
    this.#linger = this.#options.clock.after(LINGER_MS, () => this.body.destroy());
    this.#taken();
  }

  /** A last line that says why there are no more. */
  fail(error: unknown): void {
    if (!this.#isEnded) this.body.push(`${JSON.stringify({ error: toErrorBody(error) })}\n`);
    this.end();
  }

  /** True when the reader took something, or the stream ended; false when neither came in time. */
  #room(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(this.#options.stallMs, () => {
        this.#waiting = undefined;
        resolve(false);
      });
      this.#waiting = { timer, resolve: () => resolve(true) };
    });
  }

  #taken(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.timer.cancel();
    waiting?.resolve();
  }
}
