// What the method `kubernetes` must ask of others while it verifies. The auth service answers with I/O of its own; tests
// with values.
import type { JwtKey } from '#core/jwt/jwks.ts';
import type { Secret } from '#core/secret.ts';

export interface KubernetesReviews {
  /**
   * Asks the API server of the cluster that the auth service runs in (TokenReview). Undefined when it does not vouch for
   * the token with this audience. UNAVAILABLE when it does not answer, or auth runs in no cluster.
   */
  reviewToken(token: Secret, audience: string): Promise<ReviewedToken | undefined>;
  /**
   * The keys of an issuer, from a cache or fresh. When none of them may have made a signature of `keyId`, it looks for
   * new ones first, where that is due. UNAVAILABLE when there are none and the issuer does not answer well.
   */
  keysOf(issuer: OidcIssuer, keyId: string | undefined): Promise<readonly JwtKey[]>;
}

export interface ReviewedToken {
  /** `system:serviceaccount:namespace:name` */
  readonly username: string;
  readonly audiences: readonly string[];
  /** Of the pod that the token is bound to, which exists. */
  readonly podName?: string | undefined;
  readonly podUid?: string | undefined;
}

export interface OidcIssuer {
  readonly issuer: string;
  readonly insecure_allow_http_issuer: boolean;
  readonly allow_private_addresses: boolean;
  /** PEM of the authorities to trust in place of the public ones. */
  readonly ca_cert?: string | undefined;
}
