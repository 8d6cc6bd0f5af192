// The copy of a cluster whose auth service may be anybody's: its index of owners, and its bound.
import { expect, test } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import { silentLog, type Log } from '#core/log.ts';
import { OWNER_LABEL } from '#core/owner-mark.ts';
import { roleKind } from '#kinds/role/kind.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { Budget } from './budget.ts';
import { openHouseCopy } from './copy.ts';

const role = (name: string, owner?: string, description = '') => ({
  kind: 'role',
  version: 'v7',
  metadata: { name, description, ...(owner && { labels: { [OWNER_LABEL]: owner } }) },
  spec: {},
});

/** Feeds what the test gives it; `watch` is left open. */
function feed(
  snapshot: readonly object[],
  batches: readonly object[] = [],
  log: Log = silentLog,
  budget = new Budget(),
) {
  const stream = async function* (path: string, signal: AbortSignal): AsyncGenerator<unknown> {
    if (path.startsWith('/v1/snapshot')) {
      for (const resource of snapshot) yield { resource };
      yield { revision: '1' };
      return;
    }
    yield* batches;
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  };
  return openHouseCopy({
    api: { stream },
    kinds: [roleKind as Kind],
    clock: new FakeClock(),
    log,
    budget,
    onChange: () => {},
  });
}

test('ok: owners are followed through changes, from one to another and to nobody', async () => {
  const put = (revision: string, resource: object) => ({ revision, events: [{ type: 'put', resource }] });
  const copy = feed(
    [role('a', 'one'), role('b', 'one'), role('c')],
    [
      put('2', role('a', 'two')),
      put('3', role('b')),
      put('4', role('c', 'one')),
      { revision: '5', events: [{ type: 'delete', kind: 'role', name: 'a' }] },
      put('6', role('last')),
    ],
  );
  await until('all told', () => copy.get('role', 'last') !== undefined);
  const owned = (owner: string) => copy.owned('role', owner).map(({ metadata }) => metadata.name);
  expect([owned('one'), owned('two'), copy.owned('user', 'one')]).toEqual([['c'], [], []]);
  expect(Array.from(copy.list('role'), ({ metadata }) => metadata.name)).toEqual(['b', 'c', 'last']);
  copy.requireBounded();
  await copy.close();
});

test('S33 an auth service that tells without end is cut off, in a snapshot and in changes', async () => {
  const big = 'x'.repeat(8 * 1024 * 1024);
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (fields: object) => void told.push(fields) };
  const many = Array.from({ length: 20 }, (_, n) => role(`big-${n}`, undefined, big));
  const endless = feed(many, [], log);
  await until('cut off', () => told.some((fields) => isCode((fields as { err?: unknown }).err, 'TOO_LARGE')));
  expect(endless.heardAt()).toBeUndefined();
  await endless.close();
  const batches = many.map((resource, n) => ({
    revision: String(n + 2),
    events: [{ type: 'put', resource }],
  }));
  const growing = feed([], batches);
  await until('all told', () => growing.get('role', 'big-19') !== undefined);
  expect(() => growing.requireBounded()).toThrow(/more resources than/);
  await growing.close();
});

test('S33 S37 of many that are each within their bound the largest gives way, and the others stay', async () => {
  const budget = new Budget(1_000_000);
  const small = feed([role('a', undefined, 'x'.repeat(300_000))], [], silentLog, budget);
  await small.ready;
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (fields: object) => void told.push(fields) };
  const parts = ['b', 'c', 'd'].map((name) => role(name, undefined, 'x'.repeat(300_000)));
  const large = feed(parts, [], log, budget);
  await until('cut off', () => told.some((fields) => isCode((fields as { err?: unknown }).err, 'TOO_LARGE')));
  small.requireBounded();
  await large.close();
  const next = feed(parts.slice(1), [], silentLog, budget);
  await next.ready;
  next.requireBounded();
  const more = feed(parts.slice(2), [], silentLog, budget);
  await more.ready;
  expect(() => next.requireBounded()).toThrow(/and this one of most/);
  for (const copy of [small, more]) copy.requireBounded();
  for (const copy of [small, next, more]) await copy.close();
  expect(budget.mustGiveWay(budget)).toBe(false);
});
