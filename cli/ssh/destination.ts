// What stands for a server on a command line: [LOGIN@]HOST[:PORT], where HOST may be labels. Pure.
import { usage } from '../arguments.ts';

export interface Destination {
  readonly login?: string;
  /** Name, id or address; undefined when labels were given. */
  readonly host?: string;
  /** All servers with these. */
  readonly labels?: readonly (readonly [string, string])[];
  readonly port?: number;
  /** As it was given, without the login. */
  readonly text: string;
}

const MAX_HOST = 512;
const MAX_PORT = 65_535;

/** Reads LOGIN@HOST, LOGIN@HOST:PORT, LOGIN@[v6]:PORT, LOGIN@key=value,key=value. USAGE when it is none. */
export function parseDestination(given: string): Destination {
  const bare = given.replace(/^ssh:\/\//, '').replace(/\/$/, '');
  const at = bare.lastIndexOf('@');
  const login = at < 0 ? undefined : bare.slice(0, at);
  const text = bare.slice(at + 1);
  if (login === '' || text === '' || text.startsWith('-') || text.length > MAX_HOST) throw bad(given);
  const named = login === undefined ? {} : { login: requireLogin(login) };
  if (text.includes('=')) return { ...named, labels: parseLabels(text), text };
  const { host, port } = splitPort(text, given);
  return { ...named, host, text, ...(port === undefined ? {} : { port }) };
}

/** USAGE for what could be taken for something else on the way: the login is shown, and goes into logs. */
export function requireLogin(login: string): string {
  if (/^[^\s\p{C}@:]{1,64}$/u.test(login) && !login.startsWith('-')) return login;
  throw usage(`${JSON.stringify(login.slice(0, 64))} is not a login`);
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= MAX_PORT) return port;
  throw usage('the port must be a number from 1 to 65535');
}

function splitPort(text: string, given: string): { host: string; port?: number } {
  const [whole, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([^:]+))?$/.exec(text) ?? [];
  // More than one colon: an IPv6 address without brackets.
  if (whole === undefined) {
    if (/^[0-9a-f:.]+$/i.test(text) && text.split(':').length > 2) return { host: text };
    throw bad(given);
  }
  const host = bracketed ?? plain ?? '';
  if (/[\s\p{C}]/u.test(host) || host.startsWith('-')) throw bad(given);
  return port === undefined ? { host } : { host, port: parsePort(port) };
}

function parseLabels(text: string): [string, string][] {
  return text.split(',').map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw usage(`labels must be key=value,key2=value2, not ${JSON.stringify(pair.slice(0, 64))}`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
}

function bad(given: string) {
  return usage(
    `HOST must be a server, such as root@web-1 or root@env=prod, not ${JSON.stringify(given.slice(0, 80))}`,
  );
}
