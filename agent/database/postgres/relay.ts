// The data path of a session: bytes go on as they come, and a copy is read before. Holds a piece at a time in each
// direction; who cannot take more makes the other one wait.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import { letGo } from '#wire/let-go.ts';
import type { ClientWatch } from './client-watch.ts';
import type { ServerWatch } from './server-watch.ts';

export type RelayEnd =
  | { readonly by: 'client' | 'server' }
  | { readonly by: 'malformed'; readonly from: 'client' | 'server'; readonly error: GatehouseError };

export interface RelayOptions {
  readonly client: Duplex;
  readonly server: Duplex;
  readonly clientWatch: ClientWatch;
  readonly serverWatch: ServerWatch;
  /** The client sent something. */
  onInput(): void;
  /** Once: nothing is passed on from now on. The streams are still open. */
  onEnd(end: RelayEnd): void;
}

/** Worth giving back at once (let-go.ts). */
const LARGE_BYTES = 16 * 1024;
const BULK_BYTES = 4 * 1024;
/** What one side may have waiting before the other one waits. */
const HIGH_WATER_BYTES = 256 * 1024;

export class Relay {
  readonly #options: RelayOptions;
  #isOver = false;
  /** The server takes no more at present; somebody else wants the client to wait. */
  #isServerFull = false;
  #holds = 0;
  received = 0;
  sent = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    const { client, server } = this.#options;
    client.on('data', (bytes: Buffer) => this.#fromClient(bytes));
    server.on('data', (bytes: Buffer) => this.#fromServer(bytes));
    server.on('drain', () => {
      this.#isServerFull = false;
      this.#letClientSend();
    });
    client.on('drain', () => server.resume());
    // Half-closed: PostgreSQL knows no such thing, it means that the client is gone.
    for (const event of ['end', 'close'] as const) {
      client.on(event, () => this.#end({ by: 'client' }));
      server.on(event, () => this.#end({ by: 'server' }));
    }
    client.resume();
    server.resume();
  }

  /** No more is read of the client until it was released as often. */
  hold(): void {
    this.#holds++;
    this.#options.client.pause();
  }

  release(): void {
    this.#holds--;
    this.#letClientSend();
  }

  /** Stops without telling `onEnd`. */
  stop(): void {
    this.#isOver = true;
  }

  #letClientSend(): void {
    if (this.#holds === 0 && !this.#isServerFull && !this.#isOver) this.#options.client.resume();
  }

  #fromClient(bytes: Buffer): void {
    if (this.#isOver) return;
    const { clientWatch, server, client, onInput } = this.#options;
    this.received += bytes.length;
    onInput();
    try {
      clientWatch.scan(bytes);
    } catch (error) {
      this.#broken('client', error);
      return;
    }
    // Whoever was told of a query may have ended the session.
    if (this.#isOver) return;
    if (passOn(server, bytes)) return;
    this.#isServerFull = true;
    client.pause();
  }

  #fromServer(bytes: Buffer): void {
    if (this.#isOver) return;
    const { serverWatch, client, server } = this.#options;
    this.sent += bytes.length;
    try {
      serverWatch.scan(bytes);
    } catch (error) {
      this.#broken('server', error);
      return;
    }
    if (!passOn(client, bytes)) server.pause();
  }

  #broken(from: 'client' | 'server', error: unknown): void {
    if (!(error instanceof GatehouseError)) throw error;
    this.#end({ by: 'malformed', from, error });
  }

  #end(end: RelayEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd(end);
  }
}

/**
 * Bulk comes in records of 8 KiB, several in one turn: they are written together, which halves what they cost. Small ones
 * go at once.
 */
function passOn(to: Duplex, bytes: Buffer): boolean {
  if (bytes.length >= BULK_BYTES && to.writableCorked === 0) {
    to.cork();
    setImmediate(() => to.uncork());
  }
  const written = (error: Error | null | undefined): void => {
    if (!error) letGo(bytes);
  };
  const isLarge = bytes.length >= LARGE_BYTES && to instanceof Socket;
  const hasRoom = isLarge ? to.write(bytes, written) : to.write(bytes);
  return hasRoom || to.writableLength < HIGH_WATER_BYTES;
}
