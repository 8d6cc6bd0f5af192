import { afterEach, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { openFakeKube, type FakeKube } from '../kube/fake.ts';
import { LEASES } from '../kube/object-types.ts';
import { GIVE_UP_MS, LEASE_MS, startLeader, type Leader } from './leader.ts';

const lease = { namespace: 'op', name: 'gatehouse-operator' };
const open: Leader[] = [];
afterEach(async () => {
  for (const leader of open.splice(0)) await leader.close();
});

function start(kube: FakeKube, clock: FakeClock, holder: string): Leader {
  const leader = startLeader({ kube, clock, log: silentLog, lease, holder });
  open.push(leader);
  return leader;
}

const holder = (kube: FakeKube): unknown =>
  (kube.find(LEASES, lease)?.['spec'] as { holderIdentity?: string } | undefined)?.holderIdentity?.split(
    '_',
  )[0];

/** In steps, so that calls and timers take turns as they do in life. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) await clock.advance(Math.min(left, 100));
}

it('ok: one leads, and renews about every five seconds; the other takes over at once when it lets go', async () => {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock });
  const a = start(kube, clock, 'a');
  await a.acquired;
  const b = start(kube, clock, 'b');
  const before = kube.calls.length;
  await pass(clock, 60_000);
  expect([a.isLeader(), b.isLeader(), holder(kube)]).toEqual([true, false, 'a']);
  // Reads of both, and writes of one.
  expect((kube.calls.length - before) / 60).toBeLessThan(0.45);
  await a.close();
  expect(holder(kube)).toBe('');
  await pass(clock, 6000);
  expect([b.isLeader(), holder(kube)]).toEqual([true, 'b']);
  expect(kube.find(LEASES, lease)?.['spec']).toMatchObject({ leaseTransitions: 2, leaseDurationSeconds: 20 });
});

it('ok: a holder that vanished is replaced after its lease, whatever its clock said', async () => {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock });
  kube.seed({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: lease,
    spec: { holderIdentity: 'dead', leaseDurationSeconds: 20, renewTime: '1999-01-01T00:00:00.000000Z' },
  });
  const a = start(kube, clock, 'a');
  await pass(clock, LEASE_MS - 1000);
  expect(a.isLeader()).toBe(false);
  await pass(clock, 8000);
  expect([a.isLeader(), holder(kube)]).toEqual([true, 'a']);
});

it('ok: a step of the clock neither ends a lease nor makes one', async () => {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock });
  const a = start(kube, clock, 'a');
  await a.acquired;
  const b = start(kube, clock, 'b');
  await pass(clock, 10_000);
  clock.step(3_600_000);
  await pass(clock, 10_000);
  clock.step(-7_200_000);
  await pass(clock, 20_000);
  expect([a.isLeader(), b.isLeader()]).toEqual([true, false]);
});

it('refuses: to lead on when the server is away: it gives up before another may take the lease', async () => {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock });
  const a = start(kube, clock, 'a');
  await a.acquired;
  kube.inject(() => ({ before: new GatehouseError('UNAVAILABLE', 'away') }));
  await pass(clock, GIVE_UP_MS + 100);
  expect(a.isLeader()).toBe(false);
  expect((await a.lost).message).toContain('could not be renewed');
});

it('refuses: to lead on when another one has the lease', async () => {
  const clock = new FakeClock();
  const kube = openFakeKube({ clock });
  const a = start(kube, clock, 'a');
  await a.acquired;
  const now = kube.find(LEASES, lease)!;
  kube.seed({ ...now, spec: { ...(now['spec'] as object), holderIdentity: 'b' } });
  await pass(clock, 6000);
  expect(a.isLeader()).toBe(false);
  expect((await a.lost).message).toContain('b holds it');
});

it('ok: whatever calls fail, in any order, never two lead at once', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    let state = seed;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const clock = new FakeClock();
    const kube = openFakeKube({ clock });
    let isBad = false;
    const error = new GatehouseError('UNAVAILABLE', 'away');
    kube.inject(() => {
      if (!isBad || random() < 0.3) return undefined;
      return random() < 0.5 ? { before: error } : { after: error };
    });
    const leaders = ['a', 'b', 'c'].map((name) =>
      startLeader({ kube, clock, log: silentLog, lease, holder: name }),
    );
    for (let i = 0; i < 60; i++) {
      isBad = random() < 0.6;
      await clock.advance(1000);
      expect([seed, leaders.filter((leader) => leader.isLeader()).length <= 1]).toEqual([seed, true]);
    }
    isBad = false;
    for (const leader of leaders) await leader.close();
  }
});
