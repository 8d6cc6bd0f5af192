// The join method `kubernetes`: a pod shows the token that its kubelet got for its ServiceAccount. Everything that can be
// told from the token alone is checked first, so that strangers cannot make the auth service ask anybody.
import type { SystemRole } from '#core/identity.ts';
import { parseJwks, type JwtKey } from '#core/jwt/jwks.ts';
import { parseJwt, verifyJwt, type Jwt } from '#core/jwt/jwt.ts';
import type { Resource } from '#core/resource.ts';
import type { TokenSpec } from '#kinds/token/kind.ts';
import type { KubernetesJoinSpec } from '#kinds/token/kubernetes.ts';
import type { JoinContext, JoinMethod, JoinProof, JoinRefusal, JoinVerdict } from '../method.ts';
import { readPodClaims, type PodClaims } from './claims.ts';

/** What is known of an attempt once the token resource fits. */
interface Attempt {
  readonly proof: JoinProof;
  readonly rules: KubernetesJoinSpec;
  readonly jwt: Jwt;
  readonly pod: PodClaims;
  readonly audience: string;
}

export const kubernetesMethod: JoinMethod = {
  name: 'kubernetes',
  async verify(proof, roles, context) {
    const found = findToken(proof.token, context);
    if (found === undefined) return refuse('unknown');
    const named = [`token ${found.resource.metadata.name}`];
    const problem = tokenProblem(found.resource, roles, context.now);
    if (problem !== undefined) return refuse(problem, named);
    const attempt = readProof(proof, found.rules, context);
    if (typeof attempt === 'string') return refuse('proof', [...named, attempt]);
    const { serviceAccount, podName } = attempt.pod;
    const about = [...named, `service account ${serviceAccount}`, `pod ${podName}`];
    if (!found.rules.allow.some((allowed) => allowed.service_account === serviceAccount)) {
      return refuse('service account', about);
    }
    if (!(await isVouchedFor(attempt, context))) return refuse('review', about);
    return { ok: true, roles, tokenName: found.resource.metadata.name, who: about.slice(1) };
  },
};

interface FoundToken {
  readonly resource: Resource<TokenSpec>;
  readonly rules: KubernetesJoinSpec;
}

function findToken(name: string, context: JoinContext): FoundToken | undefined {
  for (const resource of context.tokens()) {
    const { join_method: method, kubernetes: rules } = resource.spec;
    if (resource.metadata.name !== name || method !== 'kubernetes' || rules === undefined) continue;
    return { resource, rules };
  }
  return undefined;
}

function tokenProblem(
  { metadata, spec }: Resource<TokenSpec>,
  roles: readonly SystemRole[],
  now: number,
): JoinRefusal | undefined {
  if (metadata.expires !== undefined && Date.parse(metadata.expires) <= now) return 'expired';
  const areAllowed = roles.length > 0 && roles.every((role) => spec.roles.includes(role));
  return areAllowed ? undefined : 'role';
}

/** The attempt, or why the proof is none. */
function readProof(proof: JoinProof, rules: KubernetesJoinSpec, context: JoinContext): Attempt | string {
  const jwt = proof.idToken === undefined ? undefined : parseJwt(proof.idToken.reveal());
  if (jwt === undefined) return 'it is no token of the accepted form';
  const audience = rules.audience ?? context.clusterName;
  const issuer = rules.type === 'oidc' ? rules.oidc?.issuer : undefined;
  const pod = readPodClaims(jwt, { now: context.now, audience, issuer });
  return typeof pod === 'string' ? pod : { proof, rules, jwt, pod, audience };
}

async function isVouchedFor(attempt: Attempt, context: JoinContext): Promise<boolean> {
  const { rules, jwt } = attempt;
  switch (rules.type) {
    case 'in_cluster':
      return await isReviewed(attempt, context);
    case 'static_jwks':
      return verifyJwt(jwt, staticKeys(rules));
    case 'oidc':
      if (rules.oidc === undefined) return false;
      return verifyJwt(jwt, await context.kubernetes.keysOf(rules.oidc, jwt.keyId));
  }
}

/** The API server must say the same as the claims: it could know the token as something else. */
async function isReviewed({ proof, pod, audience }: Attempt, context: JoinContext): Promise<boolean> {
  if (proof.idToken === undefined) return false;
  const review = await context.kubernetes.reviewToken(proof.idToken, audience);
  return (
    review !== undefined &&
    review.username === pod.subject &&
    review.audiences.includes(audience) &&
    review.podName === pod.podName &&
    review.podUid === pod.podUid
  );
}

/** Keys of the resource were checked when it was written. */
function staticKeys({ static_jwks: given }: KubernetesJoinSpec): readonly JwtKey[] {
  return given === undefined ? [] : parseJwks(given.jwks);
}

const refuse = (refusal: JoinRefusal, about: readonly string[] = []): JoinVerdict => ({
  ok: false,
  refusal,
  about,
});
