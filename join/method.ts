// A join method: how a machine proves that it may become a member. One folder per method with both halves.
import type { SystemRole } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import type { TokenSpec } from '#kinds/token/kind.ts';

/** What the joining machine sends: the method's name and its proof. */
export interface JoinProof {
  readonly method: string;
  /** Names the provision token; for the method `token` it is the secret itself. */
  readonly token: string;
}

/** What verification has to work with; secrets are compared in constant time. */
export interface JoinContext {
  readonly now: number;
  /** Tokens of the configuration file; they never expire. */
  readonly staticTokens: readonly StaticToken[];
  /** Dynamic tokens, as resources. */
  tokens(): Iterable<Resource<TokenSpec>>;
}

export interface StaticToken {
  readonly roles: readonly SystemRole[];
  readonly token: string;
}

/** Why a proof was refused: for the audit log only, never for the caller. */
export type JoinRefusal = 'unknown' | 'expired' | 'role' | 'method';

export type JoinVerdict =
  | { readonly ok: true; readonly roles: readonly SystemRole[]; readonly tokenName: string }
  | { readonly ok: false; readonly refusal: JoinRefusal };

export interface JoinMethod {
  readonly name: string;
  /** Checks `proof` for the requested roles; pure. Granted are the requested roles, all of them or none. */
  verify(proof: JoinProof, roles: readonly SystemRole[], context: JoinContext): JoinVerdict;
}
