// Signed tokens of our own (RFC 7515, 7519), and the set of keys that verifies them: ES256, compact, one spelling. Apart
// from jwt.ts, which reads those of others. The private key is an argument.
import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto';

export type JwtClaims = Readonly<Record<string, unknown>>;

export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly alg: 'ES256';
  readonly use: 'sig';
}

/** `key` is the private half of an ECDSA P-256 pair. */
export function signJwt(claims: JwtClaims, key: KeyObject): string {
  const { kid } = publicJwk(createPublicKey(key));
  const header = encode({ alg: 'ES256', typ: 'JWT', kid });
  const signed = `${header}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed, 'ascii'), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** As a key set lists it; its id is the thumbprint of RFC 7638. */
export function publicJwk(key: KeyObject): PublicJwk {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url');
  return { kty: 'EC', crv: 'P-256', x, y, kid, alg: 'ES256', use: 'sig' };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
