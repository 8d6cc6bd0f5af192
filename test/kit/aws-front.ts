// What moto leaves out of AWS: TLS, and the check of every signature with keys that it knows. It learns the keys of roles
// from the answers of STS, keeps what it saw, and can answer by itself instead of moto.
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { hashOf, headerOf, type AwsRequest } from '#core/aws/canonical.ts';
import { openChunkedDecoder, type ChunkedDecoder } from '#core/aws/chunked.ts';
import { awsErrorAnswer } from '#core/aws/error-answer.ts';
import { awsFault } from '#core/aws/fault.ts';
import { readSignature, type ClaimedSignature } from '#core/aws/sigv4-read.ts';
import { verifySignature, type VerifiedSignature } from '#core/aws/sigv4-verify.ts';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { startTlsServer } from './tls-server.ts';

/** A request whose signature was good. */
export interface SeenRequest {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
  readonly signature: ClaimedSignature;
  /** Bytes of the body, aws-chunked taken off; as of now. */
  length: number;
}

export type FrontHandler = (
  seen: SeenRequest,
  body: AsyncIterable<Uint8Array>,
  response: ServerResponse,
) => Promise<void> | void;

export interface AwsFront {
  readonly port: number;
  /** PEM of its certificate, for 127.0.0.1. */
  readonly authority: string;
  readonly seen: SeenRequest[];
  /** Refused requests, with the reason. */
  readonly refused: string[];
  /** Keys that are known, by id. */
  readonly keys: Map<string, SigningCredentials>;
  /** Upgrades, unverified; without a listener they are refused. */
  onUpgrade(listener: (request: IncomingMessage, socket: Duplex) => void): void;
  close(): Promise<void>;
}

export interface AwsFrontOptions {
  readonly keys?: readonly SigningCredentials[];
  /** Where good requests go; one of the two. */
  readonly moto?: number;
  readonly handle?: FrontHandler;
  /** Answers requests for these hosts without looking for a signature (sign-in). */
  readonly open?: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;
}

/** The caller closes it. */
export async function startAwsFront(options: AwsFrontOptions): Promise<AwsFront> {
  const keys = new Map((options.keys ?? []).map((one) => [one.accessKeyId, one]));
  const seen: SeenRequest[] = [];
  const refused: string[] = [];
  const handle = options.handle ?? toMoto(options.moto ?? 0, keys);
  const server = await startTlsServer((request, response) => {
    const open = options.open?.[request.headers.host ?? ''];
    if (open !== undefined) {
      open(request, response);
      return;
    }
    void serve(request, response, { keys, seen, handle }).catch((error: unknown) => {
      refused.push(`${request.method ?? ''} ${request.url ?? ''}: ${String(error)}`);
      sayError(error, request, response);
    });
  });
  return {
    port: server.port,
    authority: server.authority,
    seen,
    refused,
    keys,
    onUpgrade: (listener) => server.onUpgrade(listener),
    close: () => server.close(),
  };
}

interface Ground {
  readonly keys: ReadonlyMap<string, SigningCredentials>;
  readonly seen: SeenRequest[];
  readonly handle: FrontHandler;
}

async function serve(request: IncomingMessage, response: ServerResponse, ground: Ground): Promise<void> {
  const asked = askedOf(request);
  const claimed = readSignature(asked);
  const held = claimed.payload.kind === 'body' ? Buffer.concat(await allOf(request)) : undefined;
  const signature = verifySignature(asked, claimed, {
    now: Date.now(),
    credentialsOf: (id) => ground.keys.get(id),
    ...(held === undefined ? {} : { bodyHash: hashOf(held) }),
  });
  checkToken(asked, ground.keys.get(claimed.accessKeyId));
  const seen: SeenRequest = {
    method: asked.method,
    host: request.headers.host ?? '',
    target: asked.target,
    headers: request.headers,
    signature,
    length: 0,
  };
  ground.seen.push(seen);
  await ground.handle(seen, bodyOf(held === undefined ? request : [held], asked, signature, seen), response);
}

