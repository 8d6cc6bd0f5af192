// What leaves the server when something goes wrong: code, message and remedy of our own errors, and nothing at all
// of others. Apart from server.ts so that the table can be tested without sockets.
import type { Socket } from 'node:net';
import { CODES } from '#core/errors/codes.ts';
import { GatehouseError, isCode, toErrorBody, type ErrorBody } from '#core/errors/error.ts';

export interface ErrorReply {
  readonly status: number;
  readonly body: ErrorBody;
  /** True for errors that say nothing to the caller and therefore must be in the log. */
  readonly isOurs: boolean;
}

/** The framework's own refusals, by its codes. */
const FRAMEWORK: Readonly<Record<string, () => GatehouseError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new GatehouseError('TOO_LARGE', 'the body is larger than this call takes'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new GatehouseError('BAD_REQUEST', 'the body must be sent as content-type application/json'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new GatehouseError('BAD_REQUEST', 'the body is not as long as content-length says'),
  FST_ERR_BAD_URL: () => new GatehouseError('BAD_REQUEST', 'the path of the request is malformed'),
};

export function errorReply(error: unknown): ErrorReply {
  const known = isCode(error) ? error : FRAMEWORK[codeOf(error)]?.();
  const body = toErrorBody(known ?? error);
  return { status: CODES[body.code].status, body, isOurs: known !== undefined && body.code !== 'INTERNAL' };
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

const PARSER: Readonly<Record<string, () => GatehouseError>> = {
  HPE_HEADER_OVERFLOW: () => new GatehouseError('TOO_LARGE', 'the headers of the request are too large'),
  ERR_HTTP_REQUEST_TIMEOUT: () => new GatehouseError('BAD_REQUEST', 'the request took too long to arrive'),
};

/** Answers a connection whose bytes are not HTTP, and ends it: what would follow on it cannot be told apart. */
export function answerBrokenRequest(error: unknown, socket: Socket): void {
  const code = codeOf(error);
  // A handshake that failed or took too long has nothing to write on: the answer would wait for ever.
  const isHttp = code.startsWith('HPE_') || Object.hasOwn(PARSER, code);
  if (!isHttp || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = PARSER[code]?.() ?? new GatehouseError('BAD_REQUEST', 'the request is not valid HTTP/1.1');
  const body = JSON.stringify(toErrorBody(known));
  const head = [
    `HTTP/1.1 ${CODES[known.code].status} Refused`,
    'content-type: application/json',
    'cache-control: no-store',
    'connection: close',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
