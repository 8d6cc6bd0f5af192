// The part of a token for join method `kubernetes`: which ServiceAccounts may join, and who vouches for them. Apart from
// kind.ts because these names are no secrets and have rules of their own.
import { certificatesFromPem } from '#core/certs/x509/pem.ts';
import { isCode } from '#core/errors/error.ts';
import { MAX_JWKS_BYTES, parseJwks } from '#core/jwt/jwks.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

const MAX_ALLOWED = 256;

/** A name of a namespace, and one of a ServiceAccount. */
const serviceAccount: s.Format = {
  says: '"namespace:name", both as Kubernetes spells them; there are no wildcards',
  accepts: (text) =>
    text.length <= 317 &&
    /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?:[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/.test(text),
};

export const kubernetesSpec = s.object(
  {
    type: s.withDefault(
      s.enumOf(['in_cluster', 'static_jwks', 'oidc'], {
        description:
          'Who vouches for a token: the API server of the cluster that the auth service runs in, keys that are given here, or the issuer of another cluster.',
      }),
      'in_cluster',
    ),
    audience: s.optional(
      s.string({
        minLength: 1,
        maxLength: 512,
        description: 'What tokens must be made for, and nothing else. Default: the name of this cluster.',
      }),
    ),
    allow: s.withDefault(
      s.list(
        s.object({
          service_account: s.string({ format: serviceAccount, description: 'namespace:name, exactly.' }),
        }),
        { max: MAX_ALLOWED, description: 'The ServiceAccounts whose pods may join; one of them must fit.' },
      ),
      [],
    ),
    static_jwks: s.optional(
      s.object({
        jwks: s.string({
          maxLength: MAX_JWKS_BYTES,
          description: 'The public keys of that cluster, as `kubectl get --raw /openid/v1/jwks` prints them.',
        }),
      }),
    ),
    oidc: s.optional(
      s.object({
        issuer: s.string({
          maxLength: 512,
          description: 'The issuer of that cluster, letter by letter as its tokens name it.',
        }),
        insecure_allow_http_issuer: s.withDefault(
          s.boolean({ description: 'Take keys over HTTP: whoever is on the way can let machines in.' }),
          false,
        ),
        allow_private_addresses: s.withDefault(
          s.boolean({ description: 'The issuer may have a private or loopback address.' }),
          false,
        ),
        ca_cert: s.optional(
          s.string({
            minLength: 1,
            maxLength: 64 * 1024,
            description:
              'PEM of the authority of the issuer, for one that the public authorities do not know.',
          }),
        ),
      }),
    ),
  },
  { description: 'For join method `kubernetes`: pods join by their ServiceAccount.' },
);

export type KubernetesJoinSpec = s.Infer<typeof kubernetesSpec>;

/** Rules between the fields; paths begin at `spec.kubernetes`. Pure. */
export function checkKubernetes(spec: KubernetesJoinSpec): Problem[] {
  const problems: Problem[] = [];
  const problem = (path: readonly string[], message: string): void =>
    void problems.push({ path: ['spec', 'kubernetes', ...path], message });
  if (spec.allow.length === 0) {
    problem(['allow'], 'must name at least one ServiceAccount, such as {service_account: "namespace:name"}');
  }
  for (const type of ['static_jwks', 'oidc'] as const) {
    if (spec.type === type && spec[type] === undefined) problem([type], `is required for type ${type}`);
    if (spec.type !== type && spec[type] !== undefined) problem([type], `is for type ${type} only`);
  }
  const wrongKeys = spec.static_jwks === undefined ? undefined : jwksProblem(spec.static_jwks.jwks);
  if (wrongKeys !== undefined) problem(['static_jwks', 'jwks'], wrongKeys);
  if (spec.oidc !== undefined) problems.push(...oidcProblems(spec.oidc));
  return problems;
}

function oidcProblems(oidc: NonNullable<KubernetesJoinSpec['oidc']>): Problem[] {
  const wrongIssuer = issuerProblem(oidc);
  const found: [string, string][] = wrongIssuer === undefined ? [] : [['issuer', wrongIssuer]];
  if (oidc.ca_cert !== undefined && !isCertificates(oidc.ca_cert)) {
    found.push(['ca_cert', 'must be one or more certificates in PEM']);
  }
  return found.map(([field, message]) => ({ path: ['spec', 'kubernetes', 'oidc', field], message }));
}

function isCertificates(pem: string): boolean {
  try {
    return certificatesFromPem(pem).length > 0;
  } catch {
    return false;
  }
}

function jwksProblem(text: string): string | undefined {
  try {
    parseJwks(text);
    return undefined;
  } catch (error) {
    if (isCode(error, 'BAD_REQUEST'))
      return `${error.message}; give public keys for RS256 or ES256 as a JSON Web Key Set`;
    throw error;
  }
}

function issuerProblem({
  issuer,
  insecure_allow_http_issuer,
}: NonNullable<KubernetesJoinSpec['oidc']>): string | undefined {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (url === undefined || !['https:', 'http:'].includes(url.protocol))
    return 'must be a URL that begins with https://';
  if (url.protocol === 'http:' && !insecure_allow_http_issuer) {
    return 'must begin with https://; keys that come over HTTP can be replaced on the way (insecure_allow_http_issuer)';
  }
  const isPlain = url.username + url.password + url.search + url.hash === '' && !/[\s\\?#@]/.test(issuer);
  return isPlain ? undefined : 'must have no user, query or fragment';
}
