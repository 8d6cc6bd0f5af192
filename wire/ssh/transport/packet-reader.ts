// Cuts the bytes of a socket into packets and opens them. Pulled rather than pushed, so that keys may change between two
// packets of one chunk and a reader that is paused keeps what it has.
import { plainOpener, type Opener } from './packet-cipher.ts';

const EMPTY: Buffer = Buffer.alloc(0);

export class PacketReader {
  #opener: Opener = plainOpener;
  #sequence = 0;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** Chunks that came while the one before was not used up: only when the socket is paused. */
  #waiting: Buffer[] | undefined;
  /** A packet whose end has not come yet: `#need` bytes of it are wanted, `#have` are here. */
  #partial: Buffer | undefined;
  #have = 0;
  #isMeasured = false;
  /** Packets and bytes since the keys changed. */
  packets = 0;
  bytes = 0;

  /** The sequence number of the packet that `next` gave last. */
  get lastSequence(): number {
    return (this.#sequence - 1) >>> 0;
  }

  /** All bytes that were pushed have been used: nothing here refers to them. */
  get isUsedUp(): boolean {
    return this.#at === this.#chunk.length && this.#waiting === undefined;
  }

  /** The bytes are used in place and must not change until they are used up. */
  push(chunk: Buffer): void {
    if (this.#at < this.#chunk.length) {
      (this.#waiting ??= []).push(chunk);
      return;
    }
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** From the next packet on; `resets` is strict key exchange. */
  changeKeys(opener: Opener, resets: boolean): void {
    this.#opener = opener;
    this.packets = 0;
    this.bytes = 0;
    if (resets) this.#sequence = 0;
  }

  /** The payload of the next packet, or undefined when more bytes are needed. Throws what the cipher throws. */
  next(): Buffer | undefined {
    const packet = this.#takePacket();
    if (packet === undefined) return undefined;
    const payload = this.#opener.open(packet, this.#sequence);
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.packets += 1;
    this.bytes += packet.length;
    return payload;
  }

  /** In place when the chunk has all of it, as is usual. */
  #takePacket(): Buffer | undefined {
    for (;;) {
      if (this.#partial !== undefined) {
        if (this.#fill(this.#partial)) {
          const packet = this.#completed(this.#partial);
          if (packet !== undefined) return packet;
        } else if (!this.#nextChunk()) return undefined;
        continue;
      }
      const left = this.#chunk.length - this.#at;
      if (left === 0) {
        if (!this.#nextChunk()) return undefined;
      } else if (left < this.#opener.headerBytes) this.#begin(this.#opener.headerBytes, false);
      else {
        const total = this.#opener.measure(this.#chunk, this.#at, this.#sequence);
        if (left >= total) {
          this.#at += total;
          return this.#chunk.subarray(this.#at - total, this.#at);
        }
        this.#begin(total, true);
      }
    }
  }

  #begin(size: number, isMeasured: boolean): void {
    this.#partial = Buffer.allocUnsafe(size);
    this.#have = 0;
    this.#isMeasured = isMeasured;
  }

  #fill(partial: Buffer): boolean {
    const count = Math.min(partial.length - this.#have, this.#chunk.length - this.#at);
    this.#chunk.copy(partial, this.#have, this.#at, this.#at + count);
    this.#at += count;
    this.#have += count;
    return this.#have === partial.length;
  }

  #completed(partial: Buffer): Buffer | undefined {
    if (this.#isMeasured) {
      this.#partial = undefined;
      return partial;
    }
    const total = this.#opener.measure(partial, 0, this.#sequence);
    this.#begin(total, true);
    this.#have = partial.copy(this.#partial ?? EMPTY);
    return undefined;
  }

  #nextChunk(): boolean {
    const next = this.#waiting?.shift();
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    this.#chunk = next ?? EMPTY;
    this.#at = 0;
    return next !== undefined;
  }
}