async function* bodyOf(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  asked: AwsRequest,
  signature: VerifiedSignature,
  seen: SeenRequest,
): AsyncGenerator<Uint8Array> {
  const { payload } = signature;
  const decoder = decoderOf(asked, signature);
  const hash = payload.kind === 'hash' ? createHash('sha256') : undefined;
  for await (const part of source)
    for (const piece of decoder === undefined ? [part] : decoder.push(part)) {
      seen.length += piece.length;
      hash?.update(piece);
      yield piece;
    }
  decoder?.end();
  if (payload.kind === 'hash' && hash?.digest('hex') !== payload.hash)
    throw awsFault('BAD_REQUEST', 'XAmzContentSHA256Mismatch', 'the hash of the body is another one');
}

function decoderOf(asked: AwsRequest, verified: VerifiedSignature): ChunkedDecoder | undefined {
  const { payload, scope, amzDate, signature: seed } = verified;
  if (payload.kind !== 'chunks') return undefined;
  const length = headerOf(asked.headers, 'x-amz-decoded-content-length');
  const check = (text: string, given: string): boolean => verified.check(text, given);
  return openChunkedDecoder({
    signed: payload.signed !== undefined,
    trailer: payload.trailer,
    ...(length === undefined ? {} : { length: Number(length) }),
    ...(payload.signed === undefined ? {} : { verify: { scope, amzDate, seed, check } }),
  });
}

/** Temporary keys are good with their token only. */
function checkToken(asked: AwsRequest, keys: SigningCredentials | undefined): void {
  const inQuery = /[?&]X-Amz-Security-Token=([^&]*)/.exec(asked.target)?.[1];
  const given = headerOf(asked.headers, 'x-amz-security-token') ?? (inQuery && decodeURIComponent(inQuery));
  if (given === keys?.sessionToken?.reveal()) return;
  throw awsFault('INVALID_CREDENTIALS', 'InvalidToken', 'the session token is missing or another one');
}

function toMoto(port: number, keys: Map<string, SigningCredentials>): FrontHandler {
  return async (seen, body, response) => {
    const dropped =
      /^(?:transfer-encoding|content-encoding|content-length|x-amz-trailer|x-amz-content-sha256|x-amz-decoded-content-length|x-amz-sdk-checksum-algorithm|expect|connection)$/;
    const length = String(
      seen.headers['x-amz-decoded-content-length'] ?? seen.headers['content-length'] ?? '',
    );
    const isChunked = seen.headers['x-amz-decoded-content-length'] !== undefined;
    const encoding = seen.headers['content-encoding'];
    const outgoing = httpRequest({
      host: '127.0.0.1',
      port,
      method: seen.method,
      path: seen.target,
      headers: {
        ...Object.fromEntries(Object.entries(seen.headers).filter(([name]) => !dropped.test(name))),
        ...(length === '' ? {} : { 'content-length': length }),
        ...(isChunked || encoding === undefined ? {} : { 'content-encoding': encoding }),
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve).once('error', reject);
    });
    for await (const piece of body) outgoing.write(piece);
    outgoing.end();
    const answer = await answered;
    const parts = await allOf(answer);
    if (seen.host.startsWith('sts.')) learn(Buffer.concat(parts).toString('utf8'), keys);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    for (const part of parts) response.write(part);
    response.end();
  };
}

async function allOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return parts;
}

function learn(text: string, keys: Map<string, SigningCredentials>): void {
  const [id, secret, token] = [
    /<AccessKeyId>([^<]+)</,
    /<SecretAccessKey>([^<]+)</,
    /<SessionToken>([^<]+)</,
  ].map((pattern) => pattern.exec(text)?.[1]);
  if (id === undefined || secret === undefined) return;
  keys.set(id, {
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    ...(token === undefined ? {} : { sessionToken: new Secret(token) }),
  });
}

function sayError(error: unknown, request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = isCode(error) ? error : new GatehouseError('INTERNAL', String(error));
  const { status, headers, body } = awsErrorAnswer(known, askedOf(request), {
    service: /s3/.test(request.headers.host ?? '') ? 's3' : undefined,
    requestId: 'front',
  });
  response.writeHead(status, headers.flat()).end(body);
}

function askedOf({ method = '', url = '', rawHeaders }: IncomingMessage): AwsRequest {
  const headers: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return { method, target: url, headers };
}
