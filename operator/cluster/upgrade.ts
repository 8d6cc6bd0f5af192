// The order in which a cluster goes from one revision to the next: auth, then the proxies, each through a gate, and back
// to the last good revision when a gate fails. Pure: what is seen and the time come in, what to apply goes out; the state
// is kept by the caller.

export type Step = 'auth' | 'proxy';

export const STEPS: readonly Step[] = ['auth', 'proxy'];

/** What is remembered between two looks. */
export interface Rollout {
  /** The last revision of each step at which all its pods were ready. */
  readonly good: Readonly<Partial<Record<Step, string>>>;
  readonly moving?: Moving | undefined;
  readonly failed?: Failure | undefined;
}

export interface Moving {
  readonly step: Step;
  readonly revision: string;
  /** When it began or last got further, in milliseconds since 1970. */
  readonly since: number;
  /** How many pods got ready at it. */
  readonly pods: number;
}

export interface Failure {
  readonly step: Step;
  /** What was wanted when it failed; it is not tried again as long as the same is wanted. */
  readonly wanted: string;
  readonly reason: string;
  readonly message: string;
}

/** What the StatefulSet of a step is at. */
export interface Seen {
  /** Undefined: there is none. */
  readonly revision?: string | undefined;
  /** `broken`: it will not become ready by waiting. */
  readonly state: 'absent' | 'rolling' | 'ready' | 'broken';
  /** How many pods are ready at the revision. */
  readonly pods: number;
  readonly reason: string;
  readonly message: string;
}

export interface Wish {
  readonly revisions: Readonly<Record<Step, string>>;
  /** Another word tries again what has failed. */
  readonly attempt: string;
  /** Since the last pod got ready. */
  readonly timeoutMs: Readonly<Record<Step, number>>;
  /** Whether a failed step goes back to its last good revision. */
  readonly rollback: boolean;
}

export interface Decision {
  readonly rollout: Rollout;
  /** The revision that each StatefulSet should have; undefined: not made yet. */
  readonly targets: Targets;
  /** Look again after so many milliseconds. */
  readonly again?: number | undefined;
}

/** Undefined: no StatefulSet yet. */
export type Targets = { readonly [step in Step]?: string | undefined };

type Sight = Readonly<Record<Step, Seen>>;

export const EMPTY_ROLLOUT: Rollout = { good: {} };

/** The next move. Never moves a step while the other one is under way, unless that one did not settle in its time. */
export function decide(rollout: Rollout, wish: Wish, seen: Sight, now: number): Decision {
  const good = withReady(rollout.good, seen);
  const wanted = wordOf(wish);
  const failed = stillFailed(rollout.failed, wish, seen);
  const plan: Plan = {
    good,
    failed,
    wish,
    wanted,
    seen,
    now,
    moving: withProgress(rollout.moving, seen, now),
  };
  return moveAuth(plan) ?? moveProxy(plan) ?? settled(plan);
}

/** Nothing new is begun; what is there stays, and what is gone comes back as it was good. */
export function hold(rollout: Rollout, seen: Sight): Decision {
  const good = withReady(rollout.good, seen);
  return {
    rollout: { ...rollout, good },
    targets: { auth: seen.auth.revision ?? good.auth, proxy: seen.proxy.revision ?? good.proxy },
  };
}

interface Plan {
  readonly good: Rollout['good'];
  readonly failed: Failure | undefined;
  readonly wish: Wish;
  readonly wanted: string;
  readonly seen: Sight;
  readonly now: number;
  readonly moving: Moving | undefined;
}

function moveAuth(plan: Plan): Decision | undefined {
  const { good, seen, failed } = plan;
  const target = goalOf(plan, 'auth');
  const proxy = seen.proxy.revision ?? good.proxy;
  if (seen.auth.revision !== target) {
    const before = settleProxies(plan);
    if (before !== undefined) return before;
    return move(plan, 'auth', { auth: target, proxy });
  }
  if (seen.auth.state === 'ready') {
    return failed?.step === 'auth' ? settled(plan) : undefined;
  }
  // A pod of a revision that has passed is being replaced: the proxies keep what they have meanwhile.
  if (good.auth === target) return wait(plan, 'auth', { auth: target, proxy });
  return failureOf(plan, 'auth') ?? wait(plan, 'auth', { auth: target, proxy });
}

function moveProxy(plan: Plan): Decision | undefined {
  const { good, seen } = plan;
  const auth = goalOf(plan, 'auth');
  const target = goalOf(plan, 'proxy');
  if (seen.proxy.revision !== target) return move(plan, 'proxy', { auth, proxy: target });
  if (seen.proxy.state === 'ready') return undefined;
  if (good.proxy === target) return wait(plan, 'proxy', { auth, proxy: target });
  return failureOf(plan, 'proxy') ?? wait(plan, 'proxy', { auth, proxy: target });
}

