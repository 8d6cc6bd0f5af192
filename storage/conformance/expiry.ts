// Conformance: items that expire.
import { expect } from 'vitest';
import { brief, briefs, contents, item, text, watchUntil, type Case } from './case.ts';

const SECOND = 1000;

export const expiry: readonly Case[] = [
  {
    name: 'ok: an item is there until its expiry and gone from that moment on',
    async run({ backend, clock }) {
      const expires = clock.now() + 10 * SECOND;
      await backend.put(item('a', 'x', expires));
      await clock.advance(10 * SECOND - 1);
      expect(await backend.get('a')).toMatchObject({ key: 'a', expires });
      await clock.advance(1);
      expect(await backend.get('a')).toBeUndefined();
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'ok: a page skips expired items and is still full',
    async run({ backend, clock }) {
      const soon = clock.now() + SECOND;
      for (const [index, key] of ['a', 'b', 'c', 'd', 'e'].entries()) {
        await backend.put(item(key, 'x', index % 2 === 1 ? soon : undefined));
      }
      await clock.advance(SECOND);
      const page = await backend.range({ prefix: '', limit: 2 });
      expect(page.items.map((found) => found.key)).toEqual(['a', 'c']);
      expect(await contents(backend, '', 2)).toEqual(['a=x', 'c=x', 'e=x']);
    },
  },
  {
    name: 'ok: an expired item is absent to conditions',
    async run({ backend, clock }) {
      const revision = await backend.put(item('a', 'old', clock.now() + SECOND));
      await backend.put(item('b', 'old', clock.now() + SECOND));
      await backend.put(item('c', 'old', clock.now() + SECOND));
      await clock.advance(SECOND);
      await expect(backend.update(item('a', 'x'), revision)).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
      });
      await expect(backend.delete('b')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(
        backend.atomicWrite([{ key: 'c', condition: { is: 'present' }, action: { do: 'check' } }]),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await backend.create(item('a', 'new'));
      expect(await contents(backend)).toEqual(['a=new']);
    },
  },
  {
    name: 'ok: a later put moves the expiry, and one without expiry removes it',
    async run({ backend, clock }) {
      const start = clock.now();
      await backend.put(item('a', '1', start + 5 * SECOND));
      await backend.put(item('b', '1', start + 5 * SECOND));
      await backend.put(item('a', '2', start + 60 * SECOND));
      await backend.put(item('b', '2'));
      await clock.advance(30 * SECOND);
      expect(await contents(backend)).toEqual(['a=2', 'b=2']);
      await clock.advance(60 * SECOND);
      expect(await contents(backend)).toEqual(['b=2']);
    },
  },
  {
    name: 'ok: an update can shorten the expiry',
    async run({ backend, clock }) {
      const revision = await backend.put(item('a', '1', clock.now() + 600 * SECOND));
      await backend.update(item('a', '2', clock.now() + SECOND), revision);
      await clock.advance(SECOND);
      expect(await backend.get('a')).toBeUndefined();
    },
  },
  {
    name: 'ok: a delete event follows an expiry',
    async run(setting) {
      const { backend, clock } = setting;
      const from = await backend.revision();
      await backend.put(item('a', 'x', clock.now() + 5 * SECOND));
      await backend.put(item('b', 'x'));
      await clock.advance(5 * SECOND);
      const batches = await watchUntil(setting, { from }, (all) => briefs(all).includes('-a'));
      expect(briefs(batches)).toEqual(['a=x', 'b=x', '-a']);
      const deleted = batches.at(-1)!;
      expect(deleted.events[0]).toMatchObject({ type: 'delete', key: 'a', revision: deleted.revision });
      expect(Number(await backend.revision())).toBeGreaterThanOrEqual(Number(deleted.revision));
    },
  },
  {
    name: 'ok: many expiries at once each make one delete event',
    async run(setting) {
      const { backend, clock } = setting;
      const from = await backend.revision();
      const keys = Array.from({ length: 700 }, (_, index) => `n/${String(index).padStart(3, '0')}`);
      const expires = clock.now() + 5 * SECOND;
      await backend.atomicWrite(
        keys.map((key) => {
          return { key, condition: { is: 'any' }, action: { do: 'put', value: new Uint8Array(), expires } };
        }),
      );
      await clock.advance(5 * SECOND);
      const deletes = (all: Parameters<typeof briefs>[0]): string[] =>
        briefs(all).filter((one) => one.startsWith('-'));
      const batches = await watchUntil(setting, { from }, (all) => deletes(all).length >= keys.length);
      expect(deletes(batches).toSorted()).toEqual(keys.map((key) => `-${key}`));
    },
  },
  {
    name: 'ok: an expired item that is made again is seen last as it is',
    async run(setting) {
      const { backend, clock } = setting;
      const from = await backend.revision();
      await backend.put(item('a', 'old', clock.now() + 5 * SECOND));
      await clock.advance(5 * SECOND);
      await backend.create(item('a', 'new'));
      const last = await backend.put(item('end'));
      const batches = await watchUntil(setting, { from }, (all) => briefs(all).includes('end=end'));
      const seen = batches.flatMap((batch) => batch.events).map(brief);
      expect([
        ['a=old', '-a', 'a=new', 'end=end'],
        ['a=old', 'a=new', 'end=end'],
      ]).toContainEqual(seen);
      expect(batches.at(-1)!.revision).toBe(last);
      await clock.advance(60 * SECOND);
      expect(text((await backend.get('a'))?.value)).toBe('new');
    },
  },
  {
    name: 'ok: a put that is already expired is never read',
    async run({ backend, clock }) {
      await backend.put(item('a', 'x', clock.now()));
      expect(await backend.get('a')).toBeUndefined();
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'ok: put events carry the expiry',
    async run(setting) {
      const { backend, clock } = setting;
      const from = await backend.revision();
      const expires = clock.now() + 3600 * SECOND;
      await backend.put(item('a', 'x', expires));
      const batches = await watchUntil(setting, { from }, (all) => briefs(all).length > 0);
      expect(batches.at(-1)!.events[0]).toMatchObject({ item: { key: 'a', expires } });
    },
  },
  {
    name: 'ok: a clock set forward or back by hours: what has expired is gone at once, its delete event within a minute',
    async run({ backend, clock }) {
      const from = await backend.revision();
      await backend.put(item('a', 'x', clock.now() + 3600 * SECOND));
      clock.step(-5 * 3600 * SECOND);
      await backend.put(item('b', 'x', clock.now() + 60 * SECOND));
      await clock.advance(62 * SECOND);
      expect(await contents(backend)).toEqual(['a=x']);
      clock.step(7 * 3600 * SECOND);
      expect(await contents(backend)).toEqual([]);
      await clock.advance(61 * SECOND);
      const batches = await watchUntil({ backend, clock }, { from }, (all) => briefs(all).length > 3);
      expect(briefs(batches)).toEqual(['a=x', 'b=x', '-b', '-a']);
    },
  },
  {
    name: 'ok: ten thousand items that expire in the same second',
    async run({ backend, clock }) {
      const expires = clock.now() + 5 * SECOND;
      const put = (key: string) => {
        const action = { do: 'put', value: new Uint8Array(10), expires } as const;
        return { key, condition: { is: 'absent' }, action } as const;
      };
      for (let group = 0; group < 10; group++) {
        await backend.atomicWrite(Array.from({ length: 1000 }, (_, n) => put(`k/${group}/${n}`)));
      }
      const from = await backend.put(item('last', 'x'));
      await clock.advance(7 * SECOND);
      const gone = new Set<string>();
      await watchUntil({ backend, clock }, { from }, (all) => {
        for (const text of briefs(all.slice(-1))) gone.add(text);
        return gone.size === 10_000;
      });
      expect(await contents(backend)).toEqual(['last=x']);
    },
  },
];
