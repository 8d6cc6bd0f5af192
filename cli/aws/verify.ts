// What the local proxy makes of a request before the agent sees it: the signature must be one with the keys of this proxy,
// and is taken off; what it was for is said in two headers. Headers that speak for the proxy are nobody else's to write.
import type { IncomingMessage } from 'node:http';
import type { AwsRequest, HeaderPair } from '#core/aws/canonical.ts';
import { awsFault } from '#core/aws/fault.ts';
import { payloadText } from '#core/aws/payload.ts';
import { RELAY_HOST_HEADER, RELAY_SCOPE_HEADER, writeRelayScope } from '#core/aws/relay.ts';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import { readSignature, withoutSignature, type ClaimedSignature } from '#core/aws/sigv4-read.ts';
import { verifySignature, type VerifiedSignature } from '#core/aws/sigv4-verify.ts';

export interface Verifier {
  readonly keys: SigningCredentials;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** A request for the agent. */
export interface RelayedRequest {
  readonly method: string;
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: readonly string[];
}

/** Of one hop, or of a proxy's own. */
const DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'upgrade',
]);
const OURS = 'x-gatehouse-';

export function awsRequestOf(request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>): AwsRequest {
  const headers: HeaderPair[] = [];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at] ?? '', request.rawHeaders[at + 1] ?? '']);
  }
  return { method: request.method ?? '', target: request.url ?? '', headers };
}

export const claimOf = (request: AwsRequest): ClaimedSignature => readSignature(request);

/** `bodyHash` is needed when the claim's payload is `body`. Throws as verifySignature. */
export function verifyClaim(
  request: AwsRequest,
  claim: ClaimedSignature,
  { keys, now }: Verifier,
  bodyHash?: string,
): VerifiedSignature {
  return verifySignature(request, claim, {
    now: now(),
    credentialsOf: (id) => (id === keys.accessKeyId ? keys : undefined),
    ...(bodyHash === undefined ? {} : { bodyHash }),
  });
}

/** The request without its signature, for `host`. */
export function relayed(
  request: AwsRequest,
  claim: ClaimedSignature,
  host: string,
  bodyHash?: string,
): RelayedRequest {
  const bare = withoutSignature(request);
  const { payload, scope, expires } = claim;
  const said = payload.kind === 'body' ? requireHash(bodyHash) : payloadText(payload, scope.algorithm);
  const about = { ...scope, payload: said, ...(expires === undefined ? {} : { expires }) };
  return {
    method: bare.method,
    path: bare.target,
    headers: headersFor(bare.headers, host, [RELAY_SCOPE_HEADER, writeRelayScope(about)]),
  };
}

/** The same for a request that carries no signature. */
export function relayedUnsigned(request: AwsRequest, host: string): RelayedRequest {
  return { method: request.method, path: request.target, headers: headersFor(request.headers, host, []) };
}

function headersFor(headers: readonly HeaderPair[], host: string, more: readonly string[]): string[] {
  const named = new Set(
    headers
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.split(',').map((word) => word.trim().toLowerCase())),
  );
  const kept = headers.filter(([name]) => {
    const key = name.toLowerCase();
    return key !== 'host' && !DROPPED.has(key) && !named.has(key) && !key.startsWith(OURS);
  });
  return ['host', host, ...kept.flat(), RELAY_HOST_HEADER, host, ...more];
}

function requireHash(hash: string | undefined): string {
  if (hash !== undefined) return hash;
  throw awsFault('INTERNAL', 'InternalFailure', 'the body was not read before it was verified');
}
