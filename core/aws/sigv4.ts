// Signing AWS requests, Signature Version 4: in headers, in the query (presigned), and the key that chunks are signed
// with. Ours because streams in constant memory need parts that the SDK's signer does not offer. Pure.
import { createHmac } from 'node:crypto';
import { GatehouseError } from '../errors/error.ts';
import type { Secret } from '../secret.ts';
import {
  canonicalPath,
  canonicalQuery,
  canonicalRequest,
  encodeUri,
  hashOf,
  joinQuery,
  queryPairs,
  splitTarget,
  wirePath,
  type AwsRequest,
  type HeaderPair,
  type QueryPair,
} from './canonical.ts';
import { ecdsaKeyOf, signEcdsa } from './sigv4a.ts';

export const HMAC_ALGORITHM = 'AWS4-HMAC-SHA256';
export const ECDSA_ALGORITHM = 'AWS4-ECDSA-P256-SHA256';
export type SigningAlgorithm = typeof HMAC_ALGORITHM | typeof ECDSA_ALGORITHM;

/** Keys that requests are signed with; `sessionToken` when they are temporary. */
export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken?: Secret;
}

/** What a signature is for. `region` of SigV4A is a set of regions, such as `*` or `us-east-1,eu-*`. */
export interface SigningScope {
  readonly algorithm?: SigningAlgorithm;
  readonly service: string;
  readonly region: string;
}

export interface SigningOptions extends SigningScope {
  /** Milliseconds since the epoch; signatures name seconds. */
  readonly date: number;
  /** SHA-256 of the body in hex, or one of the constants such as UNSIGNED-PAYLOAD. */
  readonly payload: string;
}

/** A request that is signed: send exactly this. `signature` seeds those of chunks. */
export interface SignedRequest extends AwsRequest {
  readonly signature: string;
  readonly amzDate: string;
}

/** Longest life of a presigned request, in seconds. */
export const MAX_PRESIGNED_SECONDS = 7 * 24 * 3600;

/** Signed besides `host` and every `x-amz-…`: what changes the meaning of a body. */
const ALSO_SIGNED: ReadonlySet<string> = new Set(['host', 'content-type', 'content-md5', 'content-encoding']);
/** Written anew by the signer. */
const OURS: ReadonlySet<string> = new Set([
  'authorization',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-region-set',
  'x-amz-content-sha256',
]);
const QUERY_OURS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-region-set',
]);

/**
 * Signs in the Authorization header. Headers must have `host`; a former signature is replaced, and the address is
 * spelled canonically. Throws BAD_REQUEST for requests that cannot be signed.
 */
export function signRequest(
  request: AwsRequest,
  credentials: SigningCredentials,
  options: SigningOptions,
): SignedRequest {
  const amzDate = amzDateOf(options.date);
  const { path, pairs } = addressOf(request.target);
  const headers: HeaderPair[] = request.headers.filter(([name]) => !OURS.has(name.toLowerCase()));
  headers.push(['X-Amz-Date', amzDate]);
  if (options.algorithm === ECDSA_ALGORITHM) headers.push(['X-Amz-Region-Set', options.region]);
  if (credentials.sessionToken !== undefined)
    headers.push(['X-Amz-Security-Token', credentials.sessionToken.reveal()]);
  headers.push(['X-Amz-Content-Sha256', options.payload]);
  const signed = signedNames(headers);
  const canonical = canonicalRequest(
    request.method,
    canonicalPath(path, options.service),
    canonicalQuery(pairs),
    headers,
    signed,
    options.payload,
  );
  const scope = scopeText(options, amzDate);
  const signature = signText(stringToSign(options, amzDate, canonical), credentials, options, amzDate);
  headers.push([
    'Authorization',
    `${options.algorithm ?? HMAC_ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, ` +
      `SignedHeaders=${signed.join(';')}, Signature=${signature}`,
  ]);
  return {
    method: request.method,
    target: targetOf(wirePath(path, options.service), joinQuery(pairs)),
    headers,
    signature,
    amzDate,
  };
}

/**
 * Signs in the query, valid for `expires` seconds from `date`. The headers that `host` and `x-amz-…` name are signed
 * and must be sent alike. Parameters of a former signature are replaced.
 */
