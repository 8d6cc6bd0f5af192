import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import type { UploadTarget } from '../upload.ts';
import { openOutlet, type RecordingOutlet } from './outlet.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-outlet-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Takes recordings as soon as auth is there. */
class Target implements Pick<UploadTarget, 'putWhole'> {
  isAway = false;
  readonly taken: string[] = [];
  putWhole(batch: readonly { readonly session: string }[]): Promise<void> {
    if (this.isAway) return Promise.reject(new GatehouseError('UNAVAILABLE', 'auth is away'));
    this.taken.push(...batch.map(({ session }) => session));
    return Promise.resolve();
  }
}

const openWith = (target: Target, patienceMs?: number, clock = systemClock): Promise<RecordingOutlet> =>
  openOutlet({
    dir: join(folder, 'spool'),
    maxBytes: 2 ** 20,
    clock,
    log: silentLog,
    onFailure: () => {},
    target: target as unknown as UploadTarget,
    patienceMs,
  });

const recordIn = (outlet: RecordingOutlet, sessionId: string) => {
  const recorder = outlet.record({
    sessionId,
    kind: 'interactive',
    mode: 'best_effort',
    sync: false,
    facts: { user: 'joe', login: 'root' } as never,
  });
  recorder.output(Buffer.from('hello'));
  return recorder;
};

it('ok: what ends with the process is uploaded before its disk goes', async () => {
  const target = new Target();
  const outlet = await openWith(target, 30_000);
  const sid = randomUUID();
  void recordIn(outlet, sid).end({});
  await outlet.close();
  expect(target.taken).toEqual([sid]);
});

it('ok: an auth that is away for a moment is waited for', async () => {
  const target = new Target();
  target.isAway = true;
  const outlet = await openWith(target, 30_000);
  const sid = randomUUID();
  void recordIn(outlet, sid).end({});
  const closed = outlet.close();
  await until('it is away', () => !outlet.status().healthy);
  target.isAway = false;
  await closed;
  expect(target.taken).toEqual([sid]);
});

it('ok: nobody waits for ever, and what is left stays on disk', async () => {
  const target = new Target();
  target.isAway = true;
  const clock = new FakeClock();
  const outlet = await openWith(target, 30_000, clock);
  await recordIn(outlet, randomUUID()).end({});
  let isClosed = false;
  const closed = outlet.close().then(() => (isClosed = true));
  await until('it was closed', async () => {
    await clock.advance(1000);
    return isClosed;
  });
  await closed;
  expect(readdirSync(join(folder, 'spool')).filter((name) => name.startsWith('left-'))).toHaveLength(1);
});

it('ok: where the disk stays it does not wait', async () => {
  const target = new Target();
  target.isAway = true;
  const outlet = await openWith(target, undefined, new FakeClock());
  await recordIn(outlet, randomUUID()).end({});
  await outlet.close();
  expect(target.taken).toEqual([]);
});
