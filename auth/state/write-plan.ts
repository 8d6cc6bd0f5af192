// From changes to the steps of one atomic write: judges the rules that cross kinds on the local copy, and adds to
// the write a condition for everything those rules looked at. Pure but for the copy it reads.
import { GatehouseError } from '#core/errors/error.ts';
import { invalid, type Kind } from '#core/kind.ts';
import type { Problem } from '#core/schema/check.ts';
import { formatProblem } from '#core/schema/check.ts';
import type { AtomicStep, Condition } from '#storage/backend.ts';
import { MAX_ATOMIC_BYTES, MAX_STEPS, MAX_VALUE_BYTES } from '#storage/bounds.ts';
import type { Copy } from './copy.ts';
import { idOf, openOverlay, type Outcome, type Overlay, type Seen } from './overlay.ts';
import { encodeRecord, fenceKey, recordKey, titleOf } from './records.ts';
import type { Change } from './state.ts';

export interface WritePlan {
  readonly steps: readonly AtomicStep[];
  /** Keys whose condition stands for what a rule saw: when one fails, look again and repeat the write. */
  readonly guards: ReadonlySet<string>;
}

/** Beyond this many single conditions on one kind, one on the whole kind is cheaper. */
const MAX_SINGLE_CONDITIONS = 16;
const FENCE_VALUE = Uint8Array.of(1);

/**
 * INVALID_RESOURCE or IN_USE when a rule fails, TOO_LARGE when the write is more than the store takes, BAD_REQUEST
 * when a resource is changed twice.
 */
export function planWrite(
  changes: readonly Change[],
  copy: Copy,
  kindNamed: (name: string) => Kind,
): WritePlan {
  const outcomes = changes.map((change) => outcomeOf(change, kindNamed));
  requireDistinct(outcomes);
  const overlay = openOverlay(copy, outcomes, kindNamed);
  for (const outcome of outcomes) judge(outcome, overlay);
  const steps: AtomicStep[] = [];
  const guards = new Set<string>();
  changes.forEach((change, index) => {
    const outcome = outcomes[index];
    if (outcome !== undefined) steps.push(ownStep(change, outcome, overlay, guards));
  });
  steps.push(...fenceSteps(outcomes, overlay, copy, guards));
  requireWithinBounds(steps);
  return { steps, guards };
}

function outcomeOf(change: Change, kindNamed: (name: string) => Kind): Outcome {
  if (change.do === 'delete') return { kind: kindNamed(change.kind), name: change.name, after: undefined };
  const { resource } = change;
  return { kind: kindNamed(resource.kind), name: resource.metadata.name, after: resource };
}

function requireDistinct(outcomes: readonly Outcome[]): void {
  const ids = new Set<string>();
  for (const { kind, name } of outcomes) {
    if (ids.has(idOf(kind, name))) {
      throw new GatehouseError(
        'BAD_REQUEST',
        `${titleOf(kind.name, name)} is in the request twice; keep one of the two`,
      );
    }
    ids.add(idOf(kind, name));
  }
}

function judge({ kind, name, after }: Outcome, overlay: Overlay): void {
  const reader = overlay.readerFor(kind, name);
  if (after !== undefined) {
    const problems = kind.checkWrite?.(after, reader) ?? [];
    if (problems.length > 0) throw invalid(after, problems);
    return;
  }
  if (kind.checkDelete === undefined) return;
  const before = reader.get(kind.name, name);
  const problems = before === undefined ? [] : kind.checkDelete(before, reader);
  if (problems.length > 0) throw inUse(kind, name, problems);
}

function inUse(kind: Kind, name: string, problems: readonly Problem[]): GatehouseError {
  const lines = problems.map((problem) =>
    problem.path.length === 0 ? problem.message : formatProblem(problem),
  );
  return new GatehouseError('IN_USE', `${titleOf(kind.name, name)} cannot be deleted: ${lines.join('; ')}`, {
    details: { problems: lines },
  });
}

function ownStep(change: Change, { kind, name }: Outcome, overlay: Overlay, guards: Set<string>): AtomicStep {
  const key = recordKey(kind, name);
  const own = ownCondition(change);
  const condition = heldCondition(own, overlay.seen.get(idOf(kind, name)), kind, name);
  if (condition !== own) guards.add(key);
  if (change.do === 'delete') return { key, condition, action: { do: 'delete' } };
  const { value, expires } = encodeRecord(kind, change.resource);
  if (value.byteLength > MAX_VALUE_BYTES) {
    throw tooLarge(`${titleOf(kind.name, name)} has ${value.byteLength} bytes; at most ${MAX_VALUE_BYTES}`);
  }
  return { key, condition, action: { do: 'put', value, expires } };
}

