// The suite for sinks that can be searched. A plain function with a factory; each case opens its own sink.
import { describe, expect, test } from 'vitest';
import type { EventQuery } from '../query.ts';
import type { EventRecord } from '../record.ts';
import type { Sink } from '../sink.ts';
import { Chain, login, START } from './samples.ts';

export type SearchableSink = Required<Sink>;

export interface SinkFixture {
  open(): Promise<SearchableSink>;
  /** Removes what the sink stored; called after all sinks are closed. */
  remove(): Promise<void>;
}

const ALL: EventQuery = { from: 0, to: Date.UTC(2100, 0), limit: 10_000, order: 'asc' };
const HOUR = 3_600_000;

async function readAll(sink: SearchableSink, query: EventQuery): Promise<number[]> {
  const seqs: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await sink.search({ ...query, cursor });
    seqs.push(...page.events.map((event) => event.seq));
    cursor = page.next;
  } while (cursor !== undefined);
  return seqs;
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

export function searchableSinkConformance(name: string, fixture: () => Promise<SinkFixture>): void {
  type Case = (sink: SearchableSink, open: () => Promise<SearchableSink>) => Promise<void>;
  const check = (title: string, run: Case): void => {
    test(title, async () => {
      const made = await fixture();
      const sink = await made.open();
      try {
        await run(sink, async () => {
          await sink.close();
          return made.open();
        });
      } finally {
        await sink.close();
        await made.remove();
      }
    });
  };
  const found = async (sink: SearchableSink, query: Partial<EventQuery>): Promise<number[]> =>
    readAll(sink, { ...ALL, ...query });

  describe(`${name}: appending`, () => {
    check('ok: what was appended is found, whole and in order', async (sink) => {
      const records = new Chain().logins(25);
      await sink.append(records.slice(0, 10));
      await sink.append(records.slice(10));
      const { events } = await sink.search(ALL);
      expect(events).toEqual(records.map(({ line }) => JSON.parse(line) as unknown));
    });
    check('ok: repeating a batch, whole or in part, is harmless', async (sink, reopen) => {
      const records = new Chain().logins(20);
      await sink.append(records.slice(0, 10));
      await sink.append(records.slice(0, 10));
      await sink.append(records.slice(5, 15));
      const again = await reopen();
      await again.append(records);
      expect(await found(again, {})).toEqual(numbers(1, 20));
      await again.close();
    });
    check('ok: an empty batch', async (sink) => {
      await sink.append([]);
      expect(await found(sink, {})).toEqual([]);
    });
    check('ok: appends that overlap stay whole and in order', async (sink) => {
      const records = new Chain().logins(300);
      const batches = Array.from({ length: 30 }, (_, at) => records.slice(at * 10, at * 10 + 10));
      await Promise.all([...batches.map((batch) => sink.append(batch)), sink.append(records.slice(0, 50))]);
      expect(await found(sink, {})).toEqual(numbers(1, 300));
    });
    check('ok: last() tells the end of each chain, after a restart too', async (sink, reopen) => {
      const one = new Chain({ writer: 'one' });
      const two = new Chain({ writer: 'two', start: START + 1000 });
      expect(await sink.last('one')).toBeUndefined();
      await sink.append([...one.logins(3), ...two.logins(5), ...one.logins(2)]);
      expect(await sink.last('one')).toMatchObject(one.head);
      const again = await reopen();
      expect(await again.last('two')).toMatchObject(two.head);
      expect(await again.last('one')).toMatchObject(one.head);
      expect(await again.last('three')).toBeUndefined();
      await again.close();
    });
    check('ok: large events are kept whole', async (sink) => {
      const chain = new Chain();
      const large = [65_537, 1_000_000, 8_000_000].map((size) =>
        chain.add(login(1, { error: 'é'.repeat(size / 2) })),
      );
      const records = [...large, ...chain.logins(2)];
      await sink.append(records);
      const stored: EventRecord['line'][] = [];
      let cursor: string | undefined;
      do {
        const page = await sink.search({ ...ALL, cursor });
        stored.push(...page.events.map((event) => JSON.stringify(event)));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(stored.length).toBe(5);
      expect(stored.every((line, at) => line === records[at]?.line)).toBe(true);
      expect(await found(sink, { order: 'desc' })).toEqual([5, 4, 3, 2, 1]);
    });
    check('ok: events over midnight', async (sink) => {
      const chain = new Chain({ start: Date.parse('2026-03-01T23:59:58.000Z'), stepMs: 500 });
      await sink.append(chain.logins(10));
      expect(await found(sink, { order: 'desc' })).toEqual(numbers(1, 10).toReversed());
      expect(await found(sink, { from: Date.parse('2026-03-02T00:00:00Z') })).toEqual(numbers(5, 10));
    });
  });

  describe(`${name}: searching`, () => {
    check('ok: by time: from is inclusive, to is exclusive', async (sink) => {
      await sink.append(new Chain().logins(10));
      expect(await found(sink, { from: START + 2000, to: START + 5000 })).toEqual([3, 4, 5]);
      expect(await found(sink, { from: START + 5000, to: START + 2000 })).toEqual([]);
    });
    check('ok: by type, user and text, alone and together', async (sink) => {
      const chain = new Chain();
      await sink.append([
        chain.add(login(1, { user: 'alice' })),
        chain.add(login(2, { user: 'bob', error: 'Wrong "PASSWORD" \\ naïve' })),
        chain.add({ event: 'role.created', user: 'alice', name: 'dba' }),
        chain.add({ event: 'role.deleted', user: 'bob', name: 'alice' }),
        chain.add({ event: 'token.create', user: 'alice', roles: ['node'], name: 'user' }),
      ]);
      expect(await found(sink, { types: ['role.created', 'role.deleted'] })).toEqual([3, 4]);
      expect(await found(sink, { types: ['no.such.type'] })).toEqual([]);
      expect(await found(sink, { types: [] })).toEqual([1, 2, 3, 4, 5]);
      expect(await found(sink, { user: 'alice' })).toEqual([1, 3, 5]);
      expect(await found(sink, { user: 'ALICE' })).toEqual([]);
      expect(await found(sink, { search: 'wrong "password" \\ n' })).toEqual([2]);
      expect(await found(sink, { search: 'naïve' })).toEqual([2]);
      expect(await found(sink, { search: 'ALICE', user: 'bob' })).toEqual([4]);
      expect(await found(sink, { search: 'alice', types: ['user.login'] })).toEqual([1]);
    });
    check('ok: the same answers when asked again', async (sink) => {
      await sink.append(new Chain().logins(3000));
      for (const query of [
        { user: 'user-77' },
        { search: 'user-2999' },
        { types: ['user.login'] },
        { user: 'nobody' },
      ]) {
        const first = await found(sink, query);
        expect(await found(sink, query)).toEqual(first);
        expect(await found(sink, { ...query, order: 'desc' })).toEqual(first.toReversed());
      }
    });
    check('ok: pages of every size join without gap or repetition, both ways', async (sink) => {
      await sink.append(new Chain({ stepMs: HOUR }).logins(60));
      for (const limit of [1, 7, 59, 60, 61]) {
        expect(await found(sink, { limit })).toEqual(numbers(1, 60));
        expect(await found(sink, { limit, order: 'desc' })).toEqual(numbers(1, 60).toReversed());
      }
    });
    check('ok: a page is never larger than its limit', async (sink) => {
      await sink.append(new Chain().logins(20));
      const page = await sink.search({ ...ALL, limit: 7 });
      expect(page.events).toHaveLength(7);
      expect(page.next).toBeDefined();
    });
    check('ok: a cursor stays valid while events are added', async (sink, reopen) => {
      const chain = new Chain({ stepMs: HOUR });
      await sink.append(chain.logins(30));
      const down = await sink.search({ ...ALL, limit: 10, order: 'desc' });
      const up = await sink.search({ ...ALL, limit: 10 });
      await sink.append(chain.logins(30));
      const again = await reopen();
      const older = await again.search({ ...ALL, order: 'desc', cursor: down.next });
      expect(older.events.map(({ seq }) => seq)).toEqual(numbers(1, 20).toReversed());
      const newer = await again.search({ ...ALL, cursor: up.next });
      expect(newer.events.map(({ seq }) => seq)).toEqual(numbers(11, 60));
      await again.close();
    });
    check('refuses: cursors it did not give out, and queries out of bounds', async (sink) => {
      await sink.append(new Chain().logins(3));
      const { next } = await sink.search({ ...ALL, limit: 1 });
      const bad: Partial<EventQuery>[] = [
        { cursor: 'x' },
        { cursor: 'a'.repeat(500) },
        { cursor: next, order: 'desc' },
        { cursor: next?.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)) },
        { limit: 0 },
        { limit: 10_001 },
        { limit: 1.5 },
        { from: Number.NaN },
        { search: 'x'.repeat(1001) },
        { order: 'sideways' as 'asc' },
      ];
      for (const query of bad) {
        await expect(sink.search({ ...ALL, ...query }), JSON.stringify(query)).rejects.toMatchObject({
          code: 'BAD_REQUEST',
        });
      }
    });
  });
}
