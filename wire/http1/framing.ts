// Where the body of a message ends, and whether the connection goes on after it. One answer for one head, or none: what
// is said twice or in two ways is refused, because the reader behind could take the other one (S19).
import {
  fieldOf,
  fieldsOf,
  hasWord,
  malformed,
  wordsOf,
  type Field,
  type RequestHead,
  type ResponseHead,
} from './head.ts';

/** `close`: until the connection ends, which only a response may have. */
export type Framing =
  | { readonly by: 'none' }
  | { readonly by: 'length'; readonly length: number }
  | { readonly by: 'chunks' }
  | { readonly by: 'close' };

const NONE: Framing = { by: 'none' };
const CHUNKS: Framing = { by: 'chunks' };
const UNTIL_CLOSE: Framing = { by: 'close' };
const LENGTH = /^\d{1,15}$/;

/** BAD_REQUEST when lengths contradict each other or are written in an unusual way. */
export function requestFraming({ fields, minor }: RequestHead): Framing {
  return framingOf(fields, minor) ?? NONE;
}

/** `method` is that of the request. BAD_REQUEST as requestFraming. */
export function responseFraming({ status, fields, minor }: ResponseHead, method: string): Framing {
  const said = framingOf(fields, minor);
  const isEmpty = status < 200 || status === 204 || status === 304 || method === 'HEAD';
  if (isEmpty || (method === 'CONNECT' && status < 300)) return NONE;
  return said ?? UNTIL_CLOSE;
}

function framingOf(fields: readonly Field[], minor: 0 | 1): Framing | undefined {
  const length = onlyOne(fields, 'content-length');
  const encoding = onlyOne(fields, 'transfer-encoding');
  if (encoding !== undefined) {
    if (length !== undefined) throw malformed('it has a length and a transfer encoding');
    if (encoding.toLowerCase() !== 'chunked') throw malformed('its transfer encoding is not "chunked"');
    if (minor === 0) throw malformed('HTTP/1.0 has no transfer encodings');
    return CHUNKS;
  }
  if (length === undefined) return undefined;
  if (!LENGTH.test(length)) throw malformed('its length is no number');
  return length === '0' ? NONE : { by: 'length', length: Number(length) };
}

function onlyOne(fields: readonly Field[], name: string): string | undefined {
  let found: string | undefined;
  for (const field of fields) {
    if (field.name !== name) continue;
    if (found !== undefined) throw malformed(`it has two headers "${name}"`);
    found = field.value;
  }
  return found;
}

/** Whether the sender takes another message on the connection after this one. */
export function keepsAlive({ fields, minor }: Pick<RequestHead, 'fields' | 'minor'>): boolean {
  if (hasWord(fields, 'connection', 'close')) return false;
  return minor === 1 || hasWord(fields, 'connection', 'keep-alive');
}

/** One makes a tunnel of a connection that others use next, the other tells the client lines that are not for it. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);

/**
 * The one host of a request that is to be forwarded. BAD_REQUEST when there is none, more than one, or one that cannot be,
 * or when the request is none that goes on.
 */
export function hostOf({ fields, method, minor, target }: RequestHead): string {
  if (NEVER_FORWARDED.has(method.toUpperCase())) throw malformed(`${method} is not for what is behind here`);
  const hosts = fieldsOf(fields, 'host');
  const [host = ''] = hosts;
  if (hosts.length > 1 || (hosts.length === 0 && minor === 1)) throw malformed('it must have one host');
  if (!/^(?:[\w.-]*|\[[\da-fA-F:.]+\])(?::\d{0,5})?$/.test(host)) throw malformed('its host is no host');
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) {
    throw malformed('its target is no path');
  }
  return host.toLowerCase();
}

/** HTTP again, in another version or under TLS: whoever spoke it would no longer be heard by those in between (S19). */
const HTTP_AGAIN = /^(?:h\d|https?\b|tls\b|ssl\b)/;

/** The protocol that a request wants to change to, in lower case; undefined when it is none that requests are let through for. */
export function upgradeOf({ fields, method, minor }: RequestHead): string | undefined {
  const protocol = fieldOf(fields, 'upgrade');
  if (protocol === undefined || method !== 'GET' || minor === 0) return undefined;
  if (wordsOf(protocol).some((word) => HTTP_AGAIN.test(word))) return undefined;
  return hasWord(fields, 'connection', 'upgrade') ? protocol.toLowerCase() : undefined;
}

/** Fields that are about one connection and not about the message. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'http2-settings',
  'te',
  'transfer-encoding',
  'upgrade',
]);
/** What `Connection` may not take away from a message, whoever names it. */
const NEVER_NAMED: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'expect',
  'cookie',
  'authorization',
]);

/** What goes on to the next connection: without the fields that are about this one, and those that it names so. */
export function endToEnd(fields: readonly Field[], keep: (field: Field) => boolean): Field[] {
  let named: ReadonlySet<string> | undefined;
  for (const { name, value } of fields) {
    if (name !== 'connection' || value === 'keep-alive') continue;
    named = new Set([...(named ?? []), ...wordsOf(value)]);
  }
  return fields.filter(
    (field) =>
      !HOP_BY_HOP.has(field.name) &&
      !(named?.has(field.name) === true && !NEVER_NAMED.has(field.name)) &&
      keep(field),
  );
}
