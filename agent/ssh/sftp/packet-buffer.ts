// Puts packets of SFTP together from what a pipe gives, with a bound on what may wait.
import { GatehouseError } from '#core/errors/error.ts';

/** As OpenSSH has it. */
export const MAX_PACKET_BYTES = 256 * 1024;
const LENGTH_BYTES = 4;

export class PacketBuffer {
  #bytes = Buffer.allocUnsafe(2 * MAX_PACKET_BYTES);
  #start = 0;
  #end = 0;

  /** At most 64 KiB at a time, and only after `next` has said undefined. */
  add(data: Uint8Array): void {
    if (this.#end + data.length > this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    this.#bytes.set(data, this.#end);
    this.#end += data.length;
  }

  /** The type and what follows, valid until `add`; undefined when it is not all there. BAD_REQUEST on a bad length. */
  next(): Buffer | undefined {
    const there = this.#end - this.#start;
    if (there < LENGTH_BYTES) return undefined;
    const length = this.#bytes.readUInt32BE(this.#start);
    if (length === 0 || length > MAX_PACKET_BYTES) {
      throw new GatehouseError('BAD_REQUEST', `a packet of ${length} bytes is none of SFTP`);
    }
    if (there < LENGTH_BYTES + length) return undefined;
    const start = this.#start + LENGTH_BYTES;
    this.#start = start + length;
    return this.#bytes.subarray(start, start + length);
  }
}
