import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { startReplica, type Replica } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { lockKind } from '#kinds/lock/kind.ts';
import { roleKind } from '#kinds/role/kind.ts';
import { userKind } from '#kinds/user/kind.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { startTcpProxy, type TcpProxy } from '#test/kit/tcp-proxy.ts';
import { until } from '#test/kit/until.ts';
import { openApi, type Api } from './api.ts';
import { FEED_SILENCE_MS, feedKey, openWatchFeed, SnapshotReader } from './watch.ts';

let house: TestAuth;
let proxy: TcpProxy;
let api: Api;
let replica: Replica<Resource> | undefined;

beforeAll(async () => {
  house = await startTestAuth();
  proxy = await startTcpProxy(house.auth.port);
  api = openApi({
    addresses: [`127.0.0.1:${proxy.port}`],
    authorities: [house.authority],
    identity: house.issueHost(['node']),
  });
});
afterEach(async () => {
  await replica?.close();
  replica = undefined;
});
afterAll(async () => {
  api.close();
  await proxy.close();
  await house.close();
});

function follow(kinds = [roleKind, lockKind]): Replica<Resource> {
  return (replica = startReplica({
    feed: openWatchFeed(api, kinds as never),
    decode: (entry) => entry.value,
    clock: systemClock,
    log: silentLog,
    backoff: { firstMs: 1, maxMs: 5 },
    idleTimeoutMs: FEED_SILENCE_MS,
  }));
}

const lock = (n: number): Promise<void> => house.put('lock', `l-${n}`, { target: { user: `u-${n}` } });
const content = (resources: Iterable<Resource>): string[] =>
  Array.from(resources, ({ kind, metadata }) => `${kind}/${metadata.name}@${metadata.revision}`).sort();
const inStore = (): string[] => content([...house.auth.state.list('lock'), ...house.auth.state.list('role')]);
const inCopy = (copy: Replica<Resource>): string[] => content(copy.list(''));

describe('feed', () => {
  it('ok: a snapshot, then puts and deletes as they happen', async () => {
    const copy = follow();
    await copy.ready;
    expect(inCopy(copy)).toEqual(inStore());
    await lock(1);
    await until('the put', () => copy.get(feedKey('lock', 'l-1')));
    await house.remove('lock', 'l-1');
    await until('the delete', () => copy.get(feedKey('lock', 'l-1')) === undefined);
    expect(inCopy(copy)).toEqual(inStore());
  });

  it('R5 ok: cut 60 times under writes, it resumes: equal at the end, with one snapshot', async () => {
    const copy = follow();
    await copy.ready;
    for (let round = 0; round < 60; round++) {
      await lock(round % 17);
      if (round % 5 === 4) await house.remove('lock', `l-${round % 17}`);
      if (round % 3 === 0) await until('the live feed', () => String(inCopy(copy)) === String(inStore()));
      proxy.cut();
    }
    await until('the copy to be equal', () => String(inCopy(copy)) === String(inStore()));
    expect(copy.stats.snapshots).toBe(1);
    expect(copy.stats.resumes).toBeGreaterThan(10);
  });

  it('ok: while the server is away reads go on, and what happened meanwhile comes after', async () => {
    const copy = follow();
    await copy.ready;
    proxy.refuse(true);
    proxy.cut();
    await lock(99);
    expect(copy.get(feedKey('lock', 'l-99'))).toBeUndefined();
    expect(copy.list(feedKey('role', '')).length).toBeGreaterThan(0);
    proxy.refuse(false);
    await until('the change', () => copy.get(feedKey('lock', 'l-99')));
    expect(copy.stats.snapshots).toBe(1);
  });

  it('refuses: kinds that are not for this caller, with the code of the server', async () => {
    const feed = openWatchFeed(api, [userKind as never]);
    const error = await feed.snapshot(AbortSignal.timeout(10_000)).catch((cause: GatehouseError) => cause);
    expect(error).toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('refuses: a position of the future or of nowhere costs a snapshot, not a wrong copy', async () => {
    const feed = openWatchFeed(api, [lockKind as never]);
    const read = async (from: string): Promise<unknown> => {
      for await (const batch of feed.tail(from, AbortSignal.timeout(10_000))) return batch;
      return undefined;
    };
    await expect(read('99999999')).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  });
});

describe('lines', () => {
  it('refuses: snapshots that are cut, go on, or hold what is none', () => {
    const ofLines = (...lines: unknown[]) => {
      const reader = new SnapshotReader();
      for (const line of lines) reader.take(line);
      return reader.end();
    };
    const resource = { kind: 'lock', version: 'v2', metadata: { name: 'l', revision: '4' }, spec: {} };
    expect(ofLines({ resource }, { revision: '7' }).entries).toHaveLength(1);
    for (const lines of [
      [],
      [{ resource }],
      [{ revision: '7' }, { resource }],
      [{ resource: {} }, { revision: '7' }],
      [{ revision: 'x' }],
      [7],
      [null],
    ]) {
      expect(() => ofLines(...lines)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    }
    expect(() => ofLines({ error: { code: 'LOCKED', message: 'm' } })).toThrow(
      expect.objectContaining({ code: 'LOCKED' }),
    );
  });
});
