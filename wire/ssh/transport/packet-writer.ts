// Frames and seals outgoing messages, gathers packets of one turn of the event loop into one write, and counts what
// waits for the socket.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { letGo } from '../../let-go.ts';
import { MAX_PACKET_BYTES } from '../limits.ts';
import { MIN_PADDING_BYTES, plainSealer, type Sealer } from './packet-cipher.ts';
import { padding } from './random-pool.ts';

/** So much is gathered before it is written without waiting for the end of the turn. */
export const FLUSH_BYTES = 128 * 1024;

/** Writes of less are left to the garbage collector. */
const LET_GO_BYTES = 16 * 1024;

/** Where a packet stands in the clear until it is sealed, which is before anybody else can run: one for the process. */
const frame = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES + 512);

export class PacketWriter {
  readonly #socket: Duplex;
  readonly #flushLater: () => void;
  #sealer: Sealer = plainSealer;
  #sequence = 0;
  #pieces: Buffer[] = [];
  #gathered = 0;
  #isFlushDue = false;
  /** Packets and bytes since the keys changed. */
  packets = 0;
  bytes = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#flushLater = () => this.flush();
  }

  /** Bytes that were not given to the socket yet. */
  get gathered(): number {
    return this.#gathered;
  }

  changeKeys(sealer: Sealer, resets: boolean): void {
    this.#sealer = sealer;
    this.packets = 0;
    this.bytes = 0;
    if (resets) this.#sequence = 0;
  }

  /** The parts are used before it returns. Together they must have 1 to MAX_PACKET_BYTES - 256 bytes. */
  send(parts: readonly Uint8Array[]): void {
    let at = 5;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    this.#seal(at);
  }

  sendData(head: Uint8Array, data: Uint8Array): void {
    frame.set(head, 5);
    frame.set(data, 5 + head.length);
    this.#seal(5 + head.length + data.length);
  }

  /** What is in plain text goes as it is: the version line. */
  sendRaw(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#gathered += bytes.length;
    this.#flushSoon();
  }

  flush(): void {
    this.#isFlushDue = false;
    const pieces = this.#pieces;
    const last = pieces.at(-1);
    if (last === undefined) return;
    const isMuch = this.#gathered >= LET_GO_BYTES;
    this.#pieces = [];
    this.#gathered = 0;
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    if (pieces.length > 1) {
      socket.cork();
      for (const piece of pieces) if (piece !== last) socket.write(piece);
    }
    if (isMuch && socket instanceof Socket) socket.write(last, (error) => letGoAll(pieces, error));
    else socket.write(last);
    if (pieces.length > 1) socket.uncork();
  }

  /** `end` is where the payload ends in `frame`. */
  #seal(end: number): void {
    const sealer = this.#sealer;
    const block = sealer.blockBytes;
    const counted = (sealer.padsLength ? end : end - 4) + MIN_PADDING_BYTES;
    const pad = MIN_PADDING_BYTES + ((block - (counted % block)) % block);
    const total = end + pad;
    frame.writeUInt32BE(total - 4, 0);
    frame[4] = pad;
    padding.fill(frame, end, pad);
    const before = this.#pieces.length;
    sealer.seal(frame.subarray(0, total), this.#sequence, this.#pieces);
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.packets += 1;
    this.bytes += total;
    for (let at = before; at < this.#pieces.length; at++) this.#gathered += this.#pieces[at]?.length ?? 0;
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#gathered >= FLUSH_BYTES) this.flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(this.#flushLater);
    }
  }
}

/** The kernel has them all. After an error it may still be reading them. */
function letGoAll(pieces: readonly Buffer[], error: Error | null | undefined): void {
  if (error !== null && error !== undefined) return;
  for (const piece of pieces) letGo(piece);
}
