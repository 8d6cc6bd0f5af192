// What -L, -R and -D take, as OpenSSH writes it: [bind:]port:host:port, with sockets of the file system in place of
// either side, and IPv6 addresses in brackets. Pure.
import { usage } from '../../arguments.ts';

export type End =
  | { readonly is: 'tcp'; readonly host: string; readonly port: number }
  | { readonly is: 'socket'; readonly path: string };

export interface ForwardSpec {
  /** Where connections are taken. Host '' means all addresses; without one, loopback only. */
  readonly listen: End;
  /** Undefined: the client of the connection says so (SOCKS). */
  readonly target?: End;
  /** As it was given, for messages. */
  readonly text: string;
}

const LOOPBACK = 'localhost';
const MAX_PORT = 65_535;
const MAX_PATH = 100;

/** -L. USAGE when it is none. */
export function parseLocal(text: string): ForwardSpec {
  return parseBoth(text, '-L', false);
}

/** -R; without a target the server's side is a SOCKS proxy whose connections this machine makes. Port 0: any. */
export function parseRemote(text: string): ForwardSpec {
  const parts = split(text);
  if (parts.length <= 2 && !text.includes('/'))
    return { ...parseDynamicParts(parts, '-R', text, true), text };
  return parseBoth(text, '-R', true);
}

/** -D. */
export function parseDynamic(text: string): ForwardSpec {
  return { ...parseDynamicParts(split(text), '-D', text, false), text };
}

function parseDynamicParts(
  parts: readonly string[],
  flag: string,
  text: string,
  isRemote: boolean,
): { listen: End } {
  const [first = '', second] = parts;
  if (parts.length > 2) throw bad(flag, text);
  if (second === undefined) return { listen: tcp(LOOPBACK, first, flag, text, isRemote) };
  return { listen: tcp(bindOf(first), second, flag, text, isRemote) };
}

function parseBoth(text: string, flag: string, isRemote: boolean): ForwardSpec {
  const parts = split(text);
  const listenParts = isPath(parts[0]) ? 1 : parts.length - (isPath(parts.at(-1)) ? 1 : 2);
  const listen = parts.slice(0, listenParts);
  const target = parts.slice(listenParts);
  return {
    listen: listenEnd(listen, flag, text, isRemote),
    target: targetEnd(target, flag, text),
    text,
  };
}

function listenEnd(parts: readonly string[], flag: string, text: string, isRemote: boolean): End {
  const [first = '', second] = parts;
  if (parts.length === 1 && isPath(first)) return { is: 'socket', path: requirePath(first, flag, text) };
  if (parts.length === 1) return tcp(LOOPBACK, first, flag, text, isRemote);
  if (parts.length === 2) return tcp(bindOf(first), second ?? '', flag, text, isRemote);
  throw bad(flag, text);
}

function targetEnd(parts: readonly string[], flag: string, text: string): End {
  const [first = '', second = ''] = parts;
  if (parts.length === 1 && isPath(first)) return { is: 'socket', path: requirePath(first, flag, text) };
  if (parts.length !== 2 || first === '') throw bad(flag, text);
  return tcp(first, second, flag, text, false);
}

/** `*` and nothing mean all addresses. */
const bindOf = (text: string): string => (text === '*' ? '' : text);

const isPath = (text: string | undefined): boolean => text?.startsWith('/') === true;

function requirePath(path: string, flag: string, text: string): string {
  if (path.length <= MAX_PATH && !path.includes('\0')) return path;
  throw bad(flag, text);
}

function tcp(host: string, portText: string, flag: string, text: string, mayBeAny: boolean): End {
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
  if (port <= MAX_PORT && (port > 0 || mayBeAny) && /^[A-Za-z0-9_.:%-]{0,255}$/.test(host)) {
    return { is: 'tcp', host, port };
  }
  throw bad(flag, text);
}

/** At colons, but not at those in brackets, which are taken away. */
function split(text: string): string[] {
  return text.split(/:(?![^[\]]*\])/).map((part) => part.replace(/^\[(.*)\]$/, '$1'));
}

function bad(flag: string, text: string) {
  const form = flag === '-D' ? '[ADDRESS:]PORT' : '[ADDRESS:]PORT:HOST:HOSTPORT';
  return usage(
    `${flag} must be ${form}, such as ${flag === '-D' ? '1080' : '8080:localhost:80'}, not ${JSON.stringify(text.slice(0, 80))}`,
  );
}
