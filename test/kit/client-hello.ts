// The first message of a TLS client as bytes, for parsers; real ones come from node:tls in the same tests.

export interface HelloSetup {
  readonly serverName?: string;
  readonly protocols?: readonly string[];
  /** In records of so many bytes each; one record otherwise. */
  readonly recordBytes?: number;
  /** Bytes of an extension that nobody knows. */
  readonly padding?: number;
}

export function helloBytes({ serverName, protocols, recordBytes, padding = 0 }: HelloSetup): Uint8Array {
  const name =
    serverName === undefined ? [] : [extension(0, sized(2, Buffer.from([0]), sized(2, serverName)))];
  const alpn =
    protocols === undefined ? [] : [extension(16, sized(2, ...protocols.map((text) => sized(1, text))))];
  const unknown = padding === 0 ? [] : [extension(0xaaaa, Buffer.alloc(padding))];
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(32)),
    sized(2, Buffer.from([0x13, 0x01])),
    sized(1, Buffer.from([0])),
    sized(2, ...unknown, ...name, ...alpn),
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(3, body)]);
  const size = recordBytes ?? message.length;
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    records.push(Buffer.from([22, 3, 1]), sized(2, message.subarray(at, at + size)));
  }
  return new Uint8Array(Buffer.concat(records));
}

function sized(lengthBytes: number, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const head = Buffer.alloc(lengthBytes);
  head.writeUIntBE(body.length, 0, lengthBytes);
  return Buffer.concat([head, body]);
}

function extension(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([head, sized(2, body)]);
}
