// Cuts the bytes of an SFTP server into packets: a length, and that many bytes. Holds no more than one packet.
import { refuseInput } from '#core/certs/refusal.ts';

const HEAD_BYTES = 4;
/** What a reply has around its data. */
const OVERHEAD_BYTES = 1024;

export class PacketReader {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes + OVERHEAD_BYTES;
  }

  /** The packets that are complete now. Throws BAD_REQUEST for one that is too long or empty. */
  *push(bytes: Buffer): Generator<Buffer> {
    this.#parts.push(bytes);
    this.#held += bytes.length;
    for (
      let size = this.#size();
      size !== undefined && this.#held >= HEAD_BYTES + size;
      size = this.#size()
    ) {
      const all = this.#joined();
      this.#parts = [all.subarray(HEAD_BYTES + size)];
      this.#held -= HEAD_BYTES + size;
      yield all.subarray(HEAD_BYTES, HEAD_BYTES + size);
    }
  }

  #size(): number | undefined {
    if (this.#held < HEAD_BYTES) return undefined;
    const [first] = this.#parts;
    const head = first !== undefined && first.length >= HEAD_BYTES ? first : this.#joined();
    const size = head.readUInt32BE(0);
    if (size > 0 && size <= this.#maxBytes) return size;
    throw refuseInput(
      'too-large',
      'SFTP: a reply is longer than any may be; is a program of the shell printing text?',
    );
  }

  #joined(): Buffer {
    const [only] = this.#parts;
    const all =
      only !== undefined && this.#parts.length === 1 ? only : Buffer.concat(this.#parts, this.#held);
    this.#parts = [all];
    return all;
  }
}
