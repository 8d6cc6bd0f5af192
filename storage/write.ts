// Every way to write is an atomic write of steps; this is the mapping, and the rule by which a condition fails.
// Separate from the backends so that they cannot differ in it.
import { GatehouseError } from '#core/errors/error.ts';
import type { Action, AtomicStep, Condition, Item, Revision } from './backend.ts';
import { checkItem, checkKey, checkSteps, parseRevision } from './bounds.ts';

/** One unit of work for a backend: checked, with its own copy of the bytes. */
export interface Write {
  readonly steps: readonly AtomicStep[];
  /** What a failed `revision` condition on an absent key means; CONDITION_FAILED but for `delete`. */
  readonly absent: 'CONDITION_FAILED' | 'NOT_FOUND';
}

export function createWrite(item: Item): Write {
  return itemWrite(item, { is: 'absent' });
}

export function putWrite(item: Item): Write {
  return itemWrite(item, { is: 'any' });
}

export function updateWrite(item: Item, revision: Revision): Write {
  parseRevision(revision);
  return itemWrite(item, { is: 'revision', revision });
}

export function deleteWrite(key: string, revision: Revision | undefined): Write {
  checkKey(key);
  if (revision !== undefined) parseRevision(revision);
  const condition: Condition = revision === undefined ? { is: 'present' } : { is: 'revision', revision };
  return { steps: [{ key, condition, action: { do: 'delete' } }], absent: 'NOT_FOUND' };
}

export function atomicWrite(steps: readonly AtomicStep[]): Write {
  checkSteps(steps);
  return {
    steps: steps.map(({ key, condition, action }) => ({ key, condition, action: ownAction(action) })),
    absent: 'CONDITION_FAILED',
  };
}

function itemWrite(item: Item, condition: Condition): Write {
  checkItem(item);
  const action = ownAction({ do: 'put', value: item.value, expires: item.expires });
  return { steps: [{ key: item.key, condition, action }], absent: 'CONDITION_FAILED' };
}

/** Writes are applied later than they are asked for, and the caller may reuse its buffer meanwhile. */
function ownAction(action: Action): Action {
  return action.do === 'put' ? { ...action, value: new Uint8Array(action.value) } : action;
}

/** The error of a step on a key that is at `current` (undefined: absent), or undefined when its condition holds. */
export function failedCondition(
  step: AtomicStep,
  current: Revision | undefined,
  absent: Write['absent'],
): GatehouseError | undefined {
  const { key, condition } = step;
  const details = { key };
  switch (condition.is) {
    case 'any':
      return undefined;
    case 'absent':
      if (current === undefined) return undefined;
      return new GatehouseError('ALREADY_EXISTS', `"${key}" exists`, { details });
    case 'present':
      if (current !== undefined) return undefined;
      return new GatehouseError('NOT_FOUND', `"${key}" does not exist`, { details });
    case 'revision':
      if (current === condition.revision) return undefined;
      if (current === undefined && absent === 'NOT_FOUND') {
        return new GatehouseError('NOT_FOUND', `"${key}" does not exist`, { details });
      }
      return new GatehouseError('CONDITION_FAILED', `"${key}" was changed since it was read`, { details });
  }
}
