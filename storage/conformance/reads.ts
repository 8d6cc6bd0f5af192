// Conformance: reading single items.
import { expect } from 'vitest';
import { bytes, item, text, type Case } from './case.ts';

export const reads: readonly Case[] = [
  {
    name: 'ok: an absent key reads as undefined',
    async run({ backend }) {
      expect(await backend.get('nodes/a')).toBeUndefined();
    },
  },
  {
    name: 'ok: a written item reads back with its bytes and the revision of the write',
    async run({ backend }) {
      const value = new Uint8Array(256).map((_, index) => index);
      const revision = await backend.put({ key: 'nodes/a', value });
      expect(await backend.get('nodes/a')).toMatchObject({ key: 'nodes/a', value, revision });
    },
  },
  {
    name: 'ok: an empty value is a value',
    async run({ backend }) {
      await backend.put({ key: 'nodes/a', value: new Uint8Array() });
      expect((await backend.get('nodes/a'))?.value.byteLength).toBe(0);
    },
  },
  {
    name: 'ok: the value of a part of a larger buffer is that part',
    async run({ backend }) {
      await backend.put({ key: 'nodes/a', value: Buffer.from('xxhelloxx').subarray(2, 7) });
      expect(text((await backend.get('nodes/a'))?.value)).toBe('hello');
    },
  },
  {
    name: 'ok: the caller may reuse its buffer as soon as the call has returned its promise',
    async run({ backend }) {
      const value = Buffer.from('first');
      const put = backend.put({ key: 'nodes/a', value });
      value.fill('x');
      await put;
      expect(text((await backend.get('nodes/a'))?.value)).toBe('first');
      value.write('other');
      const atomic = backend.atomicWrite([
        { key: 'nodes/a', condition: { is: 'any' }, action: { do: 'put', value } },
      ]);
      value.fill('x');
      await atomic;
      expect(text((await backend.get('nodes/a'))?.value)).toBe('other');
    },
  },
  {
    name: 'ok: keys are case-sensitive and differ by every character',
    async run({ backend }) {
      const keys = ['a', 'A', 'a ', 'a/', 'a/b', 'a.b', "a'b", 'a%b', 'a_b', 'a"b', 'a\\b', '~', ' '];
      for (const key of keys) await backend.put(item(key));
      for (const key of keys) expect(text((await backend.get(key))?.value)).toBe(key);
    },
  },
  {
    name: 'ok: get reads its own key only, never by prefix',
    async run({ backend }) {
      await backend.put(item('nodes/ab'));
      expect(await backend.get('nodes/a')).toBeUndefined();
      expect(await backend.get('nodes/')).toBeUndefined();
    },
  },
  {
    name: 'ok: a read after an acknowledged write sees it',
    async run({ backend }) {
      for (let round = 0; round < 20; round++) {
        await backend.put(item('nodes/a', `v${round}`));
        expect(text((await backend.get('nodes/a'))?.value)).toBe(`v${round}`);
      }
    },
  },
  {
    name: 'ok: the revision of the store is that of its newest change',
    async run({ backend }) {
      const first = await backend.put(item('nodes/a'));
      expect(await backend.revision()).toBe(first);
      const second = await backend.delete('nodes/a');
      expect(await backend.revision()).toBe(second);
      await backend.get('nodes/a');
      expect(await backend.revision()).toBe(second);
    },
  },
  {
    name: 'ok: a large value reads back',
    async run({ backend }) {
      const value = bytes('0123456789abcdef'.repeat(4096));
      await backend.put({ key: 'nodes/a', value });
      expect(Buffer.compare(value, (await backend.get('nodes/a'))?.value ?? new Uint8Array())).toBe(0);
    },
  },
];
