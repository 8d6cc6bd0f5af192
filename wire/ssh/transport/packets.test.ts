// Packets, there and back: every cipher, cut anywhere, altered anywhere.
import { createHash, randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { MAX_PACKET_BYTES } from '../limits.ts';
import { CIPHERS, MACS } from './algorithms.ts';
import type { Direction } from './kex-init.ts';
import { plainOpener, plainSealer, type Opener, type Sealer } from './packet-cipher.ts';
import { PacketReader } from './packet-reader.ts';
import { PacketWriter } from './packet-writer.ts';
import { makeOpener, makeSealer } from './session-keys.ts';

interface Suite {
  readonly name: string;
  readonly direction: Direction | undefined;
}

const SUITES: readonly Suite[] = [
  { name: 'no cipher', direction: undefined },
  ...CIPHERS.flatMap((cipher): Suite[] => {
    if (cipher.mode === 'gcm') return [{ name: cipher.name, direction: { cipher, mac: undefined } }];
    return MACS.map((mac) => ({ name: `${cipher.name} with ${mac.name}`, direction: { cipher, mac } }));
  }),
];

const digest = createHash('sha256').update('x').digest();
const material = { hash: 'sha256', secret: digest, exchangeHash: digest, sessionId: digest } as const;
const sealerOf = ({ direction }: Suite): Sealer =>
  direction === undefined ? plainSealer : makeSealer(material, 'toServer', direction);
const openerOf = ({ direction }: Suite): Opener =>
  direction === undefined ? plainOpener : makeOpener(material, 'toServer', direction);

function seal(suite: Suite, payloads: readonly Uint8Array[]): Buffer {
  const socket = new PassThrough({ highWaterMark: 1e7 });
  const writer = new PacketWriter(socket);
  writer.changeKeys(sealerOf(suite), true);
  for (const [at, payload] of payloads.entries()) {
    if (at % 2 === 0) writer.send([payload.subarray(0, 1), payload.subarray(1)]);
    else writer.sendData(payload.subarray(0, 1), payload.subarray(1));
  }
  writer.flush();
  return (socket.read() as Buffer | null) ?? Buffer.alloc(0);
}

function readerOf(suite: Suite): PacketReader {
  const reader = new PacketReader();
  reader.changeKeys(openerOf(suite), true);
  return reader;
}

function readAll(reader: PacketReader, chunks: Iterable<Buffer>): Buffer[] {
  const payloads: Buffer[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let payload = reader.next(); payload !== undefined; payload = reader.next()) payloads.push(payload);
  }
  return payloads;
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What comes of bytes: how many messages, and the error that ends it. */
function outcome(suite: Suite, bytes: Buffer): string {
  const reader = readerOf(suite);
  let count = 0;
  try {
    reader.push(bytes);
    while (reader.next() !== undefined) count += 1;
    return `${count} and waits`;
  } catch (error) {
    return isCode(error) ? `${count} and ${error.code}` : `another exception: ${String(error)}`;
  }
}

const payloads = [1, 2, 15, 16, 17, 255, 4096, 4097, 32_777].map((size) => randomBytes(size));

describe.each(SUITES)('$name', (suite) => {
  test('ok: every message comes out as it went in, however the bytes are cut', () => {
    const bytes = seal(suite, payloads);
    for (const size of [1, 7, 16, 1000, 65_536, bytes.length]) {
      const read = readAll(readerOf(suite), cut(bytes, size));
      expect(read.map((payload) => payload.equals(payloads[read.indexOf(payload)] ?? digest))).toEqual(
        payloads.map(() => true),
      );
    }
  });

  test('ok: a reader that is not asked keeps its chunks in order', () => {
    const reader = readerOf(suite);
    for (const chunk of cut(seal(suite, payloads), 1000)) reader.push(chunk);
    const read: Buffer[] = [];
    for (let payload = reader.next(); payload !== undefined; payload = reader.next()) read.push(payload);
    expect(Buffer.concat(read).equals(Buffer.concat(payloads))).toBe(true);
  });

  test('S33 refuses: lengths that are out of bounds', () => {
    const bytes = seal(suite, [randomBytes(20)]);
    for (const length of [0, 1, 7, 11, MAX_PACKET_BYTES + 1, 0x7fffffff, 0xffffffff]) {
      const altered = Buffer.from(bytes);
      altered.writeUInt32BE(length, 0);
      // Where the length is enciphered, what it becomes is not known, but never a message.
      expect(outcome(suite, altered)).toMatch(
        suite.direction?.mac?.isEtm === false ? /^0 and/ : /^0 and BAD_REQUEST$/,
      );
    }
  });
});

describe.each(SUITES.filter(({ direction }) => direction !== undefined))('$name', (suite) => {
  test('S29 refuses: one bit that is not the same, anywhere', () => {
    const bytes = seal(suite, [randomBytes(20)]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = Buffer.from(bytes);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(outcome(suite, altered), `bit ${bit}`).toMatch(/^0 and (?:BAD_REQUEST|waits)$/);
    }
  });

  test('S29 refuses: packets that are left out, repeated or exchanged', () => {
    const packets = payloads.slice(0, 3).map((_, at) => {
      const before = seal(suite, payloads.slice(0, at)).length;
      return seal(suite, payloads.slice(0, at + 1)).subarray(before);
    });
    const order = (...indices: number[]): Buffer => Buffer.concat(indices.map((at) => packets[at] ?? digest));
    expect(outcome(suite, order(0, 1, 2))).toBe('3 and waits');
    expect(outcome(suite, order(1, 2))).toMatch(/^0 and/);
    expect(outcome(suite, order(0, 2))).toMatch(/^1 and/);
    expect(outcome(suite, order(0, 0, 1))).toMatch(/^1 and/);
    expect(outcome(suite, order(0, 2, 1))).toMatch(/^1 and/);
  });

  test('refuses: the keys of the other direction', () => {
    const bytes = seal(suite, [randomBytes(20)]);
    const reader = new PacketReader();
    reader.changeKeys(makeOpener(material, 'toClient', suite.direction!), true);
    expect(() => readAll(reader, [bytes])).toThrow(/not authentic|out of bounds/);
  });
});

test('S33 refuses: padding that is shorter than four bytes, or leaves nothing', () => {
  const packet = (pad: number): Buffer => {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(12, 0);
    bytes[4] = pad;
    return bytes;
  };
  for (const pad of [0, 3, 11, 12, 255]) expect(outcome(SUITES[0]!, packet(pad))).toBe('0 and BAD_REQUEST');
  expect(outcome(SUITES[0]!, packet(10))).toBe('1 and waits');
});

test('ok: packets are padded at random and to whole blocks, and never twice the same', () => {
  const one = seal(SUITES[0]!, [Buffer.from('same')]);
  const two = seal(SUITES[0]!, [Buffer.from('same')]);
  expect(one.length % 8).toBe(0);
  expect(one.equals(two)).toBe(false);
  expect(one.subarray(5, 9).equals(two.subarray(5, 9))).toBe(true);
});
