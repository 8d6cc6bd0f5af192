// Reading the signature of an AWS request, in the headers or in the query, before anything of it is proved; and taking it
// off. Apart from sigv4-verify.ts, which decides whether it is good.
import type { GatehouseError } from '../errors/error.ts';
import {
  decoded,
  headerOf,
  joinQuery,
  queryPairs,
  splitTarget,
  type AwsRequest,
  type QueryPair,
} from './canonical.ts';
import { awsFault } from './fault.ts';
import { readPayload, type AwsPayload } from './payload.ts';
import {
  ECDSA_ALGORITHM,
  HMAC_ALGORITHM,
  isSignatureParameter,
  MAX_PRESIGNED_SECONDS,
  type SigningAlgorithm,
  type SigningScope,
} from './sigv4.ts';

const MAX_SIGNED_HEADERS = 64;

/** What a request says of its signature; nothing of it is proved. */
export interface ClaimedSignature {
  readonly accessKeyId: string;
  readonly scope: SigningScope & { readonly algorithm: SigningAlgorithm };
  readonly amzDate: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payload: AwsPayload;
  /** Seconds a presigned request lives; undefined when the signature is in the headers. */
  readonly expires?: number;
}

/** Reads the signature of either form. Look at `payload` to know whether the body must be hashed before verifying. */
export function readSignature(request: AwsRequest): ClaimedSignature {
  const pairs = queryPairs(splitTarget(request.target).query);
  const authorization = request.headers.filter(([name]) => name.toLowerCase() === 'authorization');
  const presigned = pairs.some(([name]) => name.toLowerCase() === 'x-amz-algorithm');
  if (authorization.length > 1 || (authorization.length === 1 && presigned))
    throw awsFault('BAD_REQUEST', 'InvalidRequest', 'the request has more than one signature');
  const [header] = authorization;
  if (header !== undefined) return readHeader(request, header[1]);
  if (presigned) return readQuery(request, pairs);
  throw awsFault(
    'UNAUTHENTICATED',
    'MissingAuthenticationToken',
    'the request is not signed; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to what `gate proxy aws` printed, ' +
      'and do not use --no-sign-request',
  );
}

function readHeader(request: AwsRequest, text: string): ClaimedSignature {
  const match = /^(AWS4-[A-Z0-9-]{1,40}) +(.{1,4096})$/.exec(text.trim());
  if (match === null) throw incomplete('the Authorization header is not one of Signature Version 4');
  const parts = new Map<string, string>();
  for (const part of (match[2] ?? '').split(',')) {
    const sign = part.indexOf('=');
    const name = part.slice(0, Math.max(sign, 0)).trim();
    if (parts.has(name)) throw incomplete('the Authorization header says something twice');
    parts.set(name, part.slice(sign + 1).trim());
  }
  return claimOf({
    request,
    algorithm: match[1] ?? '',
    credential: parts.get('Credential'),
    signedHeaders: parts.get('SignedHeaders'),
    signature: parts.get('Signature'),
    amzDate: headerOf(request.headers, 'x-amz-date') ?? httpDate(headerOf(request.headers, 'date')),
    regionSet: headerOf(request.headers, 'x-amz-region-set'),
  });
}

function httpDate(text: string | undefined): string | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  if (Number.isNaN(time)) return undefined;
  return `${new Date(time).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '')}Z`;
}

function readQuery(request: AwsRequest, pairs: readonly QueryPair[]): ClaimedSignature {
  const values = signatureParameters(pairs);
  const expires = expiresOf(values.get('x-amz-expires'));
  const claimed = claimOf({
    request,
    algorithm: values.get('x-amz-algorithm') ?? '',
    credential: values.get('x-amz-credential'),
    signedHeaders: values.get('x-amz-signedheaders'),
    signature: values.get('x-amz-signature'),
    amzDate: values.get('x-amz-date'),
    regionSet: values.get('x-amz-region-set'),
    contentHash: pairs.find(([name]) => name.toLowerCase() === 'x-amz-content-sha256')?.[1],
  });
  // Presigned requests to S3 leave the body open; those to others are signed with the body's hash.
  const open = claimed.payload.kind === 'body' && isS3(claimed.scope.service);
  return { ...claimed, ...(open ? { payload: { kind: 'unsigned' } } : {}), expires };
}

