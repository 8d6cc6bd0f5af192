// Joins SSH channels to sockets and to each other: what one side sends the other gets, with window credit given only for
// what was passed on, and each direction closed by itself. Beside splice.ts, which joins streams and knows no SSH.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { adoptSocket, isAdoptable } from './adopted-socket.ts';
import { letGo } from './let-go.ts';
import type { Channel, ChannelReceiver } from './ssh/ssh.ts';

/** How long a side that was closed may take to hand over what waits. */
const LINGER_MS = 10_000;
/** What a stream may have waiting before the channel gets no more credit. */
const HIGH_WATER_BYTES = 256 * 1024;

/** One end of a splice, as the other end uses it. */
interface Side {
  /** Takes the bytes. False: no more, until the other side's `flow` is called. The memory is the side's own. */
  take(bytes: Buffer): boolean;
  /** No more bytes will come. */
  finish(): void;
  /** The other side is gone: what was taken is still handed over. */
  drop(): void;
  /** The other side has room again. */
  flow(): void;
}

/**
 * The receiver of a channel that is to be spliced. Make it before the channel is opened or accepted, bind it right
 * after; what comes before the splice waits, as much as the window allows.
 */
export class ChannelPort implements ChannelReceiver, Side {
  #channel: Channel | undefined;
  #far: Side | undefined;
  #early: Buffer[] | undefined;
  /** Bytes that the far side took while it had no room: the credit for them is still owed. */
  #owed = 0;
  #hasEnded = false;
  #isEof = false;
  #isClosed = false;
  /** Called once when the channel is closed, whoever closed it. */
  onClosed: (() => void) | undefined;

  bind(channel: Channel): this {
    this.#channel = channel;
    return this;
  }

  /** Once: joined to this side, with what came early first. */
  join(far: Side): void {
    this.#far = far;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const bytes of early) this.#pass(far, bytes);
    if (this.#isEof) far.finish();
    if (this.#isClosed) far.drop();
    else if (this.#channel?.isOpen === false) this.onClose();
  }

  onData(bytes: Buffer): void {
    if (this.#far === undefined) (this.#early ??= []).push(bytes);
    else this.#pass(this.#far, bytes);
  }

  /** Nothing that is spliced has a use for it. */
  onStderr(bytes: Buffer): void {
    this.#channel?.consumed(bytes.length);
  }

  onEof(): void {
    this.#isEof = true;
    this.#far?.finish();
    this.#closeWhenDone();
  }

  onDrain(): void {
    this.#far?.flow();
  }

  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#far?.drop();
    this.onClosed?.();
  }

  take(bytes: Buffer): boolean {
    return this.#channel?.write(bytes) ?? true;
  }

  finish(): void {
    this.#hasEnded = true;
    this.#channel?.end();
    this.#closeWhenDone();
  }

  drop(): void {
    this.#channel?.close();
  }

  flow(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#channel?.consumed(owed);
  }

  #pass(far: Side, bytes: Buffer): void {
    const { length } = bytes;
    if (far.take(bytes)) this.#channel?.consumed(length);
    else this.#owed += length;
    // A channel has copied them by now; a stream lets them go itself.
    if (far instanceof ChannelPort) letGo(bytes);
  }

  #closeWhenDone(): void {
    if (this.#hasEnded && this.#isEof) this.#channel?.close();
  }
}

/** Joins two bound channels, of one connection or of two. They close each other. */
export function spliceChannels(a: ChannelPort, b: ChannelPort): void {
  a.join(b);
  b.join(a);
}

/**
 * Joins a bound channel to a connected stream, which is owned from now on. A TCP socket is read into memory of ours; make
 * it with `allowHalfOpen`, or its end is the end of both directions.
 */
export function spliceChannel(port: ChannelPort, stream: Duplex, clock: Clock): void {
  new StreamSide(port, stream, clock).start();
}

class StreamSide implements Side {
  readonly #port: ChannelPort;
  readonly #clock: Clock;
  #stream: Duplex;
  #isDropped = false;

  constructor(port: ChannelPort, stream: Duplex, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
    this.#stream = stream;
  }

  start(): void {
    const before = this.#stream;
    let head: readonly Buffer[] = [];
    const isAdopted = isAdoptable(before) && before.writableLength === 0;
    if (isAdopted) {
      // A channel copies what it is given, so the memory is free again at once.
      const adopted = adoptSocket(before, (bytes) => this.#port.take(bytes as Buffer));
      this.#stream = adopted.socket;
      head = adopted.head;
      this.#stream.once('close', () => before.destroy());
      before.once('close', () => this.#stream.destroy());
    }
    const stream = this.#stream;
    stream.on('error', () => stream.destroy());
    stream.on('drain', () => this.#port.flow());
    stream.once('end', () => this.#port.finish());
    stream.once('close', () => this.#port.drop());
    let hasRoom = true;
    for (const bytes of head) hasRoom = this.#port.take(bytes);
    if (!isAdopted) {
      stream.on('data', (bytes: Buffer) => {
        if (!this.#port.take(bytes)) stream.pause();
      });
    }
    this.#port.join(this);
    if (stream.destroyed) this.#port.drop();
    else if (hasRoom && !this.#isDropped) stream.resume();
  }

  take(bytes: Buffer): boolean {
    if (!this.#stream.writable) return true;
    const stream = this.#stream;
    const written = (error: Error | null | undefined): void => {
      if (!error) letGo(bytes);
    };
    const hasRoom = stream instanceof Socket ? stream.write(bytes, written) : stream.write(bytes);
    return hasRoom || stream.writableLength < HIGH_WATER_BYTES;
  }

  finish(): void {
    if (this.#stream.writable) this.#stream.end();
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    const stream = this.#stream;
    if (stream.destroyed) return;
    if (stream.writable) stream.end();
    if (stream.writableFinished || stream.writableLength === 0) {
      stream.destroy();
      return;
    }
    const timer = this.#clock.after(LINGER_MS, () => stream.destroy());
    stream.once('finish', () => stream.destroy());
    stream.once('close', () => timer.cancel());
    // Nobody wants what still comes; reading it on is how the end is noticed.
    stream.resume();
  }

  flow(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }
}
