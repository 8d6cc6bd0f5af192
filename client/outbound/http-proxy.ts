// Which HTTP proxy, if any, stands between this machine and an address: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as other
// programs read them. Pure.
import { isInNetwork, parseIp, parseNetwork } from '#core/certs/ip-address.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** TLS to the proxy itself. */
  readonly isTls: boolean;
  /** `user:password`. */
  readonly credentials?: Secret;
}

/**
 * The proxy through which `host`:`port` is to be reached; undefined for a direct connection. Loopback is always direct.
 * USAGE when the variable cannot be read; its text, which may hold a password, is not in the message.
 */
export function httpProxyFor(host: string, port: number, environment: Environment): HttpProxy | undefined {
  const found = firstSet(environment, ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']);
  if (found === undefined || isLoopback(host)) return undefined;
  const excluded = firstSet(environment, ['NO_PROXY', 'no_proxy'])?.value ?? '';
  if (isExcluded(host.toLowerCase(), port, excluded)) return undefined;
  return parseProxy(found.name, found.value);
}

function firstSet(
  environment: Environment,
  names: readonly string[],
): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    const value = environment[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return undefined;
}

function parseProxy(name: string, text: string): HttpProxy {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  const isTls = url?.protocol === 'https:';
  if (url === null || !isBare(url) || (!isTls && url.protocol !== 'http:')) {
    throw new GatehouseError('USAGE', `${name} must be host:port, http://host:port or https://host:port`);
  }
  const { username, password } = url;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (isTls ? 443 : 80),
    isTls,
    ...(username === '' ? {} : { credentials: new Secret(decoded(name, username, password)) }),
  };
}

const isBare = (url: URL): boolean =>
  url.hostname !== '' && /^\/?$/.test(url.pathname) && url.search === '' && url.hash === '';

function decoded(name: string, user: string, password: string): string {
  try {
    return `${decodeURIComponent(user)}:${decodeURIComponent(password)}`;
  } catch {
    throw new GatehouseError('USAGE', `the user and password in ${name} must be percent-encoded`);
  }
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'].flatMap((text) => parseNetwork(text) ?? []);

function isLoopback(host: string): boolean {
  const ip = parseIp(host);
  if (ip === undefined) return host.toLowerCase() === 'localhost';
  return LOOPBACK.some((network) => isInNetwork(ip, network));
}

/** `*`, networks, addresses, `example.com` with what is below it, `.example.com` for what is below only; with a port or without. */
function isExcluded(host: string, port: number, list: string): boolean {
  const ip = parseIp(host);
  return list.split(',').some((entry) => {
    const text = entry.trim().toLowerCase();
    const network = parseNetwork(text);
    if (network !== undefined) return ip !== undefined && isInNetwork(ip, network);
    const [, name = '', itsPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? [];
    if (itsPort !== undefined && Number(itsPort) !== port) return false;
    return ip === undefined ? isNameIn(host, name) : name === '*' || unbracketed(name) === host;
  });
}

function isNameIn(host: string, name: string): boolean {
  if (name === '' || name === '*') return name === '*';
  const domain = name.replace(/^\*(?=\.)/, '');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

const unbracketed = (name: string): string => name.replace(/^\[(.*)\]$/, '$1');
