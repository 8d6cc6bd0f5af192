import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { REVISION_LABEL } from './names.ts';
import { pickPod } from './replace.ts';
import {
  decide,
  EMPTY_ROLLOUT,
  hold,
  STEPS,
  type Decision,
  type Rollout,
  type Seen,
  type Step,
  type Wish,
} from './upgrade.ts';

const TIMEOUT_MS = 600_000;
const wish = (auth: string, proxy: string, more: Partial<Wish> = {}): Wish => ({
  revisions: { auth, proxy },
  attempt: '',
  timeoutMs: { auth: TIMEOUT_MS, proxy: TIMEOUT_MS },
  rollback: true,
  ...more,
});
const at = (revision: string | undefined, state: Seen['state'] = 'ready', pods = 0): Seen => ({
  revision,
  state,
  pods,
  reason: state === 'broken' ? 'CrashLoop' : 'Rolling',
  message: 'words',
});
const none = at(undefined, 'absent');
const settled: Rollout = { good: { auth: 'a1', proxy: 'p1' } };

it('ok: from nothing, auth before the proxies', () => {
  const first = decide(EMPTY_ROLLOUT, wish('a1', 'p1'), { auth: none, proxy: none }, 0);
  expect(first.targets).toEqual({ auth: 'a1', proxy: undefined });
  const waiting = decide(first.rollout, wish('a1', 'p1'), { auth: at('a1', 'rolling'), proxy: none }, 1);
  expect(waiting).toMatchObject({ targets: { auth: 'a1' }, again: TIMEOUT_MS - 1 });
  const second = decide(waiting.rollout, wish('a1', 'p1'), { auth: at('a1'), proxy: none }, 2);
  expect(second.targets).toEqual({ auth: 'a1', proxy: 'p1' });
  const last = decide(second.rollout, wish('a1', 'p1'), { auth: at('a1'), proxy: at('p1') }, 3);
  expect(last.rollout).toEqual({ ...settled, moving: undefined, failed: undefined });
  expect(last.again).toBeUndefined();
});

const table: readonly [string, Rollout, Wish, Record<Step, Seen>, number, Decision['targets'], string?][] = [
  [
    'new auth',
    settled,
    wish('a2', 'p1'),
    { auth: at('a1'), proxy: at('p1') },
    0,
    { auth: 'a2', proxy: 'p1' },
  ],
  [
    'both new',
    settled,
    wish('a2', 'p2'),
    { auth: at('a1'), proxy: at('p1') },
    0,
    { auth: 'a2', proxy: 'p1' },
  ],
  [
    'auth passed',
    settled,
    wish('a2', 'p2'),
    { auth: at('a2'), proxy: at('p1') },
    0,
    { auth: 'a2', proxy: 'p2' },
  ],
  [
    'auth breaks',
    { ...settled, moving: { step: 'auth', revision: 'a2', since: 0, pods: 0 } },
    wish('a2', 'p2'),
    { auth: at('a2', 'broken'), proxy: at('p1') },
    1,
    { auth: 'a1', proxy: 'p1' },
    'CrashLoop',
  ],
  [
    'proxies are late',
    { good: { auth: 'a2', proxy: 'p1' }, moving: { step: 'proxy', revision: 'p2', since: 0, pods: 0 } },
    wish('a2', 'p2'),
    { auth: at('a2'), proxy: at('p2', 'rolling') },
    TIMEOUT_MS,
    { auth: 'a2', proxy: 'p1' },
    'TimedOut',
  ],
  [
    'nothing to go back to',
    { good: {}, moving: { step: 'auth', revision: 'a1', since: 0, pods: 0 } },
    wish('a1', 'p1'),
    { auth: at('a1', 'broken'), proxy: none },
    1,
    { auth: 'a1', proxy: undefined },
    'CrashLoop',
  ],
  [
    'without rollback',
    { ...settled, moving: { step: 'auth', revision: 'a2', since: 0, pods: 0 } },
    wish('a2', 'p2', { rollback: false }),
    { auth: at('a2', 'broken'), proxy: at('p1') },
    1,
    { auth: 'a2', proxy: 'p1' },
    'CrashLoop',
  ],
  [
    'another auth while proxies are half-way: they go back first',
    { good: { auth: 'a1', proxy: 'p1' }, moving: { step: 'proxy', revision: 'p2', since: 0, pods: 0 } },
    wish('a3', 'p3'),
    { auth: at('a1'), proxy: at('p2', 'rolling') },
    1,
    { auth: 'a1', proxy: 'p1' },
  ],
  [
    'proxies that never get well do not keep auth from being mended',
    { ...settled, moving: { step: 'proxy', revision: 'p1', since: 0, pods: 0 } },
    wish('a3', 'p3'),
    { auth: at('a1'), proxy: at('p1', 'rolling') },
    TIMEOUT_MS,
    { auth: 'a3', proxy: 'p1' },
  ],
  [
    'a pod of auth is away: the proxies wait',
    settled,
    wish('a1', 'p2'),
    { auth: at('a1', 'rolling'), proxy: at('p1') },
    0,
    { auth: 'a1', proxy: 'p1' },
  ],
];
it.each(table)('ok: %s', (_, rollout, wanted, seen, now, targets, reason) => {
  const decision = decide(rollout, wanted, seen, now);
  expect(decision.targets).toEqual(targets);
  expect(decision.rollout.failed?.reason).toBe(reason);
});

