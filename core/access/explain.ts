// The long answer for admins: every role of the user, in order, with what it says and why. `gatectl can-i` asks before
// the fact, `gatectl explain` after it; neither is ever shown to the person who was denied.
import type { AccessSet } from './compile.ts';
import { decideTarget } from './decide.ts';
import { lockInForce, type Lock, type LockSubject } from './locks.ts';
import type { MergedOptions } from './options.ts';
import { decideResource, judgeRules, type ResourceRequest } from './rules.ts';
import type { Reason } from './reason.ts';
import type { TargetRequest } from './target.ts';
import { judgeRoles, type RoleVerdict } from './verdict.ts';

export interface Explanation {
  readonly allowed: boolean;
  /** One sentence. */
  readonly summary: string;
  /** Every role, decisive ones first, then in the order the user holds them. */
  readonly roles: readonly RoleVerdict[];
  /** All reasons in the same order, with a lock before everything. */
  readonly reasons: readonly Reason[];
  /** What would hold for the session. */
  readonly options?: MergedOptions;
}

export interface ExplainQuestion {
  readonly access: { readonly target: TargetRequest } | { readonly resource: ResourceRequest };
  /** Locks to consider, and the time; left out, locks are not asked. */
  readonly locks?: { readonly all: Iterable<Lock>; readonly subject: LockSubject; readonly now: number };
}

const ORDER = { denies: 0, allows: 1, partly: 2, silent: 3 } as const;

/** Explains a decision in full, without changing anything. */
export function explainAccess(set: AccessSet, question: ExplainQuestion): Explanation {
  const { access, locks } = question;
  const locked = locks === undefined ? undefined : lockInForce(locks.all, locks.subject, locks.now);
  const answer =
    'target' in access ? explainTarget(set, access.target) : explainResource(set, access.resource);
  if (locked === undefined) return answer;
  const { message } = locked.lock;
  const reason: Reason = {
    side: 'deny',
    field: 'lock',
    on: locked.lock.name,
    text: `the lock ${locked.lock.name} is in force${message ? `: ${message}` : ''}`,
  };
  return { ...answer, allowed: false, summary: reason.text, reasons: [reason, ...answer.reasons] };
}

function explainTarget(set: AccessSet, request: TargetRequest): Explanation {
  const decision = decideTarget(set, request);
  const roles = sorted(judgeRoles(set, request));
  return {
    allowed: decision.allowed,
    summary: decision.reasons[0]?.text ?? '',
    roles,
    reasons: merged(decision.reasons, roles),
    options: decision.options,
  };
}

function explainResource(set: AccessSet, request: ResourceRequest): Explanation {
  const decision = decideResource(set, request);
  const found = judgeRules(set, request, { ...request, user: set.subject });
  const roles = set.roles.map(({ role }): RoleVerdict => {
    const reasons = found.filter((reason) => reason.role === role.name);
    if (reasons.length > 0) return { role: role.name, outcome: outcomeOf(reasons), reasons };
    const text = `role ${role.name} has no rule for ${request.verb} on ${request.kind}`;
    return {
      role: role.name,
      outcome: 'silent',
      reasons: [{ role: role.name, side: 'none', field: 'rules', text }],
    };
  });
  const ordered = sorted(roles);
  return {
    allowed: decision.allowed,
    summary: decision.reasons[0]?.text ?? '',
    roles: ordered,
    reasons: merged(decision.reasons, ordered),
  };
}

function outcomeOf(reasons: readonly Reason[]): RoleVerdict['outcome'] {
  if (reasons.some((reason) => reason.side === 'deny')) return 'denies';
  return reasons.some((reason) => reason.side === 'allow') ? 'allows' : 'silent';
}

const sorted = (roles: readonly RoleVerdict[]): RoleVerdict[] =>
  [...roles].sort((a, b) => ORDER[a.outcome] - ORDER[b.outcome]);

/** The reasons of the decision, then those of the roles that it did not mention. */
function merged(first: readonly Reason[], roles: readonly RoleVerdict[]): Reason[] {
  const all = [...first, ...roles.flatMap((verdict) => verdict.reasons)];
  return [...new Map(all.map((reason) => [reason.text, reason])).values()];
}
