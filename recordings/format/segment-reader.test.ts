import { describe, expect, test } from 'vitest';
import { sampleSegments, sessionId } from '../conformance/samples.ts';
import { readFrames } from './frames.ts';
import { encodeBlock, encodeHeader, MAX_BLOCK_BYTES, MAX_SEGMENT_BYTES, NO_PREVIOUS } from './segment.ts';
import { SegmentReader, type Damage } from './segment-reader.ts';

const SESSION = sessionId(1);
const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];

async function segment(words = WORDS): Promise<Buffer> {
  const blocks = words.map((output, at) => [{ at: at * 10, output: `${output} `.repeat(20) }]);
  const [made] = await sampleSegments({ session: SESSION, segments: [blocks] });
  return made!;
}

interface Seen {
  readonly words: string[];
  readonly header: boolean;
  readonly damage: Damage[];
  readonly offsets: (readonly [number, number])[];
}

function read(bytes: Buffer, pieceBytes = bytes.length): Seen {
  const seen = {
    words: [] as string[],
    header: false,
    damage: [] as Damage[],
    offsets: [] as [number, number][],
  };
  const reader = new SegmentReader();
  const take = (parts: ReturnType<SegmentReader['push']>): void => {
    for (const part of parts) {
      if (part.type === 'header') seen.header = true;
      else if (part.type === 'damage') seen.damage.push(part);
      else {
        seen.offsets.push([part.offset, part.end]);
        for (const frame of readFrames(part.unpack(), part.at))
          if (frame.type === 'output') seen.words.push(frame.bytes.toString().split(' ')[0]!);
      }
    }
  };
  for (let at = 0; at < bytes.length; at += pieceBytes)
    take(reader.push(bytes.subarray(at, at + pieceBytes)));
  take(reader.finish());
  return seen;
}

describe('a good segment', () => {
  test.each([1, 2, 3, 7, 27, 28, 29, 100, 1000, 100_000])('ok: in pieces of %i bytes', async (pieceBytes) => {
    expect(read(await segment(), pieceBytes)).toMatchObject({ words: WORDS, header: true, damage: [] });
  });

  test('ok: blocks follow each other to the end', async () => {
    const bytes = await segment();
    const { offsets } = read(bytes);
    expect(offsets.at(-1)?.[1]).toBe(bytes.length);
    for (const [at, [start]] of offsets.entries()) if (at > 0) expect(start).toBe(offsets[at - 1]?.[1]);
  });
});

describe('a damaged segment', () => {
  test('ok: wherever a byte is changed, the other blocks are read, and the damage is found', async () => {
    const bytes = await segment();
    const { offsets } = read(bytes);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x55;
      const hit = offsets.findIndex(([start, end]) => at >= start && at < end);
      let seen: Seen | undefined;
      try {
        seen = read(changed, 50);
      } catch (error) {
        // The content of a block: its header is good, unpacking it says so.
        expect(error).toMatchObject({ code: 'CORRUPT' });
        continue;
      }
      expect(seen.words).toEqual(WORDS.filter((_, index) => index !== hit));
      expect(seen.damage).toHaveLength(1);
      const { offset, bytes: length } = seen.damage[0]!;
      expect(at >= offset && at < offset + length).toBe(true);
    }
  });

  test('ok: bytes that were put in between are told with their place, and nothing is lost', async () => {
    const bytes = await segment();
    const [start = 0] = read(bytes).offsets[2] ?? [];
    const changed = Buffer.concat([bytes.subarray(0, start), Buffer.alloc(500, 'x'), bytes.subarray(start)]);
    expect(read(changed, 33)).toMatchObject({
      words: WORDS,
      damage: [{ offset: start, bytes: 500, isCut: false }],
    });
  });

  test('ok: cut off anywhere, what was whole is read', async () => {
    const bytes = await segment();
    const { offsets } = read(bytes);
    for (let length = 0; length < bytes.length; length++) {
      const seen = read(bytes.subarray(0, length), 50);
      expect(seen.words).toEqual(WORDS.filter((_, index) => (offsets[index]?.[1] ?? 0) <= length));
      const isClean = length === offsets[0]?.[0] || offsets.some(([, end]) => end === length);
      expect(seen.damage.filter(({ isCut }) => isCut)).toHaveLength(isClean ? 0 : 1);
    }
  });

  test('ok: a block that says it is longer than the rest does not hide what follows', async () => {
    const bytes = await segment();
    const [start = 0] = read(bytes).offsets[1] ?? [];
    const liar = encodeBlock(Buffer.alloc(200_000), { encoding: 'stored', at: 0, rawLength: 200_000 });
    const changed = Buffer.concat([bytes.subarray(0, start), liar.subarray(0, 28), bytes.subarray(start)]);
    expect(read(changed, 64).words).toEqual(WORDS);
  });

  test('ok: an empty file and one of noise', () => {
    expect(read(Buffer.alloc(0)).damage).toMatchObject([{ isCut: true }]);
    expect(read(Buffer.alloc(100_000, 'noise'))).toMatchObject({ words: [], header: false });
  });
});

describe('S33 a hostile segment', () => {
  const header = encodeHeader({ sid: SESSION, number: 1, previous: NO_PREVIOUS });

  function countBlocks(pieces: Iterable<Buffer>): { blocks: number; damage: Damage | undefined } {
    const reader = new SegmentReader();
    let blocks = 0;
    let damage: Damage | undefined;
    for (const piece of pieces) {
      for (const part of reader.push(piece)) {
        if (part.type === 'block') blocks++;
        if (part.type === 'damage') damage = part;
      }
    }
    return { blocks, damage };
  }

  test('refuses: more bytes than a segment may have', () => {
    const block = encodeBlock(Buffer.alloc(MAX_BLOCK_BYTES), {
      encoding: 'stored',
      at: 0,
      rawLength: MAX_BLOCK_BYTES,
    });
    function* endless(): Generator<Buffer> {
      yield header;
      for (let at = 0; at < 100; at++) yield block;
    }
    const { blocks, damage } = countBlocks(endless());
    expect(blocks).toBe(Math.floor((MAX_SEGMENT_BYTES - header.length) / block.length));
    expect(damage).toMatchObject({ isCut: true });
  });

  test('refuses: small blocks that unpack to gigabytes', () => {
    const bomb = encodeBlock(Buffer.from('x'), { encoding: 'zstd', at: 0, rawLength: MAX_BLOCK_BYTES });
    const { blocks, damage } = countBlocks([header, Buffer.concat(Array.from({ length: 1000 }, () => bomb))]);
    expect(blocks).toBe(256);
    expect(damage).toMatchObject({ isCut: true });
  });

  test('refuses: megabytes of what looks like blocks', () => {
    const markers = Buffer.alloc(4 * 1024 * 1024, Buffer.from([0xef, 0x47, 0x48, 0x42]));
    const { blocks, damage } = countBlocks([header, markers]);
    expect(blocks).toBe(0);
    expect(damage).toMatchObject({ isCut: true });
    expect(damage?.bytes).toBeLessThan(2 * 1024 * 1024);
  });
});
