// A Node stream of a channel, for those who want one: pipes, protocol clients, file transfers. Costs more memory and
// copies than the callbacks of Channel, so long-lived idle channels do without.
import { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import type { Channel, ChannelReceiver, IncomingChannel, SshConnection } from './ssh.ts';

/** What a stream of bytes leaves out. Without it, standard error is dropped and requests are refused. */
export interface ChannelStreamHooks {
  /** The credit is given back after the call. */
  readonly onStderr?: (data: Buffer) => void;
  readonly onRequest?: (name: string, payload: Uint8Array) => boolean | Promise<boolean>;
}

/** Opens a channel; rejects as SshConnection.open. */
export async function openChannelStream(
  connection: SshConnection,
  type: string,
  payload: Uint8Array,
  hooks?: ChannelStreamHooks,
): Promise<ChannelStream> {
  const stream = new ChannelStream(hooks);
  try {
    stream.bind(await connection.open(type, payload, stream));
  } catch (error) {
    stream.destroy();
    throw error;
  }
  return stream;
}

/** Accepts a channel that the peer opens. */
export function acceptChannelStream(
  opening: IncomingChannel,
  hooks?: ChannelStreamHooks,
  confirmation?: Uint8Array,
): ChannelStream {
  const stream = new ChannelStream(hooks);
  stream.bind(opening.accept(stream, confirmation));
  return stream;
}

/**
 * Half-open: ending the writable side sends EOF, the readable side ends at the peer's EOF or close. Destroying it, or
 * the end of both sides, closes the channel. At the peer's close the writable side ends too; what the peer had not taken
 * by then is lost without an error, as in a pipe that nobody reads.
 */
export class ChannelStream extends Duplex implements ChannelReceiver {
  readonly #hooks: ChannelStreamHooks;
  #channel: Channel | undefined;
  /** Bytes in the stream's buffer whose credit is not given back. */
  #owed = 0;
  #onRoom: (() => void) | undefined;
  #isClosed = false;

  /** Is a receiver from the start; must be bound to its channel before anything is written. */
  constructor(hooks: ChannelStreamHooks = {}) {
    super({ allowHalfOpen: true });
    this.#hooks = hooks;
  }

  get channel(): Channel {
    if (this.#channel === undefined) throw new GatehouseError('INTERNAL', 'the stream has no channel yet');
    return this.#channel;
  }

  bind(channel: Channel): void {
    this.#channel = channel;
  }

  onData(data: Buffer): void {
    if (this.push(data)) this.channel.consumed(data.length);
    else this.#owed += data.length;
  }

  onStderr(data: Buffer): void {
    this.#hooks.onStderr?.(data);
    this.channel.consumed(data.length);
  }

  onRequest(name: string, payload: Uint8Array): boolean | Promise<boolean> {
    return this.#hooks.onRequest?.(name, payload) ?? false;
  }

  onEof(): void {
    this.push(null);
  }

  onDrain(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  onClose(): void {
    this.#isClosed = true;
    if (!this.readableEnded && !this.destroyed) this.push(null);
    this.onDrain();
    // Nothing more can be written; what was received can still be read.
    if (!this.writableEnded && !this.destroyed) this.end();
  }

  override _read(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.channel.consumed(owed);
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // An error would end the process of whoever listens to none, whenever the peer likes.
    if (this.#isClosed || !this.channel.isOpen || this.channel.write(data)) done();
    else this.#onRoom = () => done();
  }

  override _final(done: () => void): void {
    this.#channel?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel?.close();
    this.onDrain();
    done(error);
  }
}
