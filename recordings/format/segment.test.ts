import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { sessionId } from '../conformance/samples.ts';
import {
  BLOCK_HEADER_BYTES,
  encodeBlock,
  encodeHeader,
  MAGIC,
  MAX_HEADER_BYTES,
  NO_PREVIOUS,
  parseBlockHeader,
  parseHeader,
} from './segment.ts';

const HEADER = { sid: sessionId(1), number: 7, previous: 'a'.repeat(64) };

describe('the header of a segment', () => {
  test('ok: it is read as it was written, and says where the blocks begin', () => {
    const bytes = encodeHeader(HEADER);
    expect(parseHeader(Buffer.concat([bytes, Buffer.from('more')]))).toEqual({
      header: HEADER,
      end: bytes.length,
    });
  });

  test('ok: more bytes are asked for until it is whole', () => {
    const bytes = encodeHeader(HEADER);
    for (let length = 0; length < bytes.length; length++)
      expect(parseHeader(bytes.subarray(0, length))).toBeUndefined();
  });

  test('refuses: every single changed byte', () => {
    const bytes = encodeHeader(HEADER);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x20;
      let outcome: unknown;
      try {
        outcome = parseHeader(changed);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CORRUPT' });
        continue;
      }
      // A longer length only asks for more bytes.
      expect(outcome).toBeUndefined();
    }
  });

  test.each([
    ['a number that is none', { ...HEADER, number: 0 }],
    ['a number above all numbers', { ...HEADER, number: 1e9 }],
    ['a fraction', { ...HEADER, number: 1.5 }],
    ['S26 a session that is a path', { ...HEADER, sid: '../../etc/passwd' }],
    ['a previous hash that is none', { ...HEADER, previous: 'A'.repeat(64) }],
    ['nothing', null],
    ['a list', []],
  ])('refuses: %s', (_, value) => {
    expect(() => parseHeader(rewrite(JSON.stringify(value)))).toThrow(
      expect.objectContaining({ code: 'CORRUPT' }),
    );
  });

  test('refuses: S33 a header that claims to be long', () => {
    const bytes = encodeHeader(HEADER);
    bytes.writeUInt32BE(MAX_HEADER_BYTES + 1, 8);
    expect(() => parseHeader(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });

  test('ok: the first segment has no predecessor', () => {
    expect(parseHeader(encodeHeader({ ...HEADER, previous: NO_PREVIOUS }))?.header.previous).toMatch(
      /^0{64}$/,
    );
  });
});

/** A header with other content, its length and checksum right. */
function rewrite(text: string): Buffer {
  const content = Buffer.from(text);
  const bytes = Buffer.alloc(12 + content.length + 4);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(content.length, 8);
  content.copy(bytes, 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

describe('the header of a block', () => {
  const about = { encoding: 'zstd', at: 2 ** 40 + 5, rawLength: 100 } as const;

  test('ok: it is read as it was written', () => {
    const block = encodeBlock(Buffer.from('stored'), about);
    expect(parseBlockHeader(Buffer.concat([Buffer.alloc(3), block]), 3)).toMatchObject({
      ...about,
      storedLength: 6,
    });
    expect(block.length).toBe(BLOCK_HEADER_BYTES + 6);
  });

  test('refuses: every single changed byte of it', () => {
    const block = encodeBlock(Buffer.from('stored'), about);
    for (let at = 0; at < BLOCK_HEADER_BYTES; at++) {
      const changed = Buffer.from(block);
      changed[at]! ^= 1;
      expect(parseBlockHeader(changed, 0), `byte ${at}`).toBeUndefined();
    }
  });

  test.each([
    ['S33 an unpacked length above the bound', { ...about, rawLength: 2 ** 31 }],
    ['a length of nothing', { ...about, rawLength: 0 }],
  ])('refuses: %s', (_, given) => {
    expect(parseBlockHeader(encodeBlock(Buffer.from('x'), given), 0)).toBeUndefined();
  });

  test('refuses: a block of nothing, and one that is cut off', () => {
    expect(parseBlockHeader(encodeBlock(Buffer.alloc(0), about), 0)).toBeUndefined();
    expect(parseBlockHeader(encodeBlock(Buffer.alloc(0), about).subarray(0, 20), 0)).toBeUndefined();
  });
});
