// Fetches small JSON documents of issuers whose address an admin wrote into a token. What such a name leads to is judged
// at the dial: every address it resolves to must be fit, the connection goes to one that was judged, and nothing that the
// other side says leads anywhere else.
import { lookup } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { addressClass } from '#core/address-class.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { readBody } from './read-body.ts';

export interface FetchRules {
  readonly allowsHttp: boolean;
  /** Private and loopback addresses; link-local and metadata ones never. */
  readonly allowsPrivate: boolean;
  /** PEM of the authorities to trust in place of the public ones. */
  readonly authority?: string | undefined;
  /** How names are resolved; for tests of what resolvers may say. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 64 * 1024;

/**
 * The body of a 200 answer to GET, at most 64 KiB, within ten seconds all in all. Redirects are not followed. UNAVAILABLE
 * for everything else, with a message that may be logged; ACCESS_DENIED for places that are not dialed.
 */
export async function fetchText(url: URL, rules: FetchRules): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const isTls = url.protocol === 'https:';
  if (!isTls && !(rules.allowsHttp && url.protocol === 'http:')) {
    throw new GatehouseError('ACCESS_DENIED', `${url.protocol}// is not fetched from issuers`);
  }
  try {
    const address = await raced(addressOf(url, rules), signal);
    const answer = await get(url, { isTls, address, authority: rules.authority, signal });
    return await readBody(answer, MAX_BYTES);
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { code, name } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('UNAVAILABLE', `${url.host} cannot be reached (${code ?? name})`, { cause });
  }
}

/** One address of the host; ACCESS_DENIED when any of them is not fit. */
async function addressOf(
  { hostname }: URL,
  { allowsPrivate, resolve = resolveAll }: FetchRules,
): Promise<string> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? await resolve(host) : [host];
  for (const address of addresses) {
    const found = addressClass(address);
    if (found === 'public' || (allowsPrivate && (found === 'private' || found === 'loopback'))) continue;
    throw new GatehouseError(
      'ACCESS_DENIED',
      `${host} has the address ${address}, which is not dialed for an issuer; private ones need allow_private_addresses`,
    );
  }
  const [first] = addresses;
  if (first === undefined) throw new GatehouseError('UNAVAILABLE', `${host} has no address`);
  return first;
}

async function resolveAll(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

interface Dial {
  readonly isTls: boolean;
  readonly address: string;
  readonly authority: string | undefined;
  readonly signal: AbortSignal;
}

function get(url: URL, { isTls, address, authority, signal }: Dial): Promise<IncomingMessage> {
  const pinned: LookupFunction = (_host, options, callback) => {
    const family = isIP(address);
    if (options.all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
  const options: RequestOptions & { ca?: string; rejectUnauthorized: true } = {
    method: 'GET',
    agent: false,
    // Said aloud: an environment variable can turn the default off.
    rejectUnauthorized: true,
    lookup: pinned,
    // Kubernetes answers 406 to who does not take its type of keys.
    headers: { accept: 'application/json, application/jwk-set+json', 'accept-encoding': 'identity' },
    maxHeaderSize: 16 * 1024,
    signal,
    ...(authority === undefined ? {} : { ca: authority }),
  };
  return new Promise((resolve, reject) => {
    const request = isTls ? httpsRequest(url, options) : httpRequest(url, options);
    request.once('error', reject);
    request.once('response', (answer) => {
      if (answer.statusCode === 200) return resolve(answer);
      answer.destroy();
      reject(new GatehouseError('UNAVAILABLE', `${url.host} answered with status ${answer.statusCode ?? 0}`));
    });
    request.end();
  });
}

/** Looking a name up cannot be cancelled; it can be left alone. */
async function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