function signatureParameters(pairs: readonly QueryPair[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    if (!isSignatureParameter(key)) continue;
    if (values.has(key)) throw incomplete(`the address has ${name} twice`);
    values.set(key, decoded(value ?? ''));
  }
  return values;
}

function expiresOf(text: string | undefined): number {
  const expires = Number(text ?? Number.NaN);
  if (!Number.isInteger(expires) || expires < 1 || expires > MAX_PRESIGNED_SECONDS)
    throw incomplete(`X-Amz-Expires must be 1 to ${MAX_PRESIGNED_SECONDS} seconds`);
  return expires;
}

interface RawClaim {
  readonly request: AwsRequest;
  readonly algorithm: string;
  readonly credential: string | undefined;
  readonly signedHeaders: string | undefined;
  readonly signature: string | undefined;
  readonly amzDate: string | undefined;
  readonly regionSet: string | undefined;
  readonly contentHash?: string | undefined;
}

function claimOf(raw: RawClaim): ClaimedSignature {
  const { algorithm, amzDate = '', signature = '' } = raw;
  if (algorithm !== HMAC_ALGORITHM && algorithm !== ECDSA_ALGORITHM)
    throw awsFault('NOT_SUPPORTED', 'InvalidRequest', 'the signature is not of SigV4 or SigV4A');
  if (!/^\d{8}T\d{6}Z$/.test(amzDate)) throw incomplete('the time of the signature is missing or malformed');
  if (!/^[0-9a-f]{16,144}$/.test(signature)) throw incomplete('the signature is missing or malformed');
  const { accessKeyId, day, region, service } = credentialOf(raw, algorithm);
  if (day !== amzDate.slice(0, 8)) throw incomplete('the day of the credential is not that of the signature');
  const given = headerOf(raw.request.headers, 'x-amz-content-sha256') ?? raw.contentHash;
  return {
    accessKeyId,
    scope: { algorithm, region, service },
    amzDate,
    signedHeaders: signedHeadersOf(raw.signedHeaders),
    signature,
    payload: readPayload(given),
  };
}

function isS3(service: string): boolean {
  return service === 's3' || service.startsWith('s3-') || service === 's3express';
}

const HMAC_CREDENTIAL = /^(\w{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request$/;
const ECDSA_CREDENTIAL = /^(\w{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/aws4_request$/;

function credentialOf(
  raw: RawClaim,
  algorithm: SigningAlgorithm,
): { accessKeyId: string; day: string; region: string; service: string } {
  const regional = algorithm === HMAC_ALGORITHM;
  const match = (regional ? HMAC_CREDENTIAL : ECDSA_CREDENTIAL).exec(raw.credential ?? '');
  if (match === null) throw incomplete('the credential of the signature is malformed');
  const [, accessKeyId = '', day = '', third = '', fourth = ''] = match;
  if (regional) return { accessKeyId, day, region: third, service: fourth };
  const region = raw.regionSet ?? '';
  if (!/^[a-z0-9*,-]{1,256}$/.test(region)) throw incomplete('the set of regions is missing or malformed');
  return { accessKeyId, day, region, service: third };
}

function signedHeadersOf(text: string | undefined): readonly string[] {
  const names = (text ?? '').split(';');
  if (
    names.length > MAX_SIGNED_HEADERS ||
    names.some((name) => !/^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name))
  )
    throw incomplete('the list of signed headers is malformed');
  if (!names.includes('host')) throw incomplete('the signature does not cover the Host header');
  return names;
}

/** The request without its signature: headers and parameters that the next signer writes anew are gone. */
export function withoutSignature(request: AwsRequest): AwsRequest {
  const { path, query } = splitTarget(request.target);
  const pairs = queryPairs(query);
  const presigned = pairs.some(([name]) => name.toLowerCase() === 'x-amz-algorithm');
  const kept = presigned ? pairs.filter(([name]) => !isSignatureParameter(name)) : undefined;
  const rest = kept === undefined ? query : joinQuery(kept);
  return {
    method: request.method,
    target: rest === '' ? path : `${path}?${rest}`,
    headers: request.headers.filter(([name]) => !SIGNATURE_HEADERS.has(name.toLowerCase())),
  };
}

const SIGNATURE_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-region-set',
]);

/** UNAUTHENTICATED with the name that SDKs know. */
export function incomplete(message: string): GatehouseError {
  return awsFault('UNAUTHENTICATED', 'IncompleteSignature', message);
}
