// Is this proof good for these roles? Asks the join method, and the locks. Whoever is refused learns nothing but that;
// why is for the audit log.
import { lockInForce } from '#core/access/locks.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { JOIN_METHODS } from '#join/all.ts';
import type { KubernetesReviews } from '#join/kubernetes/reviews.ts';
import type { JoinProof, JoinRefusal, JoinVerdict, StaticToken } from '#join/method.ts';
import { tokenDigest, type TokenSpec } from '#kinds/token/kind.ts';
import { locksOf } from '../guard/holder.ts';
import type { IssueContext } from '../issue/context.ts';

export type TokenVerdict =
  | Extract<JoinVerdict, { ok: true }>
  | (Omit<Extract<JoinVerdict, { ok: false }>, 'refusal'> & { readonly refusal: JoinRefusal | 'locked' });

export interface Verifying {
  readonly staticTokens: readonly StaticToken[];
  readonly kubernetes: KubernetesReviews;
}

/**
 * Granted are the requested roles, each once, or none. The time taken does not depend on how close a guess of a secret
 * is. Rejects with UNAVAILABLE when somebody who must be asked does not answer.
 */
export async function verifyToken(
  { state, clock, clusterName }: Pick<IssueContext, 'state' | 'clock' | 'clusterName'>,
  { staticTokens, kubernetes }: Verifying,
  proof: JoinProof,
  roles: readonly SystemRole[],
): Promise<TokenVerdict> {
  const method = JOIN_METHODS.find(({ name }) => name === proof.method);
  if (method === undefined) return { ok: false, refusal: 'method' };
  const isLocked = (): boolean =>
    lockInForce(locksOf({ state }), { joinToken: tokenDigest(proof.token) }, clock.now()) !== undefined;
  const verdict = await method.verify(proof, [...new Set(roles)], {
    now: clock.now(),
    clusterName,
    staticTokens,
    tokens: () => state.list('token') as Iterable<Resource<TokenSpec>>,
    kubernetes,
  });
  // Asked last: a lock that was made while others were asked counts.
  return verdict.ok && isLocked() ? { ok: false, refusal: 'locked' } : verdict;
}

/** The one answer to all refusals. */
export function badToken(): GatehouseError {
  return new GatehouseError(
    'BAD_JOIN_TOKEN',
    'the join token is not valid for this: it is unknown or expired, or does not allow the requested roles or this machine',
  );
}
