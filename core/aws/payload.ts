// What a signature says of the body, by x-amz-content-sha256. Apart because signer, verifier and both ends of a relay
// decide by it how a body may stream.
import { awsFault } from './fault.ts';
import { ECDSA_ALGORITHM, HMAC_ALGORITHM, type SigningAlgorithm } from './sigv4.ts';

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

export type AwsPayload =
  /** SHA-256 in hex of the whole body. */
  | { readonly kind: 'hash'; readonly hash: string }
  | { readonly kind: 'unsigned' }
  /** aws-chunked; each chunk signed with `signed`, or none when it is undefined. */
  | { readonly kind: 'chunks'; readonly signed?: SigningAlgorithm; readonly trailer: boolean }
  /** Nothing was said: the signature covers the hash of the body, which is yet to be computed. */
  | { readonly kind: 'body' };

const CONSTANTS: Readonly<Record<string, AwsPayload>> = {
  [UNSIGNED_PAYLOAD]: { kind: 'unsigned' },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { kind: 'chunks', trailer: true },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { kind: 'chunks', signed: HMAC_ALGORITHM, trailer: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { kind: 'chunks', signed: HMAC_ALGORITHM, trailer: true },
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD': { kind: 'chunks', signed: ECDSA_ALGORITHM, trailer: false },
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER': {
    kind: 'chunks',
    signed: ECDSA_ALGORITHM,
    trailer: true,
  },
};

/** Reads x-amz-content-sha256. Throws NOT_SUPPORTED for ways of streaming that nobody here speaks. */
export function readPayload(value: string | undefined): AwsPayload {
  if (value === undefined) return { kind: 'body' };
  if (/^[0-9a-f]{64}$/.test(value)) return { kind: 'hash', hash: value };
  const known = Object.hasOwn(CONSTANTS, value) ? CONSTANTS[value] : undefined;
  if (known !== undefined) return known;
  if (value.startsWith('STREAMING-'))
    throw awsFault(
      'NOT_SUPPORTED',
      'NotImplemented',
      'this way of streaming a signed body is not supported; event streams need credentials of their own, ' +
        'which `gate aws credential-process` gives',
    );
  throw awsFault(
    'BAD_REQUEST',
    'InvalidRequest',
    'x-amz-content-sha256 is neither a SHA-256 in hex nor a known constant',
  );
}

/** The value of x-amz-content-sha256 for a payload that another algorithm signs. */
export function payloadText(
  payload: Exclude<AwsPayload, { kind: 'body' }>,
  algorithm: SigningAlgorithm,
): string {
  if (payload.kind === 'hash') return payload.hash;
  if (payload.kind === 'unsigned') return UNSIGNED_PAYLOAD;
  if (payload.signed === undefined) return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  return `STREAMING-${algorithm}-PAYLOAD${payload.trailer ? '-TRAILER' : ''}`;
}
