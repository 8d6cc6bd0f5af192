// Cuts a stream of SFTP (draft-ietf-secsh-filexfer-02, version 3) into packets without keeping them: of each, the first
// bytes are shown and the rest is passed over, so that watching a transfer costs no copies of it.

/** Of packets that carry file contents the first bytes say all; others are shown whole, up to a bound. */
const DATA_HEAD_BYTES = 320;
const MAX_HEAD_BYTES = 16 * 1024;
/** Type and what precedes the payload. */
const PREFIX_BYTES = 5;
const WRITE = 6;
const DATA = 103;
/** OpenSSH takes 256 KiB; what is far larger is not SFTP. */
const MAX_PACKET_BYTES = 1024 * 1024;

export interface SftpHead {
  readonly type: number;
  /** What follows the type; cut after 16 KiB, or 320 bytes for contents of files. Overwritten after the call. */
  readonly body: Buffer;
}

export class SftpFrames {
  readonly #onPacket: (head: SftpHead) => void;
  #kept: Buffer | undefined;
  #skip = 0;
  #isLost = false;

  constructor(onPacket: (head: SftpHead) => void) {
    this.#onPacket = onPacket;
  }

  /** True when the stream was not SFTP; nothing is shown any more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  push(chunk: Buffer): void {
    let data = chunk;
    while (data.length > 0 && !this.#isLost) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, data.length);
        this.#skip -= skipped;
        data = data.subarray(skipped);
        continue;
      }
      if (this.#kept !== undefined) {
        data = Buffer.concat([this.#kept, data]);
        this.#kept = undefined;
      }
      const used = this.#take(data);
      if (used === 0) {
        // Bounded by what a head needs.
        this.#kept = Buffer.from(data);
        return;
      }
      data = data.subarray(used);
    }
  }

  /** Bytes of the head at the start of `data`, which was shown; 0 when it is not all there. */
  #take(data: Buffer): number {
    if (data.length < PREFIX_BYTES) return 0;
    const length = data.readUInt32BE(0);
    if (length === 0 || length > MAX_PACKET_BYTES) {
      this.#isLost = true;
      return data.length;
    }
    const type = data[4] ?? 0;
    const most = type === WRITE || type === DATA ? DATA_HEAD_BYTES : MAX_HEAD_BYTES;
    const end = 4 + Math.min(length, most);
    if (data.length < end) return 0;
    this.#onPacket({ type, body: data.subarray(PREFIX_BYTES, end) });
    this.#skip = 4 + length - end;
    return end;
  }
}
