// A join method: how a machine proves that it may become a member. One folder per method with both halves.
import type { SystemRole } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import type { Secret } from '#core/secret.ts';
import type { JoinMethodName, TokenSpec } from '#kinds/token/kind.ts';
import type { KubernetesReviews } from './kubernetes/reviews.ts';

/** What the joining machine sends: the method's name and its proof. */
export interface JoinProof {
  readonly method: string;
  /** Names the provision token; for the method `token` it is the secret itself. */
  readonly token: string;
  /** The machine's own proof, for methods where the token's name is none. */
  readonly idToken?: Secret | undefined;
}

/** What verification has to work with; secrets are compared in constant time. */
export interface JoinContext {
  readonly now: number;
  readonly clusterName: string;
  /** Tokens of the configuration file; they never expire. */
  readonly staticTokens: readonly StaticToken[];
  /** Dynamic tokens, as resources. */
  tokens(): Iterable<Resource<TokenSpec>>;
  /** What must be asked of others. */
  readonly kubernetes: KubernetesReviews;
}

export interface StaticToken {
  readonly roles: readonly SystemRole[];
  readonly token: string;
}

/** Why a proof was refused: for the audit log only, never for the caller. */
export type JoinRefusal =
  | 'unknown'
  | 'expired'
  | 'role'
  | 'method'
  /** What the machine sent is no proof for this token: no token, or one of another form, audience, time, or holder. */
  | 'proof'
  /** A good proof of a ServiceAccount that may not join. */
  | 'service account'
  /** The authority that is asked says no. */
  | 'review';

export type JoinVerdict =
  | {
      readonly ok: true;
      readonly roles: readonly SystemRole[];
      /** As it may be shown. */
      readonly tokenName: string;
      /** Who joined, by sentence, for the audit log. */
      readonly who?: readonly string[];
    }
  | {
      readonly ok: false;
      readonly refusal: JoinRefusal;
      /** More about it, for the audit log: names and times, never a token. */
      readonly about?: readonly string[];
    };

export interface JoinMethod {
  readonly name: JoinMethodName;
  /**
   * Checks `proof` for the requested roles; pure but for what `context` asks of others. Granted are the requested roles,
   * all of them or none. Rejects with UNAVAILABLE when somebody who must be asked does not answer.
   */
  verify(
    proof: JoinProof,
    roles: readonly SystemRole[],
    context: JoinContext,
  ): JoinVerdict | Promise<JoinVerdict>;
}