it('ok: what failed is not tried again until something else is wanted, or it is asked for', () => {
  const failed = { step: 'auth', wanted: 'a2/p2/', reason: 'CrashLoop', message: 'm' } as const;
  const rollout: Rollout = { ...settled, failed };
  const seen = { auth: at('a1'), proxy: at('p1') };
  expect(decide(rollout, wish('a2', 'p2'), seen, 0).targets).toEqual({ auth: 'a1', proxy: 'p1' });
  expect(decide(rollout, wish('a3', 'p2'), seen, 0).targets.auth).toBe('a3');
  expect(decide(rollout, wish('a2', 'p2', { attempt: 'again' }), seen, 0).targets.auth).toBe('a2');
});

it('ok: a first installation that failed goes on when its pods get ready after all', () => {
  const failed = { step: 'auth', wanted: 'a1/p1/', reason: 'ImagePullFailed', message: 'm' } as const;
  const rollout: Rollout = { good: {}, failed, moving: { step: 'auth', revision: 'a1', since: 0, pods: 0 } };
  const next = decide(rollout, wish('a1', 'p1'), { auth: at('a1'), proxy: none }, TIMEOUT_MS * 9);
  expect(next).toMatchObject({ targets: { auth: 'a1', proxy: 'p1' }, rollout: { failed: undefined } });
});

it('ok: held, nothing moves, and what is gone comes back as it was good', () => {
  const seen = { auth: at('a2', 'rolling'), proxy: none };
  expect(hold(settled, seen).targets).toEqual({ auth: 'a2', proxy: 'p1' });
});

// --- Random walks: a small Kubernetes with two proxies, whose pods of a broken revision never get ready.

interface Pod {
  readonly revision: string;
  isReady: boolean;
}

class World {
  readonly sets: Partial<Record<Step, { revision: string; pods: (Pod | undefined)[] }>> = {};
  rollout: Rollout = EMPTY_ROLLOUT;
  now = 0;
  readonly isBroken: (revision: string) => boolean;

  constructor(isBroken: (revision: string) => boolean) {
    this.isBroken = isBroken;
  }

  seen(step: Step): Seen {
    const set = this.sets[step];
    if (set === undefined) return none;
    if (set.pods.every((pod) => pod?.isReady === true && pod.revision === set.revision))
      return at(set.revision);
    const pods = set.pods.filter((pod) => pod?.isReady === true && pod.revision === set.revision).length;
    const crashes = set.pods.some((pod) => pod?.revision === set.revision && this.isBroken(pod.revision));
    // Revisions with an even number crash, others are only never ready.
    return at(set.revision, crashes && set.revision.endsWith('0') ? 'broken' : 'rolling', pods);
  }

  look(wanted: Wish): Decision {
    const decision = decide(
      this.rollout,
      wanted,
      { auth: this.seen('auth'), proxy: this.seen('proxy') },
      this.now,
    );
    this.rollout = decision.rollout;
    for (const step of STEPS) {
      const revision = decision.targets[step];
      if (revision === undefined) continue;
      const set = (this.sets[step] ??= {
        revision,
        pods: step === 'auth' ? [undefined] : [undefined, undefined],
      });
      set.revision = revision;
      this.#replace(step);
    }
    return decision;
  }

  /** What Kubernetes does at some time or other: makes a missing pod, or finds that one is ready. */
  happen(step: Step, index: number): void {
    const set = this.sets[step];
    if (set === undefined) return;
    const ordinal = index % set.pods.length;
    const pod = set.pods[ordinal];
    if (pod === undefined) set.pods[ordinal] = { revision: set.revision, isReady: false };
    else if (!this.isBroken(pod.revision)) pod.isReady = true;
  }

  serving(step: Step): number {
    return this.sets[step]?.pods.filter((pod) => pod?.isReady === true).length ?? 0;
  }

