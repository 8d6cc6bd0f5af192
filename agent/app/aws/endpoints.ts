// Where requests for AWS are dialled: at the name itself, or where the admin of the agent says (private endpoints, tests).
// Apart because console, API and tokens dial by it, and because nothing a person says may lead elsewhere (S25).
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { ClientRequest } from 'node:http';
import { isIP } from 'node:net';
import { createSecureContext, rootCertificates } from 'node:tls';
import { addressClass } from '#core/address-class.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { readBundle } from '../../aws/ca-bundle.ts';
import { checkedLookup } from '../../checked-lookup.ts';

/** Names where AWS is reached otherwise: `name=https://host[:port]`, by commas; `*.suffix` and `*` may stand for names. */
export const ENDPOINTS_VARIABLE = 'GATEHOUSE_AWS_ENDPOINTS';
const MAX_FREE_SOCKETS = 64;
/** Shorter than S3 keeps idle connections, so that requests do not meet one that is being closed. */
const FREE_SOCKET_MS = 4_000;
const CONNECT_MS = 10_000;

export interface AwsRequestOptions extends RequestOptions {
  /** A connection of its own, for upgrades. */
  readonly isAlone?: boolean;
}

export interface AwsDialer {
  /** A request to `host`, by TLS that is verified; `host` must have been judged before. Redirects are not followed. */
  request(host: string, options: AwsRequestOptions): ClientRequest;
  close(): void;
}

interface Override {
  readonly pattern: string;
  readonly host: string;
  readonly port: number;
}

/** Throws INVALID_CONFIG when the variables of the environment are not understood. */
export function openAwsDialer(
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): AwsDialer {
  const overrides = readOverrides(environment[ENDPOINTS_VARIABLE] ?? '');
  const bundle = environment['AWS_CA_BUNDLE'] ?? '';
  const common = {
    proxyEnv: environment,
    // Made once: reading all the usual roots for each connection takes longer than the handshake.
    ...(bundle === ''
      ? {}
      : { secureContext: createSecureContext({ ca: [...rootCertificates, readBundle(bundle)] }) }),
  };
  const pool = new Agent({
    ...common,
    keepAlive: true,
    maxFreeSockets: MAX_FREE_SOCKETS,
    timeout: FREE_SOCKET_MS,
    scheduling: 'lifo',
  });
  const alone = new Agent({ ...common, keepAlive: false });
  return {
    request(host, { isAlone = false, ...options }) {
      const place = placeOf(host, overrides);
      const outgoing = httpsRequest({
        ...options,
        agent: isAlone ? alone : pool,
        host: place?.host ?? host,
        port: place?.port ?? 443,
        // Verified is who is dialled, not what the Host header says.
        servername: place === undefined ? host : isIP(place.host) === 0 ? place.host : '',
        ...(place === undefined ? { lookup: publicLookup } : {}),
      });
      limitConnect(outgoing, clock);
      return outgoing;
    },
    close() {
      pool.destroy();
      alone.destroy();
    },
  };
}

function limitConnect(outgoing: ClientRequest, clock: Clock): void {
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = clock.after(CONNECT_MS, () =>
      outgoing.destroy(new GatehouseError('UNAVAILABLE', 'no connection to AWS within 10 s')),
    );
    const done = (): void => timer.cancel();
    socket.once('secureConnect', done).once('close', done);
  });
}

/** AWS never is on this machine, or where instance metadata answers, whatever a name server says. */
const publicLookup = checkedLookup(
  (address) => ['public', 'private'].includes(addressClass(address) ?? ''),
  (host) => new Error(`the name ${host} leads to no address that AWS can have`),
);

function placeOf(host: string, overrides: readonly Override[]): Override | undefined {
  return overrides.find(
    ({ pattern }) =>
      pattern === host || pattern === '*' || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1))),
  );
}

function readOverrides(text: string): readonly Override[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const [pattern = '', target = ''] = part.split('=');
      const url = URL.parse(target);
      if (
        !/^(?:\*|(?:\*\.)?[a-z0-9.-]{1,253})$/.test(pattern) ||
        url?.protocol !== 'https:' ||
        url.pathname !== '/'
      )
        throw new GatehouseError(
          'INVALID_CONFIG',
          `${ENDPOINTS_VARIABLE}: ${JSON.stringify(part.slice(0, 128))} is not name=https://host[:port]`,
        );
      return {
        pattern,
        host: url.hostname.replaceAll(/[[\]]/g, ''),
        port: url.port === '' ? 443 : Number(url.port),
      };
    });
}
