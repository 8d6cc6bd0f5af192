// A Node stream over a channel that was opened with a ChannelPort, for those who write to it themselves: HTTP over the road
// to an agent. Who only joins it to another stream takes spliceChannel, which costs less.
import { Duplex } from 'node:stream';
import type { ChannelPort } from './splice-channel.ts';

/**
 * The bound port as a stream: window credit is given for what was read, writes wait for the window. Half-open: each side
 * ends by itself; destroying it closes the channel.
 */
export function portStream(port: ChannelPort): Duplex {
  const stream = new PortStream(port);
  port.join({
    take: (bytes) => stream.onBytes(bytes),
    finish: () => stream.onEnd(),
    drop: () => stream.onGone(),
    flow: () => stream.onFlow(),
  });
  return stream;
}

class PortStream extends Duplex {
  readonly #port: ChannelPort;
  #onRoom: (() => void) | undefined;
  #isDropped = false;
  #hasEnded = false;

  constructor(port: ChannelPort) {
    super({ allowHalfOpen: true });
    this.#port = port;
  }

  onBytes(bytes: Buffer): boolean {
    return this.#hasEnded || this.destroyed || this.push(bytes);
  }

  onEnd(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
  }

  onGone(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.onFlow();
    if (this.destroyed) return;
    this.onEnd();
    if (!this.writableEnded) this.end();
  }

  onFlow(): void {
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }

  override _read(): void {
    this.#port.flow();
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#isDropped || this.#port.take(data)) done();
    else this.#onRoom = () => done();
  }

  override _final(done: () => void): void {
    if (!this.#isDropped) this.#port.finish();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.drop();
    this.onFlow();
    done(error);
  }
}
