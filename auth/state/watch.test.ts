// Watches on the state: order, batches, resuming from any revision, and what is shared between them.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { KINDS } from '#kinds/all.ts';
import { openSqlite } from '#storage/sqlite/open.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeRole, makeUser, startTestState, type TestState } from '#test/kit/state.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { openState } from './open.ts';
import type { StateBatch } from './state.ts';

const opened: TestState[] = [];
afterEach(async () => {
  for (const test of opened.splice(0)) await test.close();
});
async function start(maxEvents?: number): Promise<TestState> {
  const test = await startTestState(maxEvents === undefined ? {} : { maxEvents });
  opened.push(test);
  return test;
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const value of values) out.push(value);
  return out;
}

/** Takes `count` batches that have events. */
async function take(batches: AsyncIterable<StateBatch>, count: number): Promise<StateBatch[]> {
  const taken: StateBatch[] = [];
  for await (const batch of batches) {
    if (batch.events.length > 0) taken.push(batch);
    if (taken.length >= count) return taken;
  }
  return taken;
}
const names = (batches: readonly StateBatch[]): string[] =>
  batches.map(({ events }) => events.map((event) => `${event.type} ${event.kind}/${event.name}`).join(', '));
const never = new AbortController().signal;

describe('watch', () => {
  it('ok: one batch per write, with only the kinds that were asked for, and what was there before', async () => {
    const { state } = await start();
    const from = state.revision();
    await state.write([
      { do: 'put', resource: makeRole('a') },
      { do: 'put', resource: makeUser('joe', ['a']) },
    ]);
    await state.write([{ do: 'put', resource: makeUser('ann', []) }]);
    await state.write([{ do: 'put', resource: makeRole('a', { logins: ['x'] }) }]);
    await state.write([{ do: 'delete', kind: 'user', name: 'joe' }]);
    const all = await take(state.watch(['role', 'user'], from, never), 4);
    expect(names(all)).toEqual(['put role/a, put user/joe', 'put user/ann', 'put role/a', 'delete user/joe']);
    expect(all[2]!.events[0]!.before?.metadata.name).toBe('a');
    expect(names(await take(state.watch(['role'], from, never), 2))).toEqual(['put role/a', 'put role/a']);
  });

  it('ok: resumed at each revision it misses nothing and repeats nothing', async () => {
    const { state } = await start(8);
    const from = state.revision();
    for (let i = 0; i < 40; i++) await state.write([{ do: 'put', resource: makeRole(`r${i}`) }]);
    const seen: string[] = [];
    let position = from;
    // A ring of 8 events forces the older ones to be read from the store.
    while (seen.length < 40) {
      const [batch] = await take(state.watch(['role'], position, never), 1);
      seen.push(...names([batch!]));
      position = batch!.revision;
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => `put role/r${i}`));
    const inOne = names(await take(state.watch(['role'], from, never), 40));
    expect(inOne).toEqual(seen);
  });

  it('ok: a hundred watches share the decoded resources', async () => {
    const { state } = await start();
    const from = state.revision();
    const watches = Array.from({ length: 100 }, () => take(state.watch(['role'], from, never), 3));
    for (const role of ['a', 'b', 'c']) await state.write([{ do: 'put', resource: makeRole(role) }]);
    const results = await Promise.all(watches);
    const stored = state.get('role', 'b');
    for (const batches of results) expect(batches[1]!.events[0]!.resource).toBe(stored);
  });

  it('ok: tells how far it is when nothing of its kinds happens', async () => {
    const { state, clock } = await start();
    const iterator = state.watch(['lock'], state.revision(), never)[Symbol.asyncIterator]();
    const first = (await iterator.next()).value as StateBatch;
    await state.write([{ do: 'put', resource: makeRole('a') }]);
    const next = iterator.next();
    await clock.advance(10_000);
    const second = (await next).value as StateBatch;
    expect([first.events, second.events]).toEqual([[], []]);
    expect(second.revision).toBe(state.revision());
    await iterator.return?.();
  });

  it('ok: ends at its signal, and at close', async () => {
    const test = await start();
    const stop = new AbortController();
    const one = collect(test.state.watch(['role'], test.state.revision(), stop.signal));
    const other = collect(test.state.watch(['role'], test.state.revision(), never));
    await test.clock.advance(1);
    stop.abort();
    expect(await one).toHaveLength(1);
    await test.state.close();
    expect(await other).toHaveLength(1);
  });

  it.each([
    ['older than the store remembers', '1', 'REVISION_COMPACTED'],
    ['newer than the store', '999999999999999999', 'REVISION_COMPACTED'],
    ['no revision', 'abc', 'BAD_REQUEST'],
  ])('refuses: a revision that is %s', async (_title, from, code) => {
    const { state } = await start();
    const error = await take(state.watch(['role'], from, never), 1).catch((caught: unknown) => caught);
    expect(isCode(error) && error.code).toBe(code);
  });

  it('refuses: internal kinds', async () => {
    const { state } = await start();
    expect(() => state.watch(['user_password'], state.revision(), never)).toThrow(/internal/);
  });

  it('ok: a snapshot and the watch from its revision are the whole story', async () => {
    const { state } = await start(4);
    const writing = (async () => {
      for (let i = 0; i < 60; i++)
        await state.write([{ do: 'put', resource: makeRole(`r${i % 7}`, { logins: [`l${i}`] }) }]);
    })();
    await new Promise((resolve) => setImmediate(resolve));
    const { revision, resources } = state.snapshot(['role']);
    const copy = new Map(resources.map((role) => [role.metadata.name, role]));
    const stop = new AbortController();
    const following = (async () => {
      for await (const batch of state.watch(['role'], revision, stop.signal)) {
        for (const event of batch.events) copy.set(event.name, event.resource!);
      }
    })();
    await writing;
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await following;
    expect([...copy.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))).toEqual([
      ...state.list('role'),
    ]);
  });

  it('ok: the sign of life comes in time, whatever is done to the clock', async () => {
    const { state, clock } = await start();
    const iterator = state.watch(['lock'], state.revision(), never)[Symbol.asyncIterator]();
    await iterator.next();
    for (const hours of [-5, 9, -9]) {
      const next = iterator.next();
      await clock.advance(1000);
      clock.step(hours * 3_600_000);
      await clock.advance(10_000);
      expect((await next).value).toMatchObject({ events: [] });
    }
    await iterator.return?.();
  });

  it('ok: what cannot be read holds up neither those who are behind nor those who are not', async () => {
    const { state, backend } = await start(2);
    const from = state.revision();
    const live = take(state.watch(['role'], from, never), 6);
    await state.write([{ do: 'put', resource: makeRole('a') }]);
    for (const key of [
      'resources/roles/broken',
      'resources/roles/a',
      'resources/what/x',
      'resources/roles/%zz',
    ]) {
      await backend.put({ key, value: Buffer.from('not a role') });
    }
    for (const role of ['b', 'c', 'd', 'e']) await state.write([{ do: 'put', resource: makeRole(role) }]);
    await backend.delete('resources/roles/a');
    await state.write([{ do: 'put', resource: makeRole('f') }]);
    const expected = ['put role/a', 'put role/b', 'put role/c', 'put role/d', 'put role/e', 'delete role/a'];
    expect(names(await live)).toEqual(expected);
    expect(names(await take(state.watch(['role'], from, never), 6))).toEqual(expected);
  });

  it('refuses: a position of a history that the store has lost', async () => {
    const clock = new FakeClock();
    const path = join(tempFolder(), 'state.db');
    const openAgain = async () => {
      const backend = await openSqlite({ path, clock, log: silentLog, sync: 'OFF' });
      const state = openState({ backend, kinds: KINDS, clock, log: silentLog });
      await state.ready;
      const close = async (): Promise<void> => {
        await state.close();
        await backend.close();
      };
      return { state, close };
    };
    const first = await openAgain();
    await first.state.write([{ do: 'put', resource: makeRole('a') }]);
    const kept = first.state.revision();
    await first.close();
    copyFileSync(path, `${path}.saved`);
    const second = await openAgain();
    await second.state.write([{ do: 'put', resource: makeRole('lost') }]);
    const lost = second.state.revision();
    await second.close();
    copyFileSync(`${path}.saved`, path);
    await clock.advance(60_000);
    const third = await openAgain();
    for (const role of ['b', 'c']) await third.state.write([{ do: 'put', resource: makeRole(role) }]);
    await expect(take(third.state.watch(['role'], lost, never), 1)).rejects.toMatchObject({
      code: 'REVISION_COMPACTED',
    });
    expect(names(await take(third.state.watch(['role'], kept, never), 2))).toEqual([
      'put role/b',
      'put role/c',
    ]);
    await third.close();
  });

  it('ok: a thousand watches, one of which does not read, cost a writer little', async () => {
    const { state } = await start(10);
    const from = state.revision();
    const slow = state.watch(['role'], from, never)[Symbol.asyncIterator]();
    await slow.next();
    const others = Array.from({ length: 999 }, () => take(state.watch(['role'], from, never), 25));
    for (let i = 0; i < 25; i++) await state.write([{ do: 'put', resource: makeRole(`r${i}`) }]);
    const all = names(await others[0]!);
    for (const other of others) expect((await other).length).toBe(25);
    const late: string[] = [];
    while (late.length < 25) {
      const { value } = (await slow.next()) as { value: StateBatch };
      if (value.events.length > 0) late.push(...names([value]));
    }
    expect(late).toEqual(all);
    await slow.return?.();
  });
});