function ownCondition(change: Change): Condition {
  if (change.do === 'create') return { is: 'absent' };
  const revision = change.do === 'delete' ? change.revision : change.resource.metadata.revision;
  if (revision !== undefined) return { is: 'revision', revision };
  if (change.do === 'put' || (change.do === 'delete' && change.ifPresent === true)) return { is: 'any' };
  return { is: 'present' };
}

/**
 * What a rule saw of the resource itself becomes a condition too. Where that contradicts the caller's own condition
 * the write is refused here: the rule has judged something else than what is to be changed.
 */
function heldCondition(own: Condition, seen: Seen | undefined, kind: Kind, name: string): Condition {
  if (seen === undefined) return own;
  switch (own.is) {
    case 'any':
      return conditionOf(seen.revision);
    case 'present':
      if (seen.revision === undefined) throw conditionError('NOT_FOUND', kind, name);
      return conditionOf(seen.revision);
    case 'absent':
      if (seen.revision !== undefined) throw conditionError('ALREADY_EXISTS', kind, name);
      return own;
    case 'revision':
      if (seen.revision !== own.revision) throw conditionError('CONDITION_FAILED', kind, name);
      return own;
  }
}

/** The refusal of a caller's own condition, in words for the caller. */
export function conditionError(
  code: 'NOT_FOUND' | 'ALREADY_EXISTS' | 'CONDITION_FAILED',
  kind: Kind,
  name: string,
): GatehouseError {
  const words = {
    NOT_FOUND: 'does not exist',
    ALREADY_EXISTS: 'already exists',
    CONDITION_FAILED: 'was changed since it was read; read it again and repeat the change',
  };
  return new GatehouseError(code, `${titleOf(kind.name, name)} ${words[code]}`);
}

/** Every write to an admin kind moves the kind's fence; a rule that listed the kind holds on to where it stood. */
function fenceSteps(
  outcomes: readonly Outcome[],
  overlay: Overlay,
  copy: Copy,
  guards: Set<string>,
): AtomicStep[] {
  const changed = new Set(outcomes.map(({ kind }) => kind).filter((kind) => kind.audience === 'admin'));
  const own = new Set(outcomes.map(({ kind, name }) => idOf(kind, name)));
  const others = [...overlay.seen.values()].filter((seen) => !own.has(idOf(seen.kind, seen.name)));
  const held = new Set(overlay.listed);
  for (const [kind, seen] of Map.groupBy(others, (other) => other.kind)) {
    if (seen.length > MAX_SINGLE_CONDITIONS && kind.audience === 'admin') held.add(kind);
  }
  const steps: AtomicStep[] = [];
  const guard = (key: string, condition: Condition, action: AtomicStep['action']): void => {
    steps.push({ key, condition, action });
    guards.add(key);
  };
  for (const { kind, name, revision } of others) {
    if (!held.has(kind)) guard(recordKey(kind, name), conditionOf(revision), { do: 'check' });
  }
  for (const kind of held) {
    if (!changed.has(kind)) guard(fenceKey(kind), conditionOf(copy.fence(kind)), { do: 'check' });
  }
  for (const kind of changed) {
    const action = { do: 'put', value: FENCE_VALUE } as const;
    if (held.has(kind)) guard(fenceKey(kind), conditionOf(copy.fence(kind)), action);
    else steps.push({ key: fenceKey(kind), condition: { is: 'any' }, action });
  }
  return steps;
}

function conditionOf(revision: string | undefined): Condition {
  return revision === undefined ? { is: 'absent' } : { is: 'revision', revision };
}

function requireWithinBounds(steps: readonly AtomicStep[]): void {
  if (steps.length > MAX_STEPS) {
    throw tooLarge(`the write needs ${steps.length} steps with its conditions; at most ${MAX_STEPS}`);
  }
  const bytes = steps.reduce(
    (sum, { action }) => sum + (action.do === 'put' ? action.value.byteLength : 0),
    0,
  );
  if (bytes > MAX_ATOMIC_BYTES) throw tooLarge(`the write has ${bytes} bytes; at most ${MAX_ATOMIC_BYTES}`);
}

function tooLarge(what: string): GatehouseError {
  return new GatehouseError('TOO_LARGE', `${what} are allowed; send fewer or smaller resources at once`);
}
