// One request on its way to AWS: signed with the role's credentials, its body streamed in constant memory, the answer given
// back as it comes. Nothing is followed, nothing is kept.
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

import { headerOf, type AwsRequest, type HeaderPair } from '#core/aws/canonical.ts';
import { encodedLength, openChunkedEncoder, type ChunkedEncoder } from '#core/aws/chunked-encode.ts';
import { openChunkedDecoder } from '#core/aws/chunked.ts';
import { awsFault } from '#core/aws/fault.ts';
import { payloadText } from '#core/aws/payload.ts';
import { HMAC_ALGORITHM, presignRequest, signRequest, type SignedRequest } from '#core/aws/sigv4.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { pour } from '#wire/pour.ts';
import type { AwsCredentials } from '../../aws/credentials.ts';
import type { SigningWanted } from './destination.ts';
import type { AwsDialer } from './endpoints.ts';

/** How long a service is waited for that does not answer `Expect: 100-continue`; then the body is sent. */
const CONTINUE_MS = 1_000;

/** Of one hop, of a proxy, or of ours: not for AWS (S19). */
const DROPPED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'upgrade',
  'expect',
  'forwarded',
  'via',
  'x-real-ip',
  'host',
]);
const DROPPED_PREFIXES = ['x-gatehouse-', 'x-forwarded-'];

/** Headers of the person's request that AWS may see, with the host that it is for. */
export function headersForAws(request: AwsRequest, host: string): HeaderPair[] {
  const kept = request.headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !DROPPED.has(key) && !DROPPED_PREFIXES.some((prefix) => key.startsWith(prefix));
  });
  return [['Host', host], ...kept];
}

export function signFor(
  request: AwsRequest,
  credentials: AwsCredentials,
  signing: SigningWanted,
  date: number,
): SignedRequest {
  const { algorithm, service, region, expires } = signing;
  const options = { algorithm, service, region, date, payload: payloadText(signing.payload, algorithm) };
  return expires === undefined
    ? signRequest(request, credentials, options)
    : presignRequest(request, credentials, { ...options, expires });
}

export interface Exchange {
  readonly clock: Clock;
  readonly dialer: AwsDialer;
  readonly host: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly signed: SignedRequest;
  readonly signal: AbortSignal;
  /** A copy of the body's pieces as the person sent them, and a sign of life. */
  seen(piece: Uint8Array): void;
}

export interface RequestBody {
  /** Undefined: there is none. */
  readonly stream: Readable | undefined;
  /** Headers with the framing that the body needs. */
  readonly headers: readonly HeaderPair[];
}

/** What of the body must be written anew: chunks with signatures get those of the new key. */
export function bodyFor(
  { request, seen }: Pick<Exchange, 'request' | 'seen'>,
  asked: AwsRequest,
  signed: SignedRequest,
  renew: { readonly signing: SigningWanted; readonly credentials: AwsCredentials } | undefined,
): RequestBody {
  const payload = renew?.signing.payload;
  if (renew === undefined || payload?.kind !== 'chunks' || payload.signed === undefined)
    return { stream: hasBody(asked) ? request : undefined, headers: signed.headers };
  const { algorithm, service, region } = renew.signing;
  const text = headerOf(asked.headers, 'x-amz-decoded-content-length') ?? '';
  if (!/^\d{1,15}$/.test(text))
    throw awsFault('BAD_REQUEST', 'MissingContentLength', 'x-amz-decoded-content-length is missing');
  const length = Number(text);
  const encoder = openChunkedEncoder({
    trailer: payload.trailer,
    sign: {
      scope: { algorithm, service, region },
      amzDate: signed.amzDate,
      seed: signed.signature,
      credentials: renew.credentials,
    },
  });
  const decoder = { signed: true, trailer: payload.trailer, length };
  const framing: HeaderPair =
    payload.trailer || algorithm !== HMAC_ALGORITHM
      ? ['Transfer-Encoding', 'chunked']
      : ['Content-Length', String(encodedLength(length, true))];
  const rest = signed.headers.filter(([name]) => !/^(?:content-length|transfer-encoding)$/i.test(name));
  return {
    stream: Readable.from(rechunked({ request, seen }, decoder, encoder), { objectMode: false }),
    headers: [...rest, framing],
  };
}

function hasBody({ headers }: AwsRequest): boolean {
  const length = headerOf(headers, 'content-length');
  return (length !== undefined && length !== '0') || headerOf(headers, 'transfer-encoding') !== undefined;
}

