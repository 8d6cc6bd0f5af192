import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { holdBody } from './held-body.ts';

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const left = (): string[] => readdirSync(tmpdir()).filter((name) => /^gate-[0-9a-f]{24}$/.test(name));

it.each([0, 1, 1024 * 1024, 5_000_000])(
  'ok: %i bytes come out as they went in, with their hash',
  async (size) => {
    const bytes = randomBytes(size);
    const before = left().length;
    const held = await holdBody(pieces(bytes, 70_000));
    expect(left().length).toBeLessThanOrEqual(before);
    expect(held.length).toBe(size);
    expect(held.hash).toBe(createHash('sha256').update(bytes).digest('hex'));
    const parts: Uint8Array[] = [];
    for await (const part of held.read()) parts.push(Buffer.from(part));
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    await held.close();
  },
);

it('refuses: a body that breaks off, and leaves nothing', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(3_000_000);
    throw new Error('gone');
  }
  await expect(holdBody(broken())).rejects.toThrow('gone');
});
