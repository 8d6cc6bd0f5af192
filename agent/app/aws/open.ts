// The engine of AWS applications: takes a person's connection, reads HTTP from it, and leads each request to the APIs, the
// console, or the credentials for programs. Beside http/, because AWS wants signatures where pages want headers.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AwsRequest, HeaderPair } from '#core/aws/canonical.ts';
import { DIRECT_CREDENTIALS_PATH } from '#core/aws/direct-credentials.ts';
import type { Resource } from '#core/resource.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import { openAwsCredentials, type AwsCredentialsSource } from '../../aws/credentials.ts';
import type { TargetConnection, TargetGround } from '../../target/connection.ts';
import type { AppSessions } from '../http/sessions.ts';
import type { AppTokens } from '../http/tokens.ts';
import { relayApi } from './api.ts';
import { openConsole } from './console.ts';
import { isRelayed } from './destination.ts';
import { giveCredentials } from './direct.ts';
import { openAwsDialer } from './endpoints.ts';
import { sayError, sayErrorOn } from './problems.ts';
import { openRoleSource } from './roles.ts';
import { relayUpgradeToAws } from './upgrade.ts';
import { Visit } from './visit.ts';

export interface AwsAppsOptions extends TargetGround {
  readonly people: AppSessions;
  readonly tokens: AppTokens;
  /** Of the agent; opened from the environment when it is left out. */
  readonly credentials?: AwsCredentialsSource;
}

export interface AwsApps {
  /** As AppEngine.serve. */
  serve(connection: TargetConnection, app: Resource<AppSpec>): void;
  readonly count: number;
  close(): void;
}

const MAX_HEAD = 64 * 1024;
const HEAD_MS = 30_000;
const IDLE_MS = 120_000;

/** Throws INVALID_CONFIG when the environment's settings for AWS are not understood. */
export function openAwsApps(options: AwsAppsOptions): AwsApps {
  const { clock, log, environment } = options;
  const dialer = openAwsDialer(environment, clock);
  const credentials = options.credentials ?? openAwsCredentials({ clock, log, environment });
  const roles = openRoleSource({ credentials, tokens: options.tokens, dialer, clock });
  const ground = { ...options, roles };
  const visits = new WeakMap<Duplex, Visit | { readonly refusal: unknown }>();
  const running = new Set<Visit>();
  const enter = (
    connection: TargetConnection,
    app: Resource<AppSpec>,
  ): Visit | { readonly refusal: unknown } => {
    try {
      const visit = new Visit(ground, connection, app);
      running.add(visit);
      connection.stream.once('close', () => {
        visit.end();
        running.delete(visit);
      });
      return visit;
    } catch (refusal) {
      return { refusal };
    }
  };
  const server = openServer(visits, { dialer, clock });
  return {
    serve(connection, app) {
      const { stream } = connection;
      stream.on('error', () => {});
      visits.set(stream, enter(connection, app));
      server.emit('connection', stream);
      // It came paused, and the server takes it as it is.
      stream.resume();
    },
    get count() {
      return running.size;
    },
    close() {
      for (const visit of running) visit.end();
      server.close();
      dialer.close();
    },
  };
}

type Visits = WeakMap<Duplex, Visit | { readonly refusal: unknown }>;
type Ground = Parameters<typeof relayApi>[0];

function openServer(visits: Visits, ground: Ground): Server {
  const server = createServer({
    maxHeaderSize: MAX_HEAD,
    headersTimeout: HEAD_MS,
    keepAliveTimeout: IDLE_MS,
    // Uploads take as long as they take; the guard's idle time watches them.
    requestTimeout: 0,
  });
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    void answer(visits.get(request.socket), ground, request, response);
  };
  return server
    .on('request', serve)
    .on('checkContinue', serve)
    .on(
      'upgrade',
      (request, socket, head) => void upgrade(visits.get(socket), ground, request, { socket, head }),
    )
    .on('clientError', (error, socket) => sayErrorOn(socket, error));
}

async function answer(
  visit: Visit | { readonly refusal: unknown } | undefined,
  ground: Ground,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const asked = askedOf(request);
  try {
    const person = admitted(visit);
    person.opened.touch();
    if (isRelayed(asked)) await relayApi(ground, person, asked, { request, response });
    else if (asked.target === DIRECT_CREDENTIALS_PATH) await giveCredentials(person, asked, response);
    else await openConsole(ground, person, asked, response);
  } catch (error) {
    sayError(error, asked, request, response);
  }
}

async function upgrade(
  visit: Visit | { readonly refusal: unknown } | undefined,
  ground: Ground,
  request: IncomingMessage,
  ends: { readonly socket: Duplex; readonly head: Uint8Array },
): Promise<void> {
  try {
    await relayUpgradeToAws(ground, admitted(visit), askedOf(request), ends);
  } catch (error) {
    sayErrorOn(ends.socket, error);
  }
}

function admitted(visit: Visit | { readonly refusal: unknown } | undefined): Visit {
  if (visit instanceof Visit) {
    visit.requireFit();
    return visit;
  }
  throw visit?.refusal ?? new Error('a connection that nobody brought');
}

function askedOf({ method = '', url = '', rawHeaders }: IncomingMessage): AwsRequest {
  const headers: HeaderPair[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    headers.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return { method, target: url, headers };
}
