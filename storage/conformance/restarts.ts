// Conformance: what outlives a restart of the process.
import { expect } from 'vitest';
import { brief, briefs, bytes, changesUntil, contents, item, watchUntil, type Case } from './case.ts';

export const restarts: readonly Case[] = [
  {
    name: 'ok: items, their revisions and the revision of the store outlive a restart',
    needs: 'reopen',
    async run({ backend, reopen }) {
      const first = await backend.put(item('a', '1'));
      const second = await backend.put(item('b', '2'));
      const again = await reopen();
      expect(await again.revision()).toBe(second);
      expect((await again.get('a'))?.revision).toBe(first);
      expect(await contents(again)).toEqual(['a=1', 'b=2']);
      await again.update(item('a', '3'), first);
    },
  },
  {
    name: 'ok: the revision does not go back when the newest changes were deletes',
    needs: 'reopen',
    async run({ backend, reopen }) {
      await backend.put(item('a', '1'));
      const last = await backend.delete('a');
      const again = await reopen();
      expect(await again.revision()).toBe(last);
      expect(Number(await again.put(item('a', '1')))).toBeGreaterThan(Number(last));
    },
  },
  {
    name: 'ok: a watch resumes over a restart, each change once',
    needs: 'reopen',
    async run({ backend, clock, reopen }) {
      const from = await backend.put(item('a', '1'));
      await backend.put(item('a', '2'));
      await backend.delete('a');
      const again = await reopen();
      const end = await again.put(item('a', '3'));
      expect(briefs(await changesUntil({ backend: again, clock }, { from }, end))).toEqual([
        'a=2',
        '-a',
        'a=3',
      ]);
    },
  },
  {
    name: 'ok: an atomic write is still one batch after a restart',
    needs: 'reopen',
    async run({ backend, clock, reopen }) {
      const from = await backend.put(item('a', '1'));
      const put = (key: string) => {
        return { key, condition: { is: 'any' }, action: { do: 'put', value: bytes('2') } } as const;
      };
      const remove = { key: 'a', condition: { is: 'present' }, action: { do: 'delete' } } as const;
      const first = await backend.atomicWrite([put('b'), remove, put('c')]);
      const second = await backend.atomicWrite([put('a'), put('b')]);
      const again = await reopen();
      const batches = await changesUntil({ backend: again, clock }, { from }, second);
      expect(batches.map(({ revision }) => revision)).toEqual([first, second]);
      expect(batches.map(({ events }) => events.map(brief).toSorted())).toEqual([
        ['-a', 'b=2', 'c=2'],
        ['a=2', 'b=2'],
      ]);
    },
  },
  {
    name: 'ok: what expired while the store was closed is gone, and its delete event comes',
    needs: 'reopen',
    async run({ backend, clock, reopen }) {
      const from = await backend.put(item('a', '1', clock.now() + 5000));
      await backend.close();
      await clock.advance(60_000);
      const again = await reopen();
      expect(await contents(again)).toEqual([]);
      const batches = await watchUntil({ backend: again, clock }, { from }, (all) => briefs(all).length > 0);
      expect(briefs(batches)).toEqual(['-a']);
    },
  },
];
