// Tokens of pods as a Kubernetes API server makes them, with any part of them wrong, and the keys that vouch for them.
import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';

export interface PodTokenKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface PodToken {
  readonly issuer?: string;
  readonly audience?: unknown;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly lifeSeconds?: number;
  readonly namespace?: string;
  readonly serviceAccount?: string;
  /** Null: bound to no pod. */
  readonly pod?: string | null;
  /** Replaces claims. */
  readonly claims?: object;
  readonly header?: object;
}

export function makePodTokenKey(type: 'rsa' | 'ec' = 'rsa'): PodTokenKey {
  const pair =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid: randomUUID(), ...pair };
}

/** As `/openid/v1/jwks` answers. */
export function podTokenJwks(...keys: readonly PodTokenKey[]): string {
  const all = keys.map(({ kid, publicKey }) => ({
    use: 'sig',
    kid,
    alg: publicKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256',
    ...publicKey.export({ format: 'jwk' }),
  }));
  return JSON.stringify({ keys: all });
}

export const POD_UID = '6d9b6ee5-90a7-4a2c-8a2b-0c2a4b1a8b11';
export const POD_ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** A token of pod `agent-0` of ServiceAccount `apps:agent`, for `test.example.com` and an hour, unless said otherwise. */
export function signPodToken({ kid, privateKey }: PodTokenKey, about: PodToken): string {
  const { namespace = 'apps', serviceAccount = 'agent', pod = 'agent-0', issuedAt: iat } = about;
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const header = { alg: isRsa ? 'RS256' : 'ES256', kid, ...about.header };
  const claims = {
    aud: 'audience' in about ? about.audience : ['test.example.com'],
    exp: iat + (about.lifeSeconds ?? 3600),
    iat,
    iss: about.issuer ?? POD_ISSUER,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      node: { name: 'node-1', uid: randomUUID() },
      ...(pod === null ? {} : { pod: { name: pod, uid: POD_UID } }),
      serviceaccount: { name: serviceAccount, uid: randomUUID() },
    },
    nbf: iat,
    sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
    ...about.claims,
  };
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = isRsa
    ? sign('sha256', Buffer.from(text), privateKey)
    : sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