export function presignRequest(
  request: AwsRequest,
  credentials: SigningCredentials,
  options: SigningOptions & { readonly expires: number },
): SignedRequest {
  if (!Number.isInteger(options.expires) || options.expires < 1 || options.expires > MAX_PRESIGNED_SECONDS)
    throw new GatehouseError('BAD_REQUEST', `X-Amz-Expires must be 1 to ${MAX_PRESIGNED_SECONDS} seconds`);
  const amzDate = amzDateOf(options.date);
  const { path, pairs } = addressOf(request.target);
  const headers = request.headers.filter(
    ([name]) => !OURS.has(name.toLowerCase()) || name.toLowerCase() === 'x-amz-content-sha256',
  );
  const signed = signedNames(headers);
  const all: QueryPair[] = [
    ...pairs.filter(([name]) => !QUERY_OURS.has(name.toLowerCase())),
    ...presignedPairs(credentials, options, amzDate, signed),
  ];
  const canonical = canonicalRequest(
    request.method,
    canonicalPath(path, options.service),
    canonicalQuery(all),
    headers,
    signed,
    options.payload,
  );
  const signature = signText(stringToSign(options, amzDate, canonical), credentials, options, amzDate);
  const query = joinQuery([...all, ['X-Amz-Signature', signature]]);
  return {
    method: request.method,
    target: targetOf(wirePath(path, options.service), query),
    headers,
    signature,
    amzDate,
  };
}

function presignedPairs(
  credentials: SigningCredentials,
  options: SigningOptions & { readonly expires: number },
  amzDate: string,
  signed: readonly string[],
): QueryPair[] {
  const credential = `${credentials.accessKeyId}/${scopeText(options, amzDate)}`;
  const pairs: [string, string][] = [
    ['X-Amz-Algorithm', options.algorithm ?? HMAC_ALGORITHM],
    ['X-Amz-Credential', credential],
    ['X-Amz-Date', amzDate],
    ['X-Amz-Expires', String(options.expires)],
  ];
  if (options.algorithm === ECDSA_ALGORITHM) pairs.push(['X-Amz-Region-Set', options.region]);
  if (credentials.sessionToken !== undefined)
    pairs.push(['X-Amz-Security-Token', credentials.sessionToken.reveal()]);
  pairs.push(['X-Amz-SignedHeaders', signed.join(';')]);
  return pairs.map(([name, value]) => [name, encodeUri(value)] as const);
}

/** Whether a query parameter belongs to a signature; `name` in any case. */
export function isSignatureParameter(name: string): boolean {
  return QUERY_OURS.has(name.toLowerCase());
}

function addressOf(target: string): { readonly path: string; readonly pairs: readonly QueryPair[] } {
  const { path, query } = splitTarget(target);
  return { path, pairs: queryPairs(query) };
}

function targetOf(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`;
}

function signedNames(headers: readonly HeaderPair[]): readonly string[] {
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  if (!names.has('host'))
    throw new GatehouseError('BAD_REQUEST', 'a request to AWS needs a Host header to be signed');
  return [...names].filter((name) => ALSO_SIGNED.has(name) || name.startsWith('x-amz-')).sort();
}

/** `20261121T043100Z`. */
export function amzDateOf(date: number): string {
  return `${new Date(date).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '')}Z`;
}

/** The scope without the access key: SigV4A leaves the region out. */
export function scopeText(scope: SigningScope, amzDate: string): string {
  const day = amzDate.slice(0, 8);
  return scope.algorithm === ECDSA_ALGORITHM
    ? `${day}/${scope.service}/aws4_request`
    : `${day}/${scope.region}/${scope.service}/aws4_request`;
}

export function stringToSign(scope: SigningScope, amzDate: string, canonical: string): string {
  return `${scope.algorithm ?? HMAC_ALGORITHM}\n${amzDate}\n${scopeText(scope, amzDate)}\n${hashOf(canonical)}`;
}

/** The signature of a string to sign, in hex: of a request, a chunk or a trailer. */
export function signText(
  text: string,
  credentials: SigningCredentials,
  scope: SigningScope,
  amzDate: string,
): string {
  return textSigner(credentials, scope, amzDate)(text);
}

/** The same for many texts of one request, with the key derived once. */
export function textSigner(
  credentials: SigningCredentials,
  scope: SigningScope,
  amzDate: string,
): (text: string) => string {
  if (scope.algorithm === ECDSA_ALGORITHM) {
    const key = ecdsaKeyOf(credentials);
    return (text) => signEcdsa(text, key);
  }
  const key = signingKey(credentials.secretAccessKey, scope, amzDate);
  return (text) => createHmac('sha256', key).update(text).digest('hex');
}

function signingKey(secret: Secret, scope: SigningScope, amzDate: string): Buffer {
  const steps = [amzDate.slice(0, 8), scope.region, scope.service, 'aws4_request'];
  return steps.reduce<Buffer>(
    (key, step) => createHmac('sha256', key).update(step).digest(),
    Buffer.from(`AWS4${secret.reveal()}`, 'utf8'),
  );
}
