// Reading and writing the fields of SFTP packets. Reads never pass the end: what is not there is 0 or empty, and
// `isShort` says so. Paths are bytes, which need not be UTF-8.
const MAX_HANDLE_BYTES = 256;

export class PacketReader {
  readonly #bytes: Buffer;
  #at = 0;
  #isShort = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Something was asked for that is not there. */
  get isShort(): boolean {
    return this.#isShort;
  }

  uint32(): number {
    const at = this.#advance(4);
    return at === undefined ? 0 : this.#bytes.readUInt32BE(at);
  }

  /** Beyond what a number holds exactly it is Infinity. */
  uint64(): number {
    const at = this.#advance(8);
    if (at === undefined) return 0;
    const value = this.#bytes.readBigUInt64BE(at);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Infinity;
  }

  skip(bytes: number): void {
    this.#advance(bytes);
  }

  /** A view, not a copy. */
  string(): Buffer {
    const length = this.uint32();
    const at = this.#advance(length);
    return at === undefined ? Buffer.alloc(0) : this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return this.string().toString('utf8');
  }

  /** For people: bytes that are no UTF-8 show as such. */
  path(): string {
    return this.text();
  }

  /** As a key of maps. */
  handle(): string {
    return this.string().subarray(0, MAX_HANDLE_BYTES).toString('latin1');
  }

  #advance(bytes: number): number | undefined {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) {
      this.#isShort = true;
      this.#at = this.#bytes.length;
      return undefined;
    }
    this.#at = at + bytes;
    return at;
  }
}

/** Numbers are uint32, bigints uint64, texts and bytes strings with their length; `raw` has none. */
export type Part = number | bigint | string | Uint8Array | { readonly raw: Uint8Array };

/** One packet of its parts in order; the length is put in front. */
export function packet(type: number, ...parts: readonly Part[]): Buffer {
  let length = 1;
  for (const part of parts) length += sizeOf(part);
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length, 0);
  bytes[4] = type;
  let at = 5;
  for (const part of parts) at = put(bytes, at, part);
  return bytes;
}

function sizeOf(part: Part): number {
  if (typeof part === 'number') return 4;
  if (typeof part === 'bigint') return 8;
  if (typeof part === 'string') return 4 + Buffer.byteLength(part);
  return part instanceof Uint8Array ? 4 + part.length : part.raw.length;
}

function put(bytes: Buffer, at: number, part: Part): number {
  if (typeof part === 'number') return bytes.writeUInt32BE(part >>> 0, at);
  if (typeof part === 'bigint') return bytes.writeBigUInt64BE(part, at);
  if (typeof part === 'string') {
    const length = bytes.write(part, at + 4, 'utf8');
    bytes.writeUInt32BE(length, at);
    return at + 4 + length;
  }
  const data = part instanceof Uint8Array ? part : part.raw;
  const start = part instanceof Uint8Array ? bytes.writeUInt32BE(data.length, at) : at;
  bytes.set(data, start);
  return start + data.length;
}
