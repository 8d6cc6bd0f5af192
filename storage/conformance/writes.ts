// Conformance: create, put, update, delete, and their conditions.
import { expect } from 'vitest';
import { compareRevisions } from '../backend.ts';
import { contents, item, text, type Case } from './case.ts';

export const writes: readonly Case[] = [
  {
    name: 'ok: create makes an absent item',
    async run({ backend }) {
      const revision = await backend.create(item('nodes/a', 'one'));
      expect(await backend.get('nodes/a')).toMatchObject({ revision });
    },
  },
  {
    name: 'refuses: create over an existing item, which stays as it was',
    async run({ backend }) {
      const revision = await backend.create(item('nodes/a', 'one'));
      await expect(backend.create(item('nodes/a', 'two'))).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
        details: { key: 'nodes/a' },
      });
      expect(await backend.get('nodes/a')).toMatchObject({ revision });
      expect(await contents(backend)).toEqual(['nodes/a=one']);
    },
  },
  {
    name: 'ok: put makes and replaces',
    async run({ backend }) {
      await backend.put(item('nodes/a', 'one'));
      await backend.put(item('nodes/a', 'two'));
      expect(await contents(backend)).toEqual(['nodes/a=two']);
    },
  },
  {
    name: 'ok: every change has a greater revision, also of other keys and of the same value',
    async run({ backend }) {
      const revisions = [
        await backend.create(item('nodes/a')),
        await backend.put(item('nodes/b')),
        await backend.put(item('nodes/b')),
        await backend.delete('nodes/a'),
        await backend.create(item('nodes/a')),
      ];
      for (const [index, revision] of revisions.entries()) {
        if (index > 0) expect(compareRevisions(revisions[index - 1]!, revision)).toBeLessThan(0);
      }
    },
  },
  {
    name: 'ok: update at the current revision',
    async run({ backend }) {
      const first = await backend.create(item('nodes/a', 'one'));
      const second = await backend.update(item('nodes/a', 'two'), first);
      expect(compareRevisions(first, second)).toBeLessThan(0);
      expect(await backend.get('nodes/a')).toMatchObject({ revision: second });
      expect(await contents(backend)).toEqual(['nodes/a=two']);
    },
  },
  {
    name: 'refuses: update at an older revision',
    async run({ backend }) {
      const first = await backend.create(item('nodes/a', 'one'));
      await backend.put(item('nodes/a', 'two'));
      await expect(backend.update(item('nodes/a', 'three'), first)).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
        details: { key: 'nodes/a' },
      });
      expect(await contents(backend)).toEqual(['nodes/a=two']);
    },
  },
  {
    name: 'refuses: update of an absent item',
    async run({ backend }) {
      const revision = await backend.create(item('nodes/a'));
      await expect(backend.update(item('nodes/b'), revision)).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
      });
      await backend.delete('nodes/a');
      await expect(backend.update(item('nodes/a'), revision)).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
      });
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'refuses: update at a revision of before the item was deleted and made again',
    async run({ backend }) {
      const first = await backend.create(item('nodes/a', 'one'));
      await backend.delete('nodes/a');
      await backend.create(item('nodes/a', 'one'));
      await expect(backend.update(item('nodes/a', 'two'), first)).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
      });
    },
  },
  {
    name: 'ok: delete removes only its item',
    async run({ backend }) {
      await backend.put(item('nodes/a'));
      await backend.put(item('nodes/a/b'));
      await backend.delete('nodes/a');
      expect(await contents(backend)).toEqual(['nodes/a/b=nodes/a/b']);
    },
  },
  {
    name: 'refuses: delete of an absent item',
    async run({ backend }) {
      await expect(backend.delete('nodes/a')).rejects.toMatchObject({
        code: 'NOT_FOUND',
        details: { key: 'nodes/a' },
      });
      const revision = await backend.put(item('nodes/b'));
      await expect(backend.delete('nodes/a', revision)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    },
  },
  {
    name: 'ok: delete at the current revision',
    async run({ backend }) {
      const revision = await backend.put(item('nodes/a'));
      await backend.delete('nodes/a', revision);
      expect(await backend.get('nodes/a')).toBeUndefined();
    },
  },
  {
    name: 'refuses: delete at another revision',
    async run({ backend }) {
      const revision = await backend.put(item('nodes/a'));
      await backend.put(item('nodes/a', 'two'));
      await expect(backend.delete('nodes/a', revision)).rejects.toMatchObject({ code: 'CONDITION_FAILED' });
      expect(text((await backend.get('nodes/a'))?.value)).toBe('two');
    },
  },
  {
    name: 'ok: of many that create the same key at once, one wins',
    async run({ backend }) {
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => backend.create(item('nodes/a', `v${index}`))),
      );
      const won = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
      expect(won).toHaveLength(1);
      expect(await contents(backend)).toEqual([`nodes/a=v${won[0]}`]);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ALREADY_EXISTS' });
      }
    },
  },
  {
    name: 'ok: read, update and retry under contention loses no update',
    async run({ backend }) {
      await backend.create(item('counter', '0'));
      const add = async (): Promise<void> => {
        for (;;) {
          const current = await backend.get('counter');
          const next = item('counter', String(Number(text(current!.value)) + 1));
          const done = await backend.update(next, current!.revision).then(
            () => true,
            (error: { code: string }) => {
              expect(error.code).toBe('CONDITION_FAILED');
              return false;
            },
          );
          if (done) return;
        }
      };
      await Promise.all(Array.from({ length: 12 }, add));
      expect(await contents(backend)).toEqual(['counter=12']);
    },
  },
];
