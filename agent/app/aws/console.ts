// The console of AWS: whoever opens the application is sent there, signed in with the role. AWS gives sessions of its own
// length; where that is shorter than the login, the person is told, and opening it again renews it.
import type { ServerResponse } from 'node:http';
import type { AwsRequest } from '#core/aws/canonical.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { escapeHtml } from '#wire/http1/problem.ts';
import type { AwsCredentials } from '../../aws/credentials.ts';
import type { AwsDialer } from './endpoints.ts';
import { fetchText } from './fetch.ts';
import type { Visit } from './visit.ts';

/** A session shorter than the login by more than this is worth saying. */
const NOTICE_MS = 10 * 60_000;
const NOTICE_SECONDS = 6;

export interface ConsoleGround {
  readonly dialer: AwsDialer;
}

/** Throws UNAVAILABLE, AWS_REFUSED, or INVALID_CREDENTIALS when the login ends within 15 minutes. */
export async function openConsole(
  ground: ConsoleGround,
  visit: Visit,
  asked: AwsRequest,
  response: ServerResponse,
): Promise<void> {
  if (asked.method !== 'GET')
    throw new GatehouseError(
      'BAD_REQUEST',
      'this application leads to the console of AWS; programs use `gate aws`',
    );
  const credentials = await visit.ownCredentials();
  const address = await signInAddress(ground, visit, credentials);
  const notice = noticeOf(visit, credentials);
  visit.record({
    method: 'GET',
    path: '/',
    raw_query: '',
    status_code: notice === undefined ? 302 : 200,
    aws_host: visit.partition.signinHost,
    aws_service: 'signin',
    aws_action: 'ConsoleLogin',
  });
  const headers = {
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...(notice === undefined ? {} : { 'x-gatehouse-notice': notice }),
  };
  if (notice === undefined) {
    response.writeHead(302, { ...headers, location: address, 'content-length': '0' }).end();
    return;
  }
  const page = noticePage(notice, address);
  response
    .writeHead(200, {
      ...headers,
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(page)),
    })
    .end(page);
}

async function signInAddress(
  { dialer }: ConsoleGround,
  visit: Visit,
  credentials: AwsCredentials,
): Promise<string> {
  const { signinHost } = visit.partition;
  const session = JSON.stringify({
    sessionId: credentials.accessKeyId,
    sessionKey: credentials.secretAccessKey.reveal(),
    sessionToken: credentials.sessionToken?.reveal() ?? '',
  });
  const query = new URLSearchParams({ Action: 'getSigninToken', Session: session }).toString();
  const { status, text } = await fetchText(dialer, signinHost, {
    method: 'GET',
    path: `/federation?${query}`,
    signal: visit.signal,
  });
  const token = tokenIn(text);
  if (status !== 200 || token === undefined)
    throw new GatehouseError(
      status >= 400 && status < 500 ? 'AWS_REFUSED' : 'UNAVAILABLE',
      `the sign-in of AWS (${signinHost}) gave no token (status ${status}); try again`,
    );
  const issuer = visit.connection.identity.route_to_app?.public_addr;
  const login = new URLSearchParams({
    Action: 'login',
    ...(issuer === undefined || issuer === '' ? {} : { Issuer: `https://${issuer}/` }),
    Destination: visit.app.spec.uri,
    SigninToken: token,
  });
  return `https://${signinHost}/federation?${login.toString()}`;
}

function tokenIn(text: string): string | undefined {
  try {
    const { SigninToken: token } = JSON.parse(text) as { SigninToken?: unknown };
    return typeof token === 'string' && token.length > 0 && token.length <= 16_384 ? token : undefined;
  } catch {
    return undefined;
  }
}

function noticeOf({ connection }: Visit, { expires }: AwsCredentials): string | undefined {
  if (expires === undefined || expires > connection.validBefore - NOTICE_MS) return undefined;
  return (
    `AWS ends this console session at ${new Date(expires).toISOString().slice(0, 16).replace('T', ' ')} UTC, ` +
    'before your login does; open the application again to renew it.'
  );
}

function noticePage(notice: string, address: string): string {
  const to = escapeHtml(address);
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AWS console</title>' +
    `<meta http-equiv="refresh" content="${NOTICE_SECONDS};url=${to}"></head>` +
    `<body><main><h1>AWS console</h1><p role="status">${escapeHtml(notice)}</p>` +
    `<p><a rel="noreferrer" href="${to}">Continue to the console</a></p></main></body></html>`
  );
}
