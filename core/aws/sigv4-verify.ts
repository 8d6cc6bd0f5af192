// Verifying AWS requests: what the local proxy does with those of the person's programs. Beside the signer, because both
// must have one idea of the canonical form.
import { timingSafeEqual, type KeyObject } from 'node:crypto';
import {
  canonicalPath,
  canonicalQuery,
  canonicalRequest,
  EMPTY_PAYLOAD_HASH,
  queryPairs,
  splitTarget,
  type AwsRequest,
  type QueryPair,
} from './canonical.ts';
import { awsFault } from './fault.ts';
import { payloadText } from './payload.ts';
import { incomplete, readSignature, type ClaimedSignature } from './sigv4-read.ts';
import { ECDSA_ALGORITHM, stringToSign, textSigner, type SigningCredentials } from './sigv4.ts';
import { ecdsaKeyOf, verifyEcdsa } from './sigv4a.ts';

/** How far the clock of a signer may be off, in milliseconds: as at AWS. */
export const MAX_CLOCK_SKEW_MS = 15 * 60 * 1000;

export interface VerifiedSignature extends ClaimedSignature {
  /** Whether `signature` is one over `text` of the same key: for chunks and trailers. */
  check(text: string, signature: string): boolean;
}

export interface VerifyOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The keys of an access key id; undefined when it is not known. */
  credentialsOf(accessKeyId: string): SigningCredentials | undefined;
  /** SHA-256 in hex of the body; needed when the payload is `body` and there is one. */
  readonly bodyHash?: string;
}

/**
 * Reads and verifies in one step. Throws with `details.aws`: UNAUTHENTICATED (no or an incomplete signature),
 * INVALID_CREDENTIALS (unknown key, wrong signature, clock), BAD_REQUEST, NOT_SUPPORTED.
 */
export function verifyRequest(request: AwsRequest, options: VerifyOptions): VerifiedSignature {
  return verifySignature(request, readSignature(request), options);
}

/** Verifies what readSignature read; throws as verifyRequest. */
export function verifySignature(
  request: AwsRequest,
  claimed: ClaimedSignature,
  options: VerifyOptions,
): VerifiedSignature {
  const credentials = options.credentialsOf(claimed.accessKeyId);
  if (credentials === undefined)
    throw awsFault(
      'INVALID_CREDENTIALS',
      'InvalidClientTokenId',
      'the access key is not one of this proxy; use the AWS_ACCESS_KEY_ID that `gate` printed, and see that no ' +
        'AWS_PROFILE or credentials file comes first',
    );
  checkTime(claimed, options.now);
  checkCoverage(request, claimed);
  const check = checker(claimed, credentials);
  if (!canonicalForms(request, claimed, options).some((text) => check(text, claimed.signature)))
    throw awsFault(
      'INVALID_CREDENTIALS',
      'SignatureDoesNotMatch',
      'the signature does not match; check AWS_SECRET_ACCESS_KEY, and that nothing between changes the request',
    );
  return { ...claimed, check };
}

function checkTime(claimed: ClaimedSignature, now: number): void {
  const signed = timeOf(claimed.amzDate);
  const early = now < signed - MAX_CLOCK_SKEW_MS;
  const late = now > signed + (claimed.expires === undefined ? MAX_CLOCK_SKEW_MS : claimed.expires * 1000);
  if (claimed.expires !== undefined && late)
    throw awsFault('INVALID_CREDENTIALS', 'AccessDenied', 'the presigned request has expired', {
      expired: new Date(signed + claimed.expires * 1000).toISOString(),
    });
  if (early || late)
    throw awsFault(
      'INVALID_CREDENTIALS',
      'RequestTimeTooSkewed',
      `the request was signed at ${new Date(signed).toISOString()}, and here it is ${new Date(now).toISOString()}; ` +
        'set the clock of the machine that signs',
    );
}

function timeOf(amzDate: string): number {
  const [, y = '', mo = '', d = '', h = '', mi = '', s = ''] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(amzDate) ?? [];
  const time = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (Number.isNaN(time)) throw incomplete('the time of the signature is malformed');
  return time;
}

/** What AWS understands must be signed, so that nothing is put beside a signature. */
function checkCoverage(request: AwsRequest, claimed: ClaimedSignature): void {
  const covered = new Set([...claimed.signedHeaders, 'x-amz-content-sha256']);
  for (const [name] of request.headers) {
    const key = name.toLowerCase();
    if (key.startsWith('x-amz-') && !covered.has(key))
      throw awsFault('INVALID_CREDENTIALS', 'AccessDenied', `the header ${key} is not signed`);
  }
}

function checker(
  claimed: ClaimedSignature,
  credentials: SigningCredentials,
): (text: string, signature: string) => boolean {
  if (claimed.scope.algorithm === ECDSA_ALGORITHM) {
    const key: KeyObject = ecdsaKeyOf(credentials);
    return (text, signature) => verifyEcdsa(text, key, signature);
  }
  const sign = textSigner(credentials, claimed.scope, claimed.amzDate);
  return (text, signature) => {
    const expected = Buffer.from(sign(text));
    const got = Buffer.from(signature);
    return expected.length === got.length && timingSafeEqual(expected, got);
  };
}

/** The texts a signer may have signed: by the book, and with the address as it is on the wire. */
function canonicalForms(
  request: AwsRequest,
  claimed: ClaimedSignature,
  options: VerifyOptions,
): readonly string[] {
  const { path, query } = splitTarget(request.target);
  const payload = payloadOf(claimed, options);
  const paths = new Set([canonicalPath(path, claimed.scope.service), path]);
  const queries = new Set([unsigned(queryPairs(query)), unsigned(rawPairs(query))]);
  return [...paths].flatMap((one) =>
    [...queries].map((other) =>
      stringToSign(
        claimed.scope,
        claimed.amzDate,
        canonicalRequest(request.method, one, other, request.headers, claimed.signedHeaders, payload),
      ),
    ),
  );
}

function unsigned(pairs: readonly QueryPair[]): string {
  return canonicalQuery(pairs.filter(([name]) => name.toLowerCase() !== 'x-amz-signature'));
}

function rawPairs(query: string): readonly QueryPair[] {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const sign = part.indexOf('=');
      return sign < 0 ? ([part, ''] as const) : ([part.slice(0, sign), part.slice(sign + 1)] as const);
    });
}

function payloadOf(claimed: ClaimedSignature, options: VerifyOptions): string {
  if (claimed.payload.kind === 'body') return options.bodyHash ?? EMPTY_PAYLOAD_HASH;
  return payloadText(claimed.payload, claimed.scope.algorithm);
}
