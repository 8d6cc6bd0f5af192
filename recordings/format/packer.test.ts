import { randomBytes } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Packer } from './packer.ts';
import { BLOCK_HEADER_BYTES, encodeBlock, MAX_BLOCK_BYTES, parseBlockHeader } from './segment.ts';
import { unpackBlock } from './unpack.ts';

function unpack(block: Buffer): Buffer {
  const header = parseBlockHeader(block, 0);
  if (header === undefined) throw new Error('no block');
  return unpackBlock(block.subarray(BLOCK_HEADER_BYTES), header);
}

test('ok: many blocks at once, of any size and kind, come back as they were', async () => {
  const packer = new Packer();
  const sizes = [1, 2, 22, 300, 4096, 131_072, MAX_BLOCK_BYTES];
  const inputs = [...sizes, ...sizes.toReversed()].flatMap((size) => [
    randomBytes(size),
    Buffer.alloc(size),
    Buffer.from('0123456789abcdef\r\n'.repeat(Math.ceil(size / 18)).slice(0, size)),
  ]);
  const blocks = await Promise.all(inputs.map((input, at) => packer.pack(input, at)));
  for (const [at, block] of blocks.entries()) {
    expect(unpack(block).equals(inputs[at]!)).toBe(true);
    expect(parseBlockHeader(block, 0)?.at).toBe(at);
  }
  packer.close();
});

test('ok: what does not become smaller is stored as it is', async () => {
  const packer = new Packer();
  const block = await packer.pack(randomBytes(1000), 0);
  expect(block.length).toBe(BLOCK_HEADER_BYTES + 1000);
  expect((await packer.pack(Buffer.alloc(100_000), 0)).length).toBeLessThan(100);
  packer.close();
});

const raw = Buffer.alloc(1000, 'a');
const packed = zstdCompressSync(raw);

test.each([
  ['S33 more than it says', { encoding: 'zstd', at: 0, rawLength: 10 } as const, packed],
  ['less than it says', { encoding: 'zstd', at: 0, rawLength: 2000 } as const, packed],
  [
    'S33 a bomb',
    { encoding: 'zstd', at: 0, rawLength: 100 } as const,
    zstdCompressSync(Buffer.alloc(1 << 24)),
  ],
  ['what is not packed', { encoding: 'zstd', at: 0, rawLength: 7 } as const, Buffer.from('nothing')],
  ['stored bytes of another length', { encoding: 'stored', at: 0, rawLength: 7 } as const, packed],
])('refuses: a block that unpacks to %s', (_, about, stored) => {
  expect(() => unpack(encodeBlock(stored, about))).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
});

test('refuses: stored bytes that were changed', () => {
  const block = encodeBlock(packed, { encoding: 'zstd', at: 0, rawLength: 1000 });
  block[block.length - 1]! ^= 1;
  expect(() => unpack(block)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
});
