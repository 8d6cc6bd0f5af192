import { expect, it } from 'vitest';
import type { Api } from '../api.ts';
import type { HostRecord } from '../credentials.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { backoffMs } from './backoff.ts';
import { openLiveSessions, type LiveSession, type LiveSessions } from './live-sessions.ts';
import { startPresence, type Presence } from './presence.ts';

interface Beat {
  readonly at: number;
  readonly ttl: string;
}

interface Request {
  readonly ttl: string;
  readonly resources: readonly { readonly kind: string; readonly metadata: { readonly name: string } }[];
  readonly ended: readonly string[];
}
type Call = (request: Request) => Promise<object>;

function startWith(clock: FakeClock, call: Call, sessions?: LiveSessions): Presence {
  const membership = {
    joined: Promise.resolve(),
    record: () => ({ certificates: { host_id: 'h1' } }) as HostRecord,
    api: () => ({ call: (_: unknown, request: Request) => call(request) }) as unknown as Api,
  };
  return startPresence({
    clock,
    log: silentLog,
    version: '0.1.0',
    membership,
    ready: Promise.resolve(),
    resources: () => [{ kind: 'node', version: 'v2', metadata: { name: 'h1' }, spec: {} }],
    sessions,
  });
}

function start(clock: FakeClock, isAnswered: () => boolean): { presence: Presence; beats: Beat[] } {
  const beats: Beat[] = [];
  const presence = startWith(clock, async ({ ttl }) => {
    if (!isAnswered()) throw new GatehouseError('UNAVAILABLE', 'nobody there');
    beats.push({ at: clock.now(), ttl });
    return { server_version: '0.1.0' };
  });
  return { presence, beats };
}

it('ok: one heartbeat a minute, give or take a tenth, good for ten minutes; the last one for a second', async () => {
  const clock = new FakeClock();
  const { presence, beats } = start(clock, () => true);
  await clock.advance(0);
  await clock.advance(50 * 60_000);
  const gaps = beats.slice(1).map(({ at }, index) => at - (beats[index]?.at ?? 0));
  expect(gaps.length).toBeGreaterThan(40);
  for (const gap of gaps) {
    expect(gap).toBeGreaterThanOrEqual(54_000);
    expect(gap).toBeLessThanOrEqual(66_000);
  }
  expect(new Set(gaps).size).toBeGreaterThan(10);
  expect(new Set(beats.map(({ ttl }) => ttl))).toEqual(new Set(['10m0s']));
  await presence.close();
  expect(beats.at(-1)?.ttl).toBe('1s');
});

it('R29 ok: attempts are spread and grow to a minute while nobody answers; then it goes on as before', async () => {
  const clock = new FakeClock();
  let isAnswered = false;
  const { presence, beats } = start(clock, () => isAnswered);
  await clock.advance(0);
  await clock.advance(10 * 60_000);
  expect(presence.counts.failed).toBeGreaterThan(10);
  expect(presence.counts.failed).toBeLessThan(30);
  expect(presence.health()).toEqual({ ready: false, reason: 'no heartbeat was answered yet' });
  isAnswered = true;
  await clock.advance(60_000);
  expect(presence.health()).toEqual({ ready: true });
  expect(beats.length).toBeGreaterThanOrEqual(1);
  isAnswered = false;
  await clock.advance(5 * 60_000);
  expect(presence.health().ready).toBe(false);
  expect(presence.health().reason).toMatch(/^no heartbeat was answered for /);
  // Nobody waits for a server that is away.
  await presence.close();
});

it('ok: the wait after a failure is at least half of a bound that doubles', () => {
  for (let failures = 1; failures < 40; failures++) {
    const bound = Math.min(60_000, 1000 * 2 ** (failures - 1));
    for (let i = 0; i < 20; i++) {
      const waitMs = backoffMs({ firstMs: 1000, maxMs: 60_000 }, failures);
      expect(waitMs).toBeGreaterThanOrEqual(bound / 2);
      expect(waitMs).toBeLessThanOrEqual(bound + 1);
    }
  }
});

it('ok: a server that says nothing holds up the end for no more than a second', async () => {
  const clock = new FakeClock();
  const presence = startWith(clock, () => new Promise(() => {}));
  await clock.advance(0);
  let isClosed = false;
  const closed = presence.close().then(() => (isClosed = true));
  await clock.advance(1000);
  await until('the end', () => isClosed, 500);
  await closed;
});

const SESSION = { user: 'joe', participants: [] } as unknown as LiveSession;

it('ok: sessions are told soon after they begin and end, not each by itself, and all of them every minute', async () => {
  const clock = new FakeClock();
  const sessions = openLiveSessions();
  const told: { at: number; names: string[]; ended: readonly string[] }[] = [];
  const start = clock.now();
  const presence = startWith(
    clock,
    async ({ resources, ended }) => {
      told.push({ at: clock.now() - start, names: resources.map(({ metadata }) => metadata.name), ended });
      return { server_version: '0.1.0' };
    },
    sessions,
  );
  await clock.advance(0);
  await clock.advance(10_000);
  for (let i = 0; i < 10; i++) sessions.set(`s${i}`, SESSION);
  await clock.advance(0);
  await clock.advance(300);
  expect(told.slice(1)).toEqual([
    { at: 10_250, names: Array.from({ length: 10 }, (_, i) => `s${i}`), ended: [] },
  ]);
  sessions.end('s0');
  sessions.end('s0');
  sessions.set('s1', { ...SESSION, state: 'pending' });
  await clock.advance(0);
  await clock.advance(2500);
  expect(told.slice(2)).toEqual([{ at: 12_750, names: ['s1'], ended: ['s0'] }]);
  await clock.advance(60_000);
  expect(told[3]?.names).toEqual(['h1', 's2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's1']);
  await presence.close({ isReplaced: true });
  expect(told).toHaveLength(4);
});

it('ok: what was not heard is told again, and of very many sessions each has its turn', async () => {
  const sessions = openLiveSessions();
  for (let i = 0; i < 1500; i++) sessions.set(`s${i}`, SESSION);
  const first = sessions.news(true);
  expect(sessions.news(true)).toEqual(first);
  sessions.set('s7', { ...SESSION, state: 'pending' });
  sessions.told(first);
  const second = sessions.news(true);
  expect(second.live.map(([id]) => id)).toEqual(
    expect.arrayContaining(['s7', ...Array.from({ length: 500 }, (_, i) => `s${i + 1000}`)]),
  );
  sessions.told(second);
  expect(sessions.hasNews).toBe(false);
});

it('ok: resources that changed are told soon, and once', async () => {
  const clock = new FakeClock();
  const { presence, beats } = start(clock, () => true);
  await clock.advance(0);
  await clock.advance(10_000);
  expect(beats.length).toBe(1);
  presence.renew();
  presence.renew();
  await clock.advance(0);
  await clock.advance(5000);
  expect(beats.length).toBe(2);
  await presence.close();
});
