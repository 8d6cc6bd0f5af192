// The first message of a TLS client, read without answering it: which server name and which protocols it asks for
// (RFC 8446 4.1.2, RFC 6066 3, RFC 7301 3.1). Decides where a connection goes; whoever ends TLS reads it again. Bounded.

export interface ClientHello {
  /** In lower case; undefined when the client names none, or one that is no host name. */
  readonly serverName: string | undefined;
  /** In the client's order of preference. */
  readonly protocols: readonly string[];
}

/** Hellos of today's clients have at most 2 KiB, those with many keys and tickets 6. */
export const MAX_HELLO_BYTES = 16 * 1024;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const RECORD_HEAD = 5;
const MAX_RECORD_BYTES = 16_384;
const MAX_RECORDS = 8;
const MAX_PROTOCOLS = 32;
const HOST_NAME = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

export const isTlsStart = (bytes: Uint8Array): boolean => bytes[0] === HANDSHAKE;

/** `partial` when more bytes are needed (never above MAX_HELLO_BYTES), `malformed` when they cannot become a hello. */
export function readClientHello(bytes: Uint8Array): ClientHello | 'partial' | 'malformed' {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  try {
    return readHello(new Cursor(message));
  } catch (error) {
    if (error instanceof RangeError) return 'malformed';
    throw error;
  }
}

/** The handshake message without its head; it may come in several records. */
function joinRecords(bytes: Uint8Array): Uint8Array | 'partial' | 'malformed' {
  const more = bytes.length < MAX_HELLO_BYTES ? 'partial' : 'malformed';
  const parts: Uint8Array[] = [];
  for (let at = 0; parts.length < MAX_RECORDS;) {
    const size = recordLength(bytes.subarray(at, at + RECORD_HEAD));
    if (typeof size === 'string') return size === 'partial' ? more : size;
    const part = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + size);
    parts.push(part);
    const head = parts.length === 1 ? part : Buffer.concat(parts);
    const wanted = messageLength(head);
    if (wanted === 'malformed') return wanted;
    if (wanted !== 'partial' && head.length >= wanted) return head.subarray(4, wanted);
    if (part.length < size) return more;
    at += RECORD_HEAD + size;
  }
  return 'malformed';
}

function recordLength(head: Uint8Array): number | 'partial' | 'malformed' {
  const [type = HANDSHAKE, major = 3, , high, low] = head;
  if (type !== HANDSHAKE || major !== 3) return 'malformed';
  if (high === undefined || low === undefined) return 'partial';
  const size = (high << 8) | low;
  return size === 0 || size > MAX_RECORD_BYTES ? 'malformed' : size;
}

function messageLength(head: Uint8Array): number | 'partial' | 'malformed' {
  const [type = CLIENT_HELLO, a, b, c] = head;
  if (type !== CLIENT_HELLO) return 'malformed';
  if (a === undefined || b === undefined || c === undefined) return 'partial';
  const length = 4 + ((a << 16) | (b << 8) | c);
  return length > MAX_HELLO_BYTES ? 'malformed' : length;
}

function readHello(hello: Cursor): ClientHello {
  hello.skip(2 + 32);
  hello.skip(hello.uint8());
  hello.skip(hello.uint16());
  hello.skip(hello.uint8());
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  if (hello.isAtEnd) return { serverName, protocols };
  const extensions = hello.sub(hello.uint16());
  while (!extensions.isAtEnd) {
    const type = extensions.uint16();
    const body = extensions.sub(extensions.uint16());
    if (type === SERVER_NAME) serverName = readServerName(body);
    else if (type === ALPN) protocols = readProtocols(body);
  }
  return { serverName, protocols };
}

function readServerName(body: Cursor): string | undefined {
  const names = body.sub(body.uint16());
  const type = names.uint8();
  const name = names.sub(names.uint16()).text().toLowerCase();
  return type === 0 && name.length <= 253 && HOST_NAME.test(name) ? name : undefined;
}

function readProtocols(body: Cursor): readonly string[] {
  const list = body.sub(body.uint16());
  const protocols: string[] = [];
  while (!list.isAtEnd && protocols.length < MAX_PROTOCOLS) protocols.push(list.sub(list.uint8()).text());
  return protocols;
}

/** Reads forward; past the end is a RangeError. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  uint8(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError('past the end');
    this.#at++;
    return byte;
  }

  uint16(): number {
    return (this.uint8() << 8) | this.uint8();
  }

  skip(length: number): void {
    this.sub(length);
  }

  sub(length: number): Cursor {
    if (this.#at + length > this.#bytes.length) throw new RangeError('past the end');
    this.#at += length;
    return new Cursor(this.#bytes.subarray(this.#at - length, this.#at));
  }

  text(): string {
    return Buffer.from(this.#bytes).toString('latin1');
  }
}
