// Which text may stand in a certificate, in either format. Names end up in logs, shells, SQL and terminals, so
// whatever cannot be printed, or prints as something else than it is, is refused.
import { isUtf8 } from 'node:buffer';
import type { RefusalReason, Refuse } from './refusal.ts';

/** Control, format (bidi, zero width), private use, unassigned and surrogate code points, line and paragraph ends. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Throws unless `text` is 1..maxBytes bytes of printable Unicode without space at either end. */
export function requirePrintable(
  text: string,
  what: string,
  maxBytes: number,
  reason: RefusalReason,
  refuse: Refuse,
): void {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0 || bytes > maxBytes) throw refuse(reason, `${what} must have 1 to ${maxBytes} bytes`);
  if (UNPRINTABLE.test(text)) throw refuse(reason, `${what} must be printable, without control characters`);
  if (text.trim() !== text) throw refuse(reason, `${what} must not begin or end with a space`);
}

/** Strict UTF-8: replacement characters would make two different byte strings look alike. */
export function decodeUtf8(bytes: Uint8Array, what: string, refuse: Refuse): string {
  if (!isUtf8(bytes)) throw refuse('malformed', `${what} is not UTF-8`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
