// Certificate times (RFC 5280 4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050, whole seconds, UTC.
import type { Refuse } from '../refusal.ts';
import { derString, TAG } from './der.ts';
import type { DerReader } from './der-reader.ts';

const MIN_MS = Date.UTC(1950, 0, 1);
const MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59);
const GENERALIZED_FROM_MS = Date.UTC(2050, 0, 1);

/** Milliseconds since the epoch, cut to seconds. Throws `validity-bounds` outside 1950..9999. */
export function derTime(ms: number, refuse: Refuse): Uint8Array {
  if (!Number.isFinite(ms) || ms < MIN_MS || ms >= MAX_MS + 1000) {
    throw refuse('validity-bounds', 'the validity must lie between the years 1950 and 9999');
  }
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14);
  return ms < GENERALIZED_FROM_MS
    ? derString(TAG.utcTime, `${digits.slice(2)}Z`)
    : derString(TAG.generalizedTime, `${digits}Z`);
}

/** Milliseconds since the epoch. Throws `malformed` when the form, or a field such as the 31st of June, is wrong. */
export function readTime(reader: DerReader, refuse: Refuse): number {
  const { tag, content } = reader.any('the validity');
  const text = Buffer.from(content).toString('latin1');
  const isShort = tag === TAG.utcTime && /^\d{12}Z$/.test(text);
  const isLong = tag === TAG.generalizedTime && /^\d{14}Z$/.test(text);
  if (!isShort && !isLong) throw refuse('malformed', 'the validity is not a time of a certificate');
  const full = isShort ? (Number(text.slice(0, 2)) < 50 ? '20' : '19') + text : text;
  const iso = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const ms = Date.parse(iso);
  if (!Number.isFinite(ms) || new Date(ms).toISOString() !== iso || (isLong && ms < GENERALIZED_FROM_MS)) {
    throw refuse('malformed', 'the validity is not a time, or not in its DER form');
  }
  return ms;
}
