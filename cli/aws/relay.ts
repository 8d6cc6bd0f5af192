// One request of a program on this machine: verified, sent to the agent, its answer given back. Bodies stream both ways;
// signed chunks are checked as they pass, and a chunk that was tampered with ends the request before it is whole.
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openChunkedDecoder, type ChunkedDecoder } from '#core/aws/chunked.ts';
import { EMPTY_PAYLOAD_HASH, headerOf, type AwsRequest } from '#core/aws/canonical.ts';
import { awsFault } from '#core/aws/fault.ts';
import type { VerifiedSignature } from '#core/aws/sigv4-verify.ts';
import { pour } from '#wire/pour.ts';
import { splice } from '#wire/splice.ts';
import type { HttpPool } from '../target/http-pool.ts';
import { holdBody } from './held-body.ts';
import {
  awsRequestOf,
  claimOf,
  relayed,
  relayedUnsigned,
  verifyClaim,
  type RelayedRequest,
  type Verifier,
} from './verify.ts';
import { headText, withoutHeaders } from '../target/raw-http.ts';

export interface RelayOptions {
  readonly pool: HttpPool;
  readonly verifier: Verifier;
  /** The endpoint of AWS that a verified request is for; throws when there is none. */
  hostOf(request: AwsRequest, signature: VerifiedSignature): string;
}

/** Throws what the program should be told; the caller answers when nothing was sent yet, else destroys the response. */
export async function relayRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RelayOptions,
): Promise<void> {
  const asked = awsRequestOf(request);
  const claim = claimOf(asked);
  if (claim.payload.kind === 'body') return relayHeld(request, response, asked, options);
  const signature = verifyClaim(asked, claim, options.verifier);
  const to = relayed(asked, claim, options.hostOf(asked, signature));
  const decoder = decoderOf(asked, signature);
  const body =
    decoder === undefined ? request : Readable.from(checked(request, decoder), { objectMode: false });
  await exchange({ to, body, request, response, pool: options.pool });
}

/** The signature covers the hash of a body that says none: it is read first. */
async function relayHeld(
  request: IncomingMessage,
  response: ServerResponse,
  asked: AwsRequest,
  { pool, verifier, hostOf }: RelayOptions,
): Promise<void> {
  const claim = claimOf(asked);
  // A signature that cannot be good is not worth a body of 512 MiB.
  requireOurs(claim.accessKeyId, verifier);
  if (expectsContinue(request)) response.writeContinue();
  const held = await holdBody(request);
  try {
    const signature = verifyClaim(asked, claim, verifier, held.hash);
    const { headers, ...to } = relayed(asked, claim, hostOf(asked, signature), held.hash);
    const framed = [...withoutFraming(headers), 'content-length', String(held.length)];
    const body = Readable.from(held.read(), { objectMode: false });
    await exchange({ to: { ...to, headers: framed }, body, response, pool });
  } finally {
    await held.close();
  }
}

function requireOurs(accessKeyId: string, { keys }: Verifier): void {
  if (accessKeyId === keys.accessKeyId) return;
  throw awsFault(
    'INVALID_CREDENTIALS',
    'InvalidClientTokenId',
    'the access key is not one of this proxy; use the AWS_ACCESS_KEY_ID that `gate` printed',
  );
}

function decoderOf(request: AwsRequest, signature: VerifiedSignature): ChunkedDecoder | undefined {
  const { payload, scope, amzDate, signature: seed } = signature;
  if (payload.kind !== 'chunks' || payload.signed === undefined) return undefined;
  const length = headerOf(request.headers, 'x-amz-decoded-content-length');
  return openChunkedDecoder({
    signed: true,
    trailer: payload.trailer,
    ...(length !== undefined && /^\d{1,15}$/.test(length) ? { length: Number(length) } : {}),
    verify: { scope, amzDate, seed, check: (text, given) => signature.check(text, given) },
  });
}

async function* checked(source: AsyncIterable<Buffer>, decoder: ChunkedDecoder): AsyncGenerator<Buffer> {
  for await (const part of source) {
    decoder.push(part);
    yield part;
  }
  decoder.end();
}

