// What a client of an AWS application is told when it gets no answer of AWS: programs in the form of their protocol, people
// a page. Apart from the engine, which only knows that something failed.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { headerOf, type AwsRequest } from '#core/aws/canonical.ts';
import { awsErrorAnswer } from '#core/aws/error-answer.ts';
import { parseAwsHost } from '#core/aws/endpoints.ts';
import { RELAY_HOST_HEADER } from '#core/aws/relay.ts';
import { GatehouseError, isCode, toErrorBody } from '#core/errors/error.ts';
import { escapeHtml } from '#wire/http1/problem.ts';

/** Answers, or breaks an answer off that has begun: what came must not be taken for the whole. */
export function sayError(
  error: unknown,
  asked: AwsRequest,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (!request.complete) response.shouldKeepAlive = false;
  const host = headerOf(asked.headers, RELAY_HOST_HEADER);
  if (host === undefined) sayToPerson(known(error), asked, response);
  else sayToProgram(known(error), asked, response, parseAwsHost(host)?.service);
}

function known(error: unknown): GatehouseError {
  return isCode(error) ? error : new GatehouseError('INTERNAL', 'the request could not be handled');
}

function sayToProgram(
  error: GatehouseError,
  asked: AwsRequest,
  response: ServerResponse,
  service: string | undefined,
): void {
  const { status, headers, body } = awsErrorAnswer(error, asked, { service, requestId: randomUUID() });
  response.writeHead(status, headers.flat()).end(body);
}

function sayToPerson(error: GatehouseError, asked: AwsRequest, response: ServerResponse): void {
  const { status } = error.info;
  const isPage = /\btext\/html\b/.test(headerOf(asked.headers, 'accept') ?? '');
  const text = isPage ? page(error) : JSON.stringify(toErrorBody(error));
  response
    .writeHead(status, {
      'content-type': isPage ? 'text/html; charset=utf-8' : 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
    .end(text);
}

function page({ message, info, code }: GatehouseError): string {
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AWS: no access</title></head>' +
    `<body><main><h1>AWS: no access</h1><p>${escapeHtml(message)}</p><p>${escapeHtml(info.remedy)}</p>` +
    `<p><small>${code}</small></p></main></body></html>`
  );
}

/** For a connection on which no answer was begun, such as an upgrade. */
export function sayErrorOn(socket: Duplex, error: unknown): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { info, message } = isCode(error)
    ? error
    : new GatehouseError('BAD_REQUEST', 'the request is malformed');
  const body = Buffer.from(`Gatehouse: ${message}\n`);
  const head =
    `HTTP/1.1 ${info.status} ${info.status === 400 ? 'Bad Request' : 'Refused'}\r\ncontent-type: text/plain; charset=utf-8\r\n` +
    `content-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
}
