// What a peer may send on a channel: counted down as it sends, and given back in large parts as it is dealt with. Whoever
// sends more than it was given is cut (mscdex/ssh2#1505).
import { protocolError } from './connection-messages.ts';
import { MAX_CHANNEL_PACKET_BYTES } from './limits.ts';

/** The part of the window that is given back in one message: few messages, and the peer need not stop. */
const CREDIT_PARTS = 4;

export class ReceiveWindow {
  readonly #creditAt: number;
  #left: number;
  #owed = 0;

  constructor(bytes: number) {
    this.#left = bytes;
    this.#creditAt = Math.ceil(bytes / CREDIT_PARTS);
  }

  /** The peer sent so much in one message. Throws when it may not. */
  take(bytes: number): void {
    if (bytes > MAX_CHANNEL_PACKET_BYTES)
      throw protocolError('the peer sent more than a channel packet may hold');
    if (bytes > this.#left) throw protocolError('the peer sent more than the window of a channel');
    this.#left -= bytes;
  }

  /** So much was dealt with. Returns what is to be given back to the peer now, often 0. */
  credit(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed < this.#creditAt) return 0;
    const credit = this.#owed;
    this.#owed = 0;
    this.#left += credit;
    return credit;
  }
}
