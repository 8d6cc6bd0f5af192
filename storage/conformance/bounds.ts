// Conformance: keys, values and revisions at their bounds, hostile ones included.
import { expect } from 'vitest';
import { contents, item, text, type Case } from './case.ts';

const BAD_KEYS = ['', 'a\0b', 'a\nb', 'naïve', '\u{1F511}', 'a\u007Fb', '\uD800', 'k'.repeat(1025)];

export const bounds: readonly Case[] = [
  {
    name: 'S26 refuses: keys that are empty, too long, or not printable ASCII, in every call',
    async run({ backend }) {
      for (const key of BAD_KEYS) {
        const calls = [
          backend.get(key),
          backend.put(item(key, 'x')),
          backend.create(item(key, 'x')),
          backend.update(item(key, 'x'), '1'),
          backend.delete(key),
          backend.atomicWrite([{ key, condition: { is: 'any' }, action: { do: 'check' } }]),
        ];
        for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'BAD_REQUEST' });
        if (key !== '')
          await expect(backend.range({ prefix: key })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'ok: a key of 1,024 bytes',
    async run({ backend }) {
      const key = 'k'.repeat(1024);
      await backend.put(item(key, 'x'));
      expect(text((await backend.get(key))?.value)).toBe('x');
      expect(await contents(backend, key)).toEqual([`${key}=x`]);
    },
  },
  {
    name: 'ok: keys that mean something to query languages and paths are only keys',
    async run({ backend }) {
      const keys = [
        "'; DROP TABLE items; --",
        '../../etc/passwd',
        '%',
        '_',
        '*',
        '?',
        '[a-z]',
        '$1',
        ':key',
        '{}',
        '//',
      ];
      for (const key of keys) await backend.create(item(key, '.'));
      expect(await contents(backend)).toEqual(keys.toSorted().map((key) => `${key}=.`));
      for (const key of keys) await backend.delete(key);
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'ok: a value of 1 MiB',
    async run({ backend }) {
      const value = new Uint8Array(1024 * 1024).map((_, index) => index * 7);
      await backend.put({ key: 'a', value });
      expect(Buffer.compare(value, (await backend.get('a'))!.value)).toBe(0);
    },
  },
  {
    name: 'refuses: a value of more than 1 MiB',
    async run({ backend }) {
      const value = new Uint8Array(1024 * 1024 + 1);
      await expect(backend.put({ key: 'a', value })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      expect(await backend.get('a')).toBeUndefined();
    },
  },
  {
    name: 'refuses: an atomic write of more than 8 MiB',
    async run({ backend }) {
      const value = new Uint8Array(1024 * 1024);
      const steps = Array.from({ length: 9 }, (_, index) => {
        return { key: `k${index}`, condition: { is: 'any' }, action: { do: 'put', value } } as const;
      });
      await expect(backend.atomicWrite(steps)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'refuses: an expiry that is not a positive integer',
    async run({ backend }) {
      for (const expires of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 9e15]) {
        await expect(backend.put(item('a', 'x', expires))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
    },
  },
  {
    name: 'refuses: revisions that no store gives out',
    async run({ backend }) {
      await backend.put(item('a'));
      for (const revision of ['', 'x', '-1', '1.5', '0x10', '01', '9'.repeat(30), ' 1', '1e3']) {
        await expect(backend.update(item('a'), revision)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
        await expect(backend.delete('a', revision)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
    },
  },
  {
    name: 'ok: close twice; refuses: every call after close',
    async run({ backend }) {
      const revision = await backend.put(item('a'));
      await Promise.all([backend.close(), backend.close()]);
      await backend.close();
      const { signal } = new AbortController();
      const watch = backend.watch({ prefixes: [''], from: revision, signal })[Symbol.asyncIterator]();
      const calls = [
        backend.get('a'),
        backend.range({ prefix: '' }),
        backend.put(item('a')),
        backend.delete('a'),
        backend.revision(),
        watch.next(),
      ];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    },
  },
  {
    name: 'ok: close waits for the writes under way',
    async run({ backend }) {
      const writes = Promise.all(['a', 'b', 'c'].map((key) => backend.put(item(key))));
      await backend.close();
      expect(await writes).toHaveLength(3);
    },
  },
];
