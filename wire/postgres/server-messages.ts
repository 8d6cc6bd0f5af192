// What servers say, as far as somebody between them and the client reads it: errors, results and authentication.
import { Content } from './content.ts';
import { malformed } from './malformed.ts';

export interface PostgresError {
  readonly severity: 'FATAL' | 'ERROR' | 'PANIC' | 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG';
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
}

export type AuthenticationRequest =
  | { readonly method: 'ok' | 'cleartext' }
  | { readonly method: 'md5'; readonly salt: Buffer }
  | { readonly method: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly method: 'sasl-continue' | 'sasl-final'; readonly data: Buffer }
  | { readonly method: 'other'; readonly code: number };

const MAX_MECHANISMS = 16;

/** Content of an ErrorResponse or NoticeResponse; what was cut off at its end is left out. */
export function readError(bytes: Buffer, start: number, end: number): PostgresError {
  const fields = new Map<number, string>();
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const zero = bytes.indexOf(0, at + 1);
    if (zero < 0 || zero >= end) break;
    fields.set(bytes[at] ?? 0, new Content(bytes, at + 1, zero + 1).text());
    at = zero + 1;
  }
  const field = (letter: string): string | undefined => fields.get(letter.charCodeAt(0));
  return {
    severity: (field('V') ?? field('S') ?? 'ERROR') as PostgresError['severity'],
    code: field('C') ?? 'XX000',
    message: field('M') ?? '',
    detail: field('D'),
    hint: field('H'),
  };
}

/** Content of CommandComplete: "INSERT 0 5" has 5 rows, "CREATE TABLE" does not speak of any. */
export function readCommandTag(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly tag: string; readonly rows: number | undefined } {
  if (end <= start || bytes[end - 1] !== 0) throw malformed('a command tag has no end');
  const tag = bytes.toString('latin1', start, end - 1);
  let at = end - 2;
  let rows = 0;
  for (let unit = 1; at >= start; at--, unit *= 10) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    rows += digit * unit;
  }
  return { tag, rows: at === end - 2 ? undefined : rows };
}

/** Content of an Authentication message. */
export function readAuthentication(bytes: Buffer): AuthenticationRequest {
  const content = new Content(bytes, 0, bytes.length);
  const code = content.uint32();
  switch (code) {
    case 0:
      return { method: 'ok' };
    case 3:
      return { method: 'cleartext' };
    case 5:
      return { method: 'md5', salt: content.bytes(4) };
    case 10: {
      const mechanisms: string[] = [];
      for (let name = content.text(); name !== ''; name = content.text()) {
        if (mechanisms.push(name) > MAX_MECHANISMS) throw malformed('too many ways to authenticate');
      }
      return { method: 'sasl', mechanisms };
    }
    case 11:
      return { method: 'sasl-continue', data: content.bytes(content.left) };
    case 12:
      return { method: 'sasl-final', data: content.bytes(content.left) };
    default:
      return { method: 'other', code };
  }
}

/** Content of ParameterStatus. */
export function readParameterStatus(bytes: Buffer): { readonly name: string; readonly value: string } {
  const content = new Content(bytes, 0, bytes.length);
  return { name: content.text(), value: content.text() };
}

/** Content of BackendKeyData of protocol 3.0. */
export function readBackendKey(bytes: Buffer): { readonly processId: number; readonly secret: number } {
  const content = new Content(bytes, 0, bytes.length);
  return { processId: content.uint32(), secret: content.uint32() };
}
