// Gives a connection that is open already to the `pg` client, which wants to open one: the few calls of a socket that it
// makes, over any stream.
import { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';

/** Far more than the answers about one account; the client would hold all that a server likes to send. */
const MAX_BYTES = 4 * 1024 * 1024;

export class AdminStream extends Duplex {
  readonly #inner: Duplex;
  #bytes = 0;

  constructor(inner: Duplex) {
    super();
    this.#inner = inner;
    inner.on('data', (piece: Buffer) => {
      this.#bytes += piece.length;
      if (this.#bytes > MAX_BYTES) this.destroy(tooMuch());
      else if (!this.push(piece)) inner.pause();
    });
    inner.pause();
    inner.once('end', () => this.push(null));
    inner.once('error', (error) => this.destroy(error));
    inner.once('close', () => this.destroy());
  }

  connect(): this {
    queueMicrotask(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#inner.write(piece, (error) => done(error));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#inner.destroy();
    done(error);
  }
}

const tooMuch = (): GatehouseError =>
  new GatehouseError('UNAVAILABLE', 'the database answers the admin_user with more than it was asked for');