async function* rechunked(
  { request, seen }: Pick<Exchange, 'request' | 'seen'>,
  options: { readonly signed: boolean; readonly trailer: boolean; readonly length: number },
  encoder: ChunkedEncoder,
): AsyncGenerator<Uint8Array> {
  const decoder = openChunkedDecoder(options);
  for await (const part of request as AsyncIterable<Uint8Array>) {
    seen(part);
    for (const data of decoder.push(part)) yield* encoder.push(data);
  }
  decoder.end();
  yield* encoder.end(decoder.trailers);
}

/** Sends it and gives the answer back. Resolves with the status; throws when nothing was given back yet. */
export async function exchangeWithAws(exchange: Exchange, body: RequestBody): Promise<number> {
  const { request, response } = exchange;
  const answer = await answerTo(exchange, body);
  const status = answer.statusCode ?? 502;
  response.sendDate = false;
  response.writeHead(status, answer.statusMessage, answerHeaders(answer.rawHeaders));
  await pour(answer, response);
  if (body.stream !== undefined && !request.complete) request.destroy();
  return status;
}

async function answerTo(exchange: Exchange, body: RequestBody): Promise<IncomingMessage> {
  const first = await attempt(exchange, body);
  if (!(first instanceof Stale)) return first;
  const second = await attempt(exchange, body);
  if (second instanceof Stale) throw unreachable(exchange.host, second.cause);
  return second;
}

/** The connection had been closed by AWS meanwhile, and nothing of a body was sent on it. */
class Stale {
  readonly cause: unknown;
  constructor(cause: unknown) {
    this.cause = cause;
  }
}

async function attempt(exchange: Exchange, body: RequestBody): Promise<IncomingMessage | Stale> {
  const { dialer, host, signed, signal, request, response } = exchange;
  const expects = body.stream !== undefined && request.headers.expect?.toLowerCase() === '100-continue';
  const headers = expects ? [...body.headers, ['Expect', '100-continue'] as const] : body.headers;
  const outgoing = dialer.request(host, {
    method: signed.method,
    path: signed.target,
    headers: headers.flat(),
    setHost: false,
    signal,
  });
  const gone = (): void => void outgoing.destroy();
  response.once('close', gone);
  const answered = answerOf(outgoing);
  try {
    if (expects) await mayContinue(outgoing, answered, exchange);
    if (body.stream === undefined) outgoing.end();
    else await Promise.race([send(body.stream, outgoing, exchange), answered]);
    return await answered;
  } catch (error) {
    if (body.stream === undefined && outgoing.reusedSocket && isReset(error)) return new Stale(error);
    throw unreachable(host, error);
  }
}

async function send(body: Readable, outgoing: ClientRequest, { request, seen }: Exchange): Promise<void> {
  // A body that is written anew tells of its pieces itself: a second reader would take them away.
  if (body === request) request.on('data', seen);
  try {
    await pour(body, outgoing);
  } finally {
    request.off('data', seen);
  }
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
    outgoing.once('close', () => reject(new Error('the connection was closed')));
  });
  answered.catch(() => {});
  return answered;
}

/** Waits until the service wants the body, has refused it, or says nothing. */
async function mayContinue(
  outgoing: ClientRequest,
  answered: Promise<IncomingMessage>,
  { response, clock }: Exchange,
): Promise<void> {
  outgoing.flushHeaders();
  let timer: Timer | undefined;
  const silent = new Promise<void>((resolve) => {
    timer = clock.after(CONTINUE_MS, resolve);
  });
  const wanted = new Promise<void>((resolve) => outgoing.once('continue', resolve));
  try {
    const early = await Promise.race([wanted, silent, answered]);
    if (early === undefined) response.writeContinue();
  } finally {
    timer?.cancel();
  }
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function unreachable(host: string, error: unknown): Error {
  if (isCode(error)) return error;
  const why = error instanceof Error ? error.message : 'failed';
  return awsFault('UNAVAILABLE', 'ServiceUnavailable', `${host} cannot be reached by the agent: ${why}`);
}

const HOPS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);

/** Flat, as node:http takes them. */
export function answerHeaders(raw: readonly string[]): string[] {
  return raw.filter((_, at) => !HOPS.has((raw[at - (at % 2)] ?? '').toLowerCase()));
}