  #replace(step: Step): void {
    const set = this.sets[step];
    if (set === undefined) return;
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: step, uid: 'u' }];
    const pods = set.pods.flatMap((pod, ordinal) =>
      pod === undefined
        ? []
        : [
            {
              apiVersion: 'v1',
              kind: 'Pod',
              metadata: { name: `x-${ordinal}`, labels: { [REVISION_LABEL]: pod.revision }, ownerReferences },
              status: { conditions: [{ type: 'Ready', status: pod.isReady ? 'True' : 'False' }] },
            },
          ],
    );
    const picked = pickPod(
      {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name: step, uid: 'u', labels: { [REVISION_LABEL]: set.revision } },
        spec: { replicas: set.pods.length },
        status: { availableReplicas: this.serving(step) },
      },
      pods,
    );
    if (picked !== undefined) set.pods[Number(picked.metadata.name.slice(2))] = undefined;
  }
}

type Move =
  | { readonly type: 'pod'; readonly step: Step; readonly index: number }
  | { readonly type: 'time'; readonly ms: number }
  | { readonly type: 'wish'; readonly auth: number; readonly proxy: number };

/** What is wanted afterwards. */
function happens(world: World, one: Move, wanted: Wish): Wish {
  if (one.type === 'wish') return wish(`a${one.auth}`, `p${one.proxy}`);
  if (one.type === 'pod') world.happen(one.step, one.index);
  else world.now += one.ms;
  return wanted;
}

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ type: fc.constant('pod' as const), step: fc.constantFrom(...STEPS), index: fc.nat(1) }),
  fc.record({ type: fc.constant('time' as const), ms: fc.integer({ min: 1000, max: TIMEOUT_MS }) }),
  fc.record({ type: fc.constant('wish' as const), auth: fc.nat(9), proxy: fc.nat(9) }),
);

it('ok: in any order of events some proxy always serves, and one step moves at a time', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120 }), fc.func(fc.boolean()), (moves, isBad) => {
      const world = new World((revision) => revision !== 'p1' && revision !== 'a1' && isBad(revision));
      let wanted = wish('a1', 'p1');
      install(world, wanted);
      for (const one of moves) {
        wanted = happens(world, one, wanted);
        const before = { auth: world.sets.auth?.revision, proxy: world.sets.proxy?.revision };
        const proxies = world.seen('proxy');
        const auth = world.seen('auth');
        const { now } = world;
        const waitingSince = world.rollout.moving?.since ?? now;
        const { targets } = world.look(wanted);
        const moved = STEPS.filter((step) => targets[step] !== before[step]);
        expect(moved.length).toBeLessThanOrEqual(1);
        if (moved[0] === 'auth' && targets.auth !== world.rollout.good.auth) {
          const isLate = now - waitingSince >= TIMEOUT_MS;
          expect(proxies.state === 'ready' || isLate).toBe(true);
        }
        if (moved[0] === 'proxy' && targets.proxy !== world.rollout.good.proxy)
          expect(auth.state).toBe('ready');
        expect(world.serving('proxy')).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: 1000 },
  );
});

it('ok: whatever happened before, it ends: at what is wanted, or back at what was good', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), fc.func(fc.boolean()), (moves, isBad) => {
      const world = new World((revision) => revision !== 'p1' && revision !== 'a1' && isBad(revision));
      let wanted = wish('a1', 'p1');
      install(world, wanted);
      for (const one of moves) {
        wanted = happens(world, one, wanted);
        world.look(wanted);
      }
      for (let round = 0; round < 60; round += 1) run(world, wanted);
      const { rollout } = world;
      expect(rollout.moving).toBeUndefined();
      for (const step of STEPS) {
        expect(world.seen(step)).toMatchObject({ state: 'ready', revision: rollout.good[step] });
      }
      if (rollout.failed === undefined) expect(rollout.good).toEqual(wanted.revisions);
      else {
        const { step, reason } = rollout.failed;
        expect(reason === 'TimedOut' || world.isBroken(wanted.revisions[step])).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

function install(world: World, wanted: Wish): void {
  for (let round = 0; round < 6; round += 1) run(world, wanted);
  expect(world.rollout.good).toEqual({ auth: 'a1', proxy: 'p1' });
}

function run(world: World, wanted: Wish): void {
  world.look(wanted);
  for (const step of STEPS) {
    for (const index of [0, 1]) world.happen(step, index);
    world.look(wanted);
  }
  world.now += TIMEOUT_MS / 5;
}

it('ok: each step has a time of its own', () => {
  const moving = { step: 'proxy', revision: 'p2', since: 0, pods: 0 } as const;
  const timeoutMs = { auth: TIMEOUT_MS, proxy: 2 * TIMEOUT_MS };
  const seen = { auth: at('a1'), proxy: at('p2', 'rolling') };
  const decided = (now: number): Decision =>
    decide({ ...settled, moving }, wish('a1', 'p2', { timeoutMs }), seen, now);
  expect(decided(TIMEOUT_MS)).toMatchObject({ again: TIMEOUT_MS, targets: { proxy: 'p2' } });
  expect(decided(2 * TIMEOUT_MS)).toMatchObject({ targets: { proxy: 'p1' } });
});