interface Exchange {
  readonly to: RelayedRequest;
  readonly body: Readable;
  /** When the program waits to be told to go on. */
  readonly request?: IncomingMessage;
  readonly response: ServerResponse;
  readonly pool: HttpPool;
}

async function exchange({ to, body, request, response, pool }: Exchange): Promise<void> {
  const outgoing = pool.request(to);
  const gone = (): void => void outgoing.destroy();
  response.once('close', gone);
  try {
    const answered = answerOf(outgoing);
    if (request !== undefined && expectsContinue(request)) {
      const isWanted = await Promise.race([continued(outgoing), answered.then(() => false)]);
      if (isWanted) response.writeContinue();
      else body.resume();
    }
    const sent = pour(body, outgoing);
    // An answer may come before all was sent, and then what is left of the body is nobody's.
    const answer = await Promise.race([answered, sent.then(() => answered)]).catch(async (error: unknown) => {
      await sent.catch(() => undefined);
      throw error;
    });
    sent.catch(() => undefined);
    await giveBack(answer, response);
  } finally {
    response.off('close', gone);
    body.destroy();
  }
}

const expectsContinue = ({ headers }: IncomingMessage): boolean =>
  headers.expect?.toLowerCase() === '100-continue';

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', (cause) => reject(unreachable(cause)));
    outgoing.once('close', () => reject(unreachable(undefined)));
  });
  answered.catch(() => undefined);
  return answered;
}

const continued = (outgoing: ClientRequest): Promise<boolean> =>
  new Promise((resolve) => outgoing.once('continue', () => resolve(true)));

/** Retried by every SDK. */
function unreachable(cause: unknown): Error {
  if (cause instanceof Error && 'code' in cause && 'details' in cause) return cause;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return awsFault('UNAVAILABLE', 'ServiceUnavailable', `the proxy ended the connection${why}`);
}

async function giveBack(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHops(answer.rawHeaders));
  await pour(answer, response);
}

const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'expect']);
const HOPS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection']);

const withoutFraming = (headers: readonly string[]): string[] => withoutHeaders(headers, FRAMING);
const withoutHops = (headers: readonly string[]): string[] => withoutHeaders(headers, HOPS);

/** An upgrade, such as the WebSocket of a session: verified when it is signed, and then the two ends are joined. */
export async function relayUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { pool, verifier, host }: { readonly pool: HttpPool; readonly verifier: Verifier; readonly host: string },
): Promise<void> {
  const asked = awsRequestOf(request);
  const to = isSigned(asked) ? verified(asked, verifier, host) : relayedUnsigned(asked, host);
  const upgrade = ['connection', 'Upgrade', 'upgrade', request.headers.upgrade ?? 'websocket'];
  const outgoing = pool.request({ ...to, headers: [...to.headers, ...upgrade], isAlone: true });
  const { answer, far } = await upgraded(outgoing);
  socket.write(headText(answer));
  if (far === undefined) {
    await pipeline(answer, socket);
    return;
  }
  if (head.length > 0) socket.unshift(head);
  splice(socket, far);
}

function verified(asked: AwsRequest, verifier: Verifier, host: string): RelayedRequest {
  const claim = claimOf(asked);
  verifyClaim(asked, claim, verifier);
  // It has no body, and all services but S3 want the hash of that.
  return relayed(asked, claim, host, EMPTY_PAYLOAD_HASH);
}

const isSigned = ({ headers, target }: AwsRequest): boolean =>
  headers.some(([name]) => name.toLowerCase() === 'authorization') || /[?&]X-Amz-Algorithm=/i.test(target);

function upgraded(outgoing: ClientRequest): Promise<{ answer: IncomingMessage; far?: Duplex }> {
  return new Promise((resolve, reject) => {
    outgoing.once('upgrade', (answer, far, head) => {
      if (head.length > 0) far.unshift(head);
      resolve({ answer, far });
    });
    outgoing.once('response', (answer) => resolve({ answer }));
    outgoing.once('error', (cause) => reject(unreachable(cause)));
    outgoing.end();
  });
}
