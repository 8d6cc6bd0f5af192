// Conformance: watches, from a revision and on to the live tail.
import { expect } from 'vitest';
import { compareRevisions, type WatchBatch } from '../backend.ts';
import { briefs, bytes, changesUntil, item, watchUntil, type Case } from './case.ts';

export const watches: readonly Case[] = [
  {
    name: 'ok: a watch says how far it has read before anything happens',
    async run(setting) {
      const from = await setting.backend.put(item('a'));
      const [first] = await watchUntil(setting, { from }, (all) => all.length > 0);
      expect(first).toEqual({ revision: from, events: [] });
    },
  },
  {
    name: 'ok: changes come in order, each once, with their values and revisions',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      const revisions = [
        await backend.create(item('a', '1')),
        await backend.put(item('b', '1')),
        await backend.put(item('a', '2')),
        await backend.delete('b'),
        await backend.put(item('a', '2')),
      ];
      const batches = await changesUntil(setting, { from }, revisions.at(-1)!);
      expect(briefs(batches)).toEqual(['a=1', 'b=1', 'a=2', '-b', 'a=2']);
      expect(batches.map((batch) => batch.revision)).toEqual(revisions);
      const own = batches.map(
        ({ events: [event] }) => (event!.type === 'put' ? event!.item : event!).revision,
      );
      expect(own).toEqual(revisions);
    },
  },
  {
    name: 'ok: a watch from any revision yields exactly what follows it',
    async run(setting) {
      const { backend } = setting;
      const revisions = [await backend.revision()];
      for (let index = 0; index < 12; index++) revisions.push(await backend.put(item(`k${index}`, '.')));
      for (const [index, from] of revisions.slice(0, -1).entries()) {
        const batches = await changesUntil(setting, { from }, revisions.at(-1)!);
        expect(batches.map((batch) => batch.revision)).toEqual(revisions.slice(index + 1));
      }
    },
  },
  {
    name: 'ok: an atomic write is one batch',
    async run(setting) {
      const { backend } = setting;
      await backend.put(item('c'));
      const from = await backend.revision();
      const revision = await backend.atomicWrite([
        { key: 'b', condition: { is: 'any' }, action: { do: 'put', value: bytes('1') } },
        { key: 'zz', condition: { is: 'any' }, action: { do: 'delete' } },
        { key: 'c', condition: { is: 'any' }, action: { do: 'delete' } },
        { key: 'a', condition: { is: 'absent' }, action: { do: 'put', value: bytes('2') } },
      ]);
      const batches = await changesUntil(setting, { from }, revision);
      expect(batches).toHaveLength(1);
      expect(briefs(batches).toSorted()).toEqual(['-c', 'a=2', 'b=1']);
    },
  },
  {
    name: 'ok: writes that fail or change nothing make no event',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.put(item('a', '1'));
      await expect(backend.create(item('a', '2'))).rejects.toThrow();
      await expect(backend.delete('b')).rejects.toThrow();
      await backend.atomicWrite([{ key: 'a', condition: { is: 'present' }, action: { do: 'check' } }]);
      const end = await backend.put(item('end', '.'));
      expect(briefs(await changesUntil(setting, { from }, end))).toEqual(['end=.']);
    },
  },
  {
    name: 'ok: only the watched prefixes, an overlap counted once',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      for (const key of ['a/1', 'b/1', 'ab/1', 'a/2', 'c']) await backend.put(item(key, '.'));
      await backend.delete('b/1');
      const end = await backend.put(item('c', 'end'));
      const query = { from, prefixes: ['a/', 'b/', 'a/1'] };
      expect(briefs(await changesUntil(setting, query, end))).toEqual(['a/1=.', 'b/1=.', 'a/2=.', '-b/1']);
    },
  },
  {
    name: 'ok: of an atomic write only the watched part, in one batch',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      const put = (key: string) =>
        ({ key, condition: { is: 'any' }, action: { do: 'put', value: bytes('.') } }) as const;
      const end = await backend.atomicWrite([put('a/1'), put('b/1'), put('a/2')]);
      const batches = await changesUntil(setting, { from, prefixes: ['a/'] }, end);
      expect(batches).toHaveLength(1);
      expect(briefs(batches)).toEqual(['a/1=.', 'a/2=.']);
    },
  },
  {
    name: 'ok: a watch learns of revisions that changed nothing it watches',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      const end = await backend.put(item('other'));
      const batches = await watchUntil(
        setting,
        { from, prefixes: ['a/'] },
        (all) => all.at(-1)?.revision === end,
      );
      expect(briefs(batches)).toEqual([]);
    },
  },
  {
    name: 'ok: a snapshot and the watch from its revision miss nothing',
    async run(setting) {
      const { backend } = setting;
      for (const key of ['a', 'b']) await backend.put(item(key, '1'));
      const { revision: from } = await backend.range({ prefix: '' });
      await backend.put(item('b', '2'));
      const end = await backend.put(item('c', '2'));
      expect(briefs(await changesUntil(setting, { from }, end))).toEqual(['b=2', 'c=2']);
    },
  },
  {
    name: 'ok: the live tail goes on where the history ends, under concurrent writes',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      for (let index = 0; index < 50; index++) await backend.put(item('early', String(index)));
      const writing = (async () => {
        for (let index = 0; index < 100; index++) await backend.put(item('late', String(index)));
        return backend.put(item('end', '.'));
      })();
      const batches = await watchUntil(setting, { from }, (all) => briefs(all.slice(-1))[0] === 'end=.');
      const end = await writing;
      const seen = briefs(batches);
      expect(seen.filter((one) => one.startsWith('early'))).toHaveLength(50);
      expect(seen.filter((one) => one.startsWith('late'))).toEqual(
        Array.from({ length: 100 }, (_, i) => `late=${i}`),
      );
      expect(batches.at(-1)!.revision).toBe(end);
      requireRising(batches);
    },
  },
  {
    name: 'ok: watches do not disturb each other',
    async run(setting) {
      const { backend } = setting;
      const from = await backend.revision();
      const both = Promise.all(
        ['a/', 'b/'].map((prefix) =>
          watchUntil(setting, { from, prefixes: [prefix] }, (all) => briefs(all).length === 10),
        ),
      );
      for (let index = 0; index < 10; index++) {
        await backend.put(item(`a/${index}`, '.'));
        await backend.put(item(`b/${index}`, '.'));
      }
      const [a, b] = await both;
      expect(briefs(a!)).toEqual(Array.from({ length: 10 }, (_, index) => `a/${index}=.`));
      expect(briefs(b!)).toEqual(Array.from({ length: 10 }, (_, index) => `b/${index}=.`));
    },
  },
  {
    name: 'ok: the signal ends a watch that waits, and one that has not begun',
    async run({ backend }) {
      const abort = new AbortController();
      const from = await backend.revision();
      const waiting = backend.watch({ prefixes: [''], from, signal: abort.signal })[Symbol.asyncIterator]();
      expect((await waiting.next()).done).toBe(false);
      const next = waiting.next();
      abort.abort();
      expect((await next).done).toBe(true);
      const late = backend.watch({ prefixes: [''], from, signal: abort.signal })[Symbol.asyncIterator]();
      expect((await late.next()).done).toBe(true);
    },
  },
  {
    name: 'ok: close ends watches',
    async run({ backend }) {
      const { signal } = new AbortController();
      const from = await backend.revision();
      const watch = backend.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
      expect((await watch.next()).done).toBe(false);
      const next = watch.next();
      await backend.close();
      expect((await next).done).toBe(true);
    },
  },
  {
    name: 'refuses: a revision newer than the store',
    async run({ backend }) {
      const newer = String(Number(await backend.revision()) + 1000);
      const { signal } = new AbortController();
      const watch = backend.watch({ prefixes: [''], from: newer, signal })[Symbol.asyncIterator]();
      await expect(watch.next()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
    },
  },
  {
    name: 'refuses: no prefix, a bad prefix, a bad revision',
    async run({ backend }) {
      const from = await backend.revision();
      const { signal } = new AbortController();
      const bad = [
        { prefixes: [], from },
        { prefixes: ['a\0'], from },
        { prefixes: [''], from: 'soon' },
      ];
      for (const query of bad) {
        const watch = backend.watch({ ...query, signal })[Symbol.asyncIterator]();
        await expect(watch.next()).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
    },
  },
  {
    name: 'refuses: a revision older than the history that is kept',
    needs: 'openShort',
    async run({ backend, clock }) {
      const from = await backend.revision();
      for (let index = 0; index < 1200; index++) await backend.put(item('a', String(index)));
      await clock.advance(120_000);
      const { signal } = new AbortController();
      const watch = backend.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
      await expect(watch.next()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
    },
  },
  {
    name: 'ok: a watch that is left behind loses nothing silently, and never makes a writer wait',
    needs: 'openShort',
    async run({ backend }) {
      const { signal } = new AbortController();
      const watch = backend.watch({ prefixes: [''], from: await backend.revision(), signal });
      const iterator = watch[Symbol.asyncIterator]();
      const seen: string[] = [];
      await iterator.next();
      for (let index = 0; index < 1200; index++) await backend.put(item('a', String(index)));
      try {
        while (seen.length < 1200) seen.push(...briefs([(await iterator.next()).value as WatchBatch]));
      } catch (error) {
        expect(error).toMatchObject({ code: 'REVISION_COMPACTED' });
      }
      expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => `a=${index}`));
    },
  },
];

function requireRising(batches: readonly WatchBatch[]): void {
  for (const [index, batch] of batches.entries()) {
    if (index > 0) expect(compareRevisions(batches[index - 1]!.revision, batch.revision)).toBeLessThan(0);
  }
}
