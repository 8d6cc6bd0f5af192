// Conformance: ranges and their pages.
import { expect } from 'vitest';
import { contents, item, type Case } from './case.ts';

export const ranges: readonly Case[] = [
  {
    name: 'ok: an empty range has no items, no next page, and the revision of the store',
    async run({ backend }) {
      const revision = await backend.put(item('users/a'));
      expect(await backend.range({ prefix: 'nodes/' })).toEqual({ items: [], revision });
    },
  },
  {
    name: 'ok: items come in byte order of their keys',
    async run({ backend }) {
      const keys = ['b', 'a/b', 'a', 'a b', 'a-b', 'B', 'a0', '~', '!', 'a/', 'a//', '10', '9'];
      for (const key of keys) await backend.put(item(key));
      const page = await backend.range({ prefix: '' });
      const sorted = keys.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
      expect(page.items.map((found) => found.key)).toEqual(sorted);
      expect(page.next).toBeUndefined();
    },
  },
  {
    name: 'ok: a prefix is matched to the letter',
    async run({ backend }) {
      for (const key of [
        'nodes',
        'nodes/a',
        'nodes/a%',
        'nodes/a_b',
        'nodes/axb',
        'nodes2/a',
        'Nodes/a',
        'node',
      ]) {
        await backend.put(item(key, '.'));
      }
      expect(await contents(backend, 'nodes/')).toEqual([
        'nodes/a=.',
        'nodes/a%=.',
        'nodes/a_b=.',
        'nodes/axb=.',
      ]);
      expect(await contents(backend, 'nodes/a_')).toEqual(['nodes/a_b=.']);
      expect(await contents(backend, 'nodes/a%')).toEqual(['nodes/a%=.']);
      expect(await contents(backend, 'nodes/a*')).toEqual([]);
    },
  },
  {
    name: 'ok: a key of the last printable character is inside its prefix',
    async run({ backend }) {
      for (const key of ['n/~', 'n/~~~', 'n/', 'n0']) await backend.put(item(key, '.'));
      expect(await contents(backend, 'n/')).toEqual(['n/=.', 'n/~=.', 'n/~~~=.']);
      expect(await contents(backend, 'n/~')).toEqual(['n/~=.', 'n/~~~=.']);
    },
  },
  {
    name: 'ok: pages of every size cover the range once, in order',
    async run({ backend }) {
      const expected: string[] = [];
      for (let index = 0; index < 25; index++) {
        const key = `nodes/${String(index).padStart(2, '0')}`;
        await backend.put(item(key, '.'));
        expected.push(`${key}=.`);
      }
      await backend.put(item('nodes2'));
      for (const limit of [1, 2, 5, 24, 25, 26]) {
        expect(await contents(backend, 'nodes/', limit)).toEqual(expected);
      }
    },
  },
  {
    name: 'ok: next is set exactly when more follow',
    async run({ backend }) {
      for (const key of ['a', 'b', 'c']) await backend.put(item(key));
      expect((await backend.range({ prefix: '', limit: 2 })).next).toBe('b');
      expect((await backend.range({ prefix: '', limit: 3 })).next).toBeUndefined();
      expect((await backend.range({ prefix: '', after: 'b', limit: 1 })).next).toBeUndefined();
    },
  },
  {
    name: 'ok: after may name a key that is gone, before the range, or behind it',
    async run({ backend }) {
      for (const key of ['m/a', 'm/c', 'm/e']) await backend.put(item(key));
      const keys = async (after: string): Promise<string[]> => {
        return (await backend.range({ prefix: 'm/', after })).items.map((found) => found.key);
      };
      expect(await keys('m/b')).toEqual(['m/c', 'm/e']);
      expect(await keys('m/c')).toEqual(['m/e']);
      expect(await keys('a')).toEqual(['m/a', 'm/c', 'm/e']);
      expect(await keys('m')).toEqual(['m/a', 'm/c', 'm/e']);
      expect(await keys('z')).toEqual([]);
    },
  },
  {
    name: 'ok: a page holds the items with their own revisions, and none newer than the page',
    async run({ backend }) {
      const first = await backend.put(item('a'));
      const second = await backend.put(item('b'));
      const page = await backend.range({ prefix: '' });
      expect(page.items.map((found) => found.revision)).toEqual([first, second]);
      expect(page.revision).toBe(second);
    },
  },
  {
    name: 'ok: deletes and inserts between pages neither repeat nor skip what stays',
    async run({ backend }) {
      for (const key of ['a', 'b', 'c', 'd']) await backend.put(item(key));
      const first = await backend.range({ prefix: '', limit: 2 });
      await backend.delete('b');
      await backend.put(item('aa'));
      await backend.put(item('cc'));
      const second = await backend.range({ prefix: '', after: first.next, limit: 10 });
      expect(second.items.map((found) => found.key)).toEqual(['c', 'cc', 'd']);
    },
  },
  {
    name: 'ok: a page of large values ends early and the next one goes on',
    async run({ backend }) {
      const value = new Uint8Array(1024 * 1024);
      for (let index = 0; index < 20; index++) await backend.put({ key: `big/${10 + index}`, value });
      const first = await backend.range({ prefix: 'big/' });
      expect(first.items.length).toBeLessThan(20);
      const second = await backend.range({ prefix: 'big/', after: first.next });
      expect(first.items.length + second.items.length).toBe(20);
    },
  },
  {
    name: 'refuses: limits outside 1 to 10,000',
    async run({ backend }) {
      for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) {
        await expect(backend.range({ prefix: '', limit })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
    },
  },
];
