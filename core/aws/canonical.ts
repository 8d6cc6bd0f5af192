// The canonical form of an AWS request (Signature Version 4, "create a canonical request"): what is hashed and signed.
// Apart from sigv4.ts because signing, verifying and presigning share it, and because its rules are where others fail.
import { createHash } from 'node:crypto';
import { GatehouseError } from '../errors/error.ts';

/** Name and value, in the order of the wire; a name may come several times. */
export type HeaderPair = readonly [name: string, value: string];

/** A request as it is on the wire. `target` is path and query as sent: nothing is decoded for the caller. */
export interface AwsRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly HeaderPair[];
}

export const EMPTY_PAYLOAD_HASH = createHash('sha256').update('').digest('hex');
const MAX_TARGET = 64 * 1024;
const MAX_HEADERS = 256;
const METHOD = /^[A-Z]{1,32}$/;
const PRINTABLE = /^[\x21-\x7e]*$/;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const PIECES = /%[0-9A-Fa-f]{2}|[^]/g;

/** Services whose keys are paths: theirs are signed as sent, those of all others normalised and encoded once more. */
const PATHS_AS_SENT: ReadonlySet<string> = new Set(['s3', 's3express', 's3-outposts', 's3-object-lambda']);

export function hashOf(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Path and raw query (without `?`) of a target. Throws BAD_REQUEST for what no signer makes. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  if (target.length > MAX_TARGET)
    throw new GatehouseError('TOO_LARGE', `the request's address is longer than ${MAX_TARGET} bytes`);
  if (!target.startsWith('/') || !PRINTABLE.test(target))
    throw new GatehouseError(
      'BAD_REQUEST',
      'the address of an AWS request must begin with / and be printable ASCII',
    );
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** All bytes but letters, digits and `-._~` as %XX. */
export function encodeUri(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => percent(char.charCodeAt(0)));
}

/** The same meaning in the one spelling that AWS signs: escapes in upper case, and none where none is needed. */
export function respell(text: string, keep = ''): string {
  return text.replace(PIECES, (piece) => {
    if (piece.length === 3) {
      const char = String.fromCharCode(Number.parseInt(piece.slice(1), 16));
      return UNRESERVED.test(char) ? char : piece.toUpperCase();
    }
    return UNRESERVED.test(piece) || keep.includes(piece) ? piece : encodeUri(piece);
  });
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Undefined for the values of a parameter without `=`; `+` is a space, as the services read it. */
export type QueryPair = readonly [name: string, value: string | undefined];

/** The parameters in the order of the wire, in canonical spelling. */
export function queryPairs(query: string): readonly QueryPair[] {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const sign = part.indexOf('=');
      const name = sign < 0 ? part : part.slice(0, sign);
      return [spelled(name), sign < 0 ? undefined : spelled(part.slice(sign + 1))] as const;
    });
}

function spelled(text: string): string {
  return respell(text.replaceAll('+', '%20'));
}

/** What a canonical spelling stands for; never throws, bytes that are no UTF-8 become U+FFFD. */
export function decoded(spelling: string): string {
  const bytes = spelling.replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Sorted by name, then by value, as bytes; pairs must be in canonical spelling. */
export function canonicalQuery(pairs: readonly QueryPair[]): string {
  return pairs
    .map(([name, value]) => [name, value ?? ''] as const)
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A query for the wire, in its own order. */
export function joinQuery(pairs: readonly QueryPair[]): string {
  return pairs.map(([name, value]) => (value === undefined ? name : `${name}=${value}`)).join('&');
}

/** The path as signed for `service`; `path` is the one on the wire. */
export function canonicalPath(path: string, service: string): string {
  if (PATHS_AS_SENT.has(service)) return respell(path, '/');
  return encodeUri(withoutDots(path)).replaceAll('%2F', '/');
}

/** The path for the wire, spelled so that its signature does not depend on how the service reads it. */
export function wirePath(path: string, service: string): string {
  return PATHS_AS_SENT.has(service) ? respell(path, '/') : path;
}

function withoutDots(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') segments.pop();
    else segments.push(segment);
  }
  const tail = segments.length > 0 && path.endsWith('/') ? '/' : '';
  return `/${segments.join('/')}${tail}`;
}

/** Values of one header joined as they are signed; undefined when it is not there. `name` in lower case. */
export function headerOf(headers: readonly HeaderPair[], name: string): string | undefined {
  const values = headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => tidy(value));
  return values.length === 0 ? undefined : values.join(',');
}

function tidy(value: string): string {
  return value.trim().replace(/\s+/g, ' ');
}

/** The canonical request. `signed` are names in lower case and sorted; a header that is not there is BAD_REQUEST. */
export function canonicalRequest(
  method: string,
  path: string,
  query: string,
  headers: readonly HeaderPair[],
  signed: readonly string[],
  payload: string,
): string {
  if (!METHOD.test(method)) throw new GatehouseError('BAD_REQUEST', 'the method of the request is not one');
  if (headers.length > MAX_HEADERS)
    throw new GatehouseError('TOO_LARGE', `the request has more than ${MAX_HEADERS} headers`);
  const values = headersByName(headers);
  const lines = signed.map((name) => {
    const value = values.get(name);
    if (value === undefined)
      throw new GatehouseError('BAD_REQUEST', `the signed header ${name} is not in the request`);
    return `${name}:${value}\n`;
  });
  return `${method}\n${path}\n${query}\n${lines.join('')}\n${signed.join(';')}\n${payload}`;
}

function headersByName(headers: readonly HeaderPair[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const before = values.get(key);
    values.set(key, before === undefined ? tidy(value) : `${before},${tidy(value)}`);
  }
  return values;
}