/** Proxies that are half-way when auth has to move go back first, so that some of them serve all the time. */
function settleProxies(plan: Plan): Decision | undefined {
  const { good, seen, now, wish } = plan;
  const isSettled = seen.proxy.state === 'ready' || seen.proxy.state === 'absent';
  if (isSettled || good.proxy === undefined) return undefined;
  const targets = { auth: seen.auth.revision, proxy: good.proxy };
  if (seen.proxy.revision !== good.proxy) return move(plan, 'proxy', targets);
  const waiting = movingTo(plan, 'proxy', good.proxy);
  const left = waiting.since + wish.timeoutMs.proxy - now;
  return left > 0 ? result(plan, { moving: waiting }, targets, left) : undefined;
}

/** What a step should be at: what is wanted, or its last good revision when that has failed. */
function goalOf({ failed, wish, good }: Plan, step: Step): string {
  const wanted = wish.revisions[step];
  if (failed === undefined || !wish.rollback) return wanted;
  return failed.step === step ? (good[step] ?? wanted) : wanted;
}

function move(plan: Plan, step: Step, targets: Targets): Decision {
  const moving = movingTo(plan, step, targets[step] ?? '');
  return result(plan, { moving }, targets, plan.wish.timeoutMs[step]);
}

function wait(plan: Plan, step: Step, targets: Targets): Decision {
  const { moving, now, wish } = plan;
  if (moving === undefined || moving.step !== step || moving.revision !== targets[step]) {
    return plan.good[step] === targets[step] ? result(plan, {}, targets) : move(plan, step, targets);
  }
  const left = moving.since + wish.timeoutMs[step] - now;
  return result(plan, { moving }, targets, left > 0 ? left : undefined);
}

/** What a failed gate leads to. Without a revision to go back to it is told, and goes on as soon as it gets ready. */
function failureOf(plan: Plan, step: Step): Decision | undefined {
  const { seen, now, wish, good, wanted } = plan;
  const moving = movingTo(plan, step, wish.revisions[step]);
  const timeoutMs = wish.timeoutMs[step];
  const isLate = now - moving.since >= timeoutMs;
  if (seen[step].state !== 'broken' && !isLate) return undefined;
  const { reason, message } = seen[step];
  const failed: Failure = {
    step,
    wanted,
    reason: seen[step].state === 'broken' ? reason : 'TimedOut',
    message: isLate ? `no pod more in ${Math.round(timeoutMs / 1000)} s: ${message}` : message,
  };
  const back = good[step];
  const other: Step = step === 'auth' ? 'proxy' : 'auth';
  if (back === undefined || !wish.rollback) {
    return result({ ...plan, failed }, { moving }, places(plan, step, wish.revisions[step]));
  }
  const returning = { step, revision: back, since: now, pods: 0 };
  const targets = { [step]: back, [other]: seen[other].revision ?? good[other] };
  return result({ ...plan, failed }, { moving: returning }, targets, timeoutMs);
}

function movingTo({ moving, now }: Plan, step: Step, revision: string): Moving {
  const isSame = moving?.step === step && moving.revision === revision;
  return isSame ? moving : { step, revision, since: now, pods: 0 };
}

/** Each pod that got ready gives the next one the whole time, however many there are. */
function withProgress(moving: Moving | undefined, seen: Sight, now: number): Moving | undefined {
  if (moving === undefined) return undefined;
  const { revision, pods } = seen[moving.step];
  const isFurther = revision === moving.revision && pods > moving.pods;
  return isFurther ? { ...moving, pods, since: now } : moving;
}

function places({ seen, good }: Plan, step: Step, revision: string): Targets {
  const { auth, proxy } = seen;
  return {
    auth: auth.revision ?? good.auth,
    proxy: proxy.revision ?? good.proxy,
    [step]: revision,
  };
}

function settled(plan: Plan): Decision {
  const { seen, good, failed } = plan;
  const proxy = failed?.step === 'auth' ? (seen.proxy.revision ?? good.proxy) : goalOf(plan, 'proxy');
  return result(plan, {}, { auth: goalOf(plan, 'auth'), proxy });
}

function result(
  { good, failed }: Plan,
  { moving }: { readonly moving?: Moving },
  targets: Targets,
  again?: number,
): Decision {
  return { rollout: { good, moving, failed }, targets, again };
}

/** A failure counts as long as the same is wanted, unless the pods got ready after all. */
function stillFailed(failed: Failure | undefined, wish: Wish, seen: Sight): Failure | undefined {
  if (failed === undefined || failed.wanted !== wordOf(wish)) return undefined;
  const { revision, state } = seen[failed.step];
  return state === 'ready' && revision === wish.revisions[failed.step] ? undefined : failed;
}

const wordOf = ({ revisions, attempt }: Wish): string => `${revisions.auth}/${revisions.proxy}/${attempt}`;

function withReady(good: Rollout['good'], seen: Sight): Rollout['good'] {
  const ready = STEPS.filter((step) => seen[step].state === 'ready' && seen[step].revision !== undefined);
  return { ...good, ...Object.fromEntries(ready.map((step) => [step, seen[step].revision])) };
}
