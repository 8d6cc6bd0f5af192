// Calls of AWS's APIs that came by a local proxy of `gate`: judged, signed with the role, sent, and put on record. Each that
// is forwarded has an event, however it ends (S35).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { splitTarget, type AwsRequest } from '#core/aws/canonical.ts';
import type { Clock } from '#core/clock.ts';
import { parseAwsHost } from '#core/aws/endpoints.ts';
import { awsFault } from '#core/aws/fault.ts';
import { openActionReader } from './action.ts';
import { destinationOf, type Destination } from './destination.ts';
import type { AwsDialer } from './endpoints.ts';
import { bodyFor, exchangeWithAws, headersForAws, signFor } from './outgoing.ts';
import type { Visit } from './visit.ts';

const MAX_TEXT = 2048;

export interface ApiGround {
  readonly dialer: AwsDialer;
  readonly clock: Clock;
}

/** Throws what the client should be told when nothing was answered yet; otherwise ends the answer as broken. */
export async function relayApi(
  ground: ApiGround,
  visit: Visit,
  asked: AwsRequest,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  const destination = destinationOf(asked, visit.partition);
  const { host, signing } = destination;
  if (signing === undefined)
    throw awsFault('BAD_REQUEST', 'InvalidRequest', 'the request must be an upgrade');
  const reader = openActionReader(asked, parseAwsHost(host)?.service ?? '');
  let status = 0;
  try {
    const credentials = await visit.credentials();
    const bare = { method: asked.method, target: asked.target, headers: headersForAws(asked, host) };
    const signed = signFor(bare, credentials, signing, ground.clock.now());
    const seen = (piece: Uint8Array): void => {
      visit.opened.touch();
      reader.push(piece);
    };
    const body = bodyFor({ request, seen }, asked, signed, { signing, credentials });
    const exchange = { ...ground, host, request, response, signed, signal: visit.signal, seen };
    status = await exchangeWithAws(exchange, body);
  } finally {
    const sent = response.headersSent ? response.statusCode : status;
    visit.record(requestFields(asked, destination, reader.action, sent));
  }
}

/** Fields of app.session.request; `status` 0 when AWS gave no answer. */
export function requestFields(
  asked: AwsRequest,
  { host, signing }: Destination,
  action: string | undefined,
  status: number,
): Readonly<Record<string, unknown>> {
  const { path, query } = splitTarget(asked.target);
  return {
    method: asked.method,
    path: path.slice(0, MAX_TEXT),
    raw_query: query.slice(0, MAX_TEXT),
    status_code: status,
    aws_host: host,
    ...(signing === undefined ? {} : { aws_service: signing.service, aws_region: signing.region }),
    ...(action === undefined ? {} : { aws_action: action }),
  };
}
