// What the join method `kubernetes` asks of others, put together.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { KubernetesReviews } from '#join/kubernetes/reviews.ts';
import type { FetchRules } from './fetch-text.ts';
import { OidcKeys } from './oidc-keys.ts';
import { TokenReviews, type ApiServer } from './token-review.ts';

export interface KubernetesReviewsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the cluster that this auth service runs in, if it does. */
  readonly apiServer?: ApiServer | undefined;
  readonly resolve?: FetchRules['resolve'];
}

/** Keeps keys and limits: make it once. Holds nothing open. */
export function openKubernetesReviews(options: KubernetesReviewsOptions): KubernetesReviews {
  const reviews = new TokenReviews(options.apiServer, options.log);
  const keys = new OidcKeys(options);
  return {
    reviewToken: (token, audience) => reviews.review(token, audience),
    keysOf: (issuer, keyId) => keys.keysOf(issuer, keyId),
  };
}
