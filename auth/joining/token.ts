// Is this proof good for these roles? Asks the join method, and the locks. Whoever is refused learns nothing but that;
// why is for the audit log.
import { lockInForce } from '#core/access/locks.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { JOIN_METHODS } from '#join/all.ts';
import type { JoinProof, JoinRefusal, StaticToken } from '#join/method.ts';
import { tokenDigest, type TokenSpec } from '#kinds/token/kind.ts';
import { locksOf } from '../guard/holder.ts';
import type { IssueContext } from '../issue/context.ts';

export type TokenVerdict =
  | { readonly ok: true; readonly roles: readonly SystemRole[]; readonly tokenName: string }
  | { readonly ok: false; readonly refusal: JoinRefusal | 'locked' };

/** Granted are the requested roles, each once, or none. The time taken does not depend on how close a guess is. */
export function verifyToken(
  { state, clock }: Pick<IssueContext, 'state' | 'clock'>,
  staticTokens: readonly StaticToken[],
  proof: JoinProof,
  roles: readonly SystemRole[],
): TokenVerdict {
  const method = JOIN_METHODS.find(({ name }) => name === proof.method);
  if (method === undefined) return { ok: false, refusal: 'method' };
  const now = clock.now();
  const verdict = method.verify(proof, [...new Set(roles)], {
    now,
    staticTokens,
    tokens: () => state.list('token') as Iterable<Resource<TokenSpec>>,
  });
  if (!verdict.ok) return verdict;
  const isLocked =
    lockInForce(locksOf({ state }), { joinToken: tokenDigest(proof.token) }, now) !== undefined;
  return isLocked ? { ok: false, refusal: 'locked' } : verdict;
}

/** The one answer to all refusals. */
export function badToken(): GatehouseError {
  return new GatehouseError(
    'BAD_JOIN_TOKEN',
    'the join token is not valid for this: it is unknown or expired, or does not allow the requested roles',
  );
}
