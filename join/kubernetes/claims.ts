// What the claims of a projected ServiceAccount token must say: for whom and when it is good, and of which pod it is. Pure;
// nothing here is proven before the signature, or the API server, vouches for it.
import { claim, type Jwt } from '#core/jwt/jwt.ts';
import { isPlainObject } from '#core/schema/check.ts';

/** Projected tokens live for an hour; what lives longer than this is a secret that lies around. */
const MAX_LIFE_MS = 24 * 3_600_000;
/** Clocks of issuer and auth may differ by so much when a token is new. */
const SKEW_MS = 60_000;
const MAX_NAME = 253;

export interface PodClaims {
  /** `namespace:name` */
  readonly serviceAccount: string;
  /** `system:serviceaccount:namespace:name` */
  readonly subject: string;
  readonly issuer: string;
  readonly podName: string;
  readonly podUid: string;
}

export interface ClaimRules {
  readonly now: number;
  readonly audience: string;
  /** Any, when left out: whoever verifies the signature knows it. */
  readonly issuer?: string | undefined;
}

/** The pod, or why the claims are not good, for the audit log. */
export function readPodClaims(jwt: Pick<Jwt, 'claims'>, rules: ClaimRules): PodClaims | string {
  const { claims } = jwt;
  const problem = audienceProblem(claims, rules) ?? timeProblem(claims, rules.now);
  return problem ?? podOf(claims);
}

function audienceProblem(claims: Jwt['claims'], { audience, issuer }: ClaimRules): string | undefined {
  const given = claim(claims, 'aud');
  const audiences: readonly unknown[] = Array.isArray(given) ? given : [given];
  // A token that is good elsewhere too could have been shown there.
  if (audiences.length !== 1 || audiences[0] !== audience)
    return 'it is for another audience, or for several';
  if (issuer !== undefined && claim(claims, 'iss') !== issuer) return 'it is of another issuer';
  return undefined;
}

function timeProblem(claims: Jwt['claims'], now: number): string | undefined {
  const [expires, issued, notBefore] = ['exp', 'iat', 'nbf'].map((name) => timeOf(claim(claims, name)));
  if (expires === undefined || issued === undefined) return 'it does not say when it is good';
  if (claim(claims, 'nbf') !== undefined && notBefore === undefined) return 'it does not say when it is good';
  if (expires <= now) return 'it has expired';
  if (issued > now + SKEW_MS || (notBefore ?? 0) > now + SKEW_MS) return 'it is not good yet';
  return expires - issued > MAX_LIFE_MS ? 'it is good for more than a day' : undefined;
}

function podOf(claims: Jwt['claims']): PodClaims | string {
  const [subject, issuer] = [textOf(claims, 'sub'), textOf(claims, 'iss')];
  const details = claim(claims, 'kubernetes.io');
  if (subject === undefined || issuer === undefined || !isPlainObject(details)) {
    return 'it is not of a ServiceAccount';
  }
  const namespace = textOf(details, 'namespace');
  const name = textOf(claim(details, 'serviceaccount'), 'name');
  if (
    namespace === undefined ||
    name === undefined ||
    subject !== `system:serviceaccount:${namespace}:${name}`
  ) {
    return 'it is not of a ServiceAccount';
  }
  const pod = claim(details, 'pod');
  const [podName, podUid] = [textOf(pod, 'name'), textOf(pod, 'uid')];
  if (podName === undefined || podUid === undefined) return 'it is not bound to a pod';
  return { serviceAccount: `${namespace}:${name}`, subject, issuer, podName, podUid };
}

/** Milliseconds, from seconds with or without a fraction. */
function timeOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value < 1e11 ? value * 1000 : undefined;
}

function textOf(object: unknown, name: string): string | undefined {
  const value = isPlainObject(object) ? claim(object, name) : undefined;
  return typeof value === 'string' && value !== '' && value.length <= 2 * MAX_NAME ? value : undefined;
}
