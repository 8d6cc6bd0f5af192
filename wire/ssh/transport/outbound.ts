// What goes out: at once, or held back while keys are exchanged; and how much waits. Nobody can make it grow without
// end: a peer that asks and does not read is cut.
import type { Duplex } from 'node:stream';
import type { GatehouseError } from '#core/errors/error.ts';
import { MAX_OUTBOUND_EXCESS_BYTES } from '../limits.ts';
import { DISCONNECT } from '../messages.ts';
import { failure } from './failure.ts';
import type { Sealer } from './packet-cipher.ts';
import { FLUSH_BYTES, PacketWriter } from './packet-writer.ts';

export interface OutboundEvents {
  onDrain(): void;
  onOverflow(error: GatehouseError): void;
  /** The last words went to the socket. */
  onSaid(): void;
}

export class Outbound {
  readonly #socket: Duplex;
  readonly #limit: number;
  readonly #events: OutboundEvents;
  readonly #writer: PacketWriter;
  /** Messages that wait for new keys. */
  #held: Buffer[] | undefined;
  #heldBytes = 0;
  #lastWords: Buffer | undefined;
  #isBlocked = false;

  constructor(socket: Duplex, limitBytes: number, events: OutboundEvents) {
    this.#socket = socket;
    // Below its own mark a socket does not tell when it has drained, and it has not seen yet what is gathered.
    this.#limit = Math.max(limitBytes, socket.writableHighWaterMark + FLUSH_BYTES);
    this.#events = events;
    this.#writer = new PacketWriter(socket);
  }

  /** Since the keys changed. */
  get packets(): number {
    return this.#writer.packets;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  sendRaw(bytes: Buffer): void {
    this.#writer.sendRaw(bytes);
  }

  /** False when more waits than should. */
  send(parts: readonly Uint8Array[], isHeld: boolean): boolean {
    if (isHeld) {
      const message = Buffer.concat(parts);
      (this.#held ??= []).push(message);
      this.#heldBytes += message.length;
    } else this.#writer.send(parts);
    return this.#hasRoom();
  }

  sendData(head: Uint8Array, data: Uint8Array): boolean {
    this.#writer.sendData(head, data);
    return this.#hasRoom();
  }

  /** Goes out after what is held, and nothing after it: call `release` unless something is held. */
  sayLast(words: Buffer): void {
    this.#lastWords = words;
  }

  changeKeys(sealer: Sealer, resets: boolean): void {
    this.#writer.changeKeys(sealer, resets);
  }

  /** Sends what was held back. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    this.#heldBytes = 0;
    for (const message of held ?? []) this.#writer.send([message]);
    const words = this.#lastWords;
    if (words !== undefined) {
      this.#lastWords = undefined;
      this.#writer.send([words]);
      this.#writer.flush();
      this.#events.onSaid();
    } else if (this.#isBlocked) {
      this.#writer.flush();
      this.onSocketDrain();
    }
  }

  discard(): void {
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#lastWords = undefined;
  }

  flush(): void {
    this.#writer.flush();
  }

  onSocketDrain(): void {
    if (!this.#isBlocked || this.#waiting() > this.#limit) return;
    this.#isBlocked = false;
    this.#events.onDrain();
  }

  #waiting(): number {
    return this.#heldBytes + this.#writer.gathered + this.#socket.writableLength;
  }

  #hasRoom(): boolean {
    const waiting = this.#waiting();
    if (waiting <= this.#limit) return true;
    this.#isBlocked = true;
    if (waiting > this.#limit + MAX_OUTBOUND_EXCESS_BYTES) {
      this.#events.onOverflow(
        failure('LIMIT_EXCEEDED', DISCONNECT.protocolError, 'the other end does not read what it asks for'),
      );
    }
    return false;
  }
}
