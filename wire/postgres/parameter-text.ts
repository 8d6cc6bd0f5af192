// Values bound to statements, as people read them: texts as they are, numbers and times of the binary format by their
// type, and everything else as hexadecimal digits.
import { textOf } from './content.ts';

const MAX_TEXT_BYTES = 4096;
const MAX_BINARY_BYTES = 256;
const DAY_MS = 86_400_000;
/** PostgreSQL counts from 2000-01-01. */
const EPOCH_MS = 946_684_800_000;
const MAX_DATE_MS = 8.64e15;

/** Object ids of types that are fixed in every PostgreSQL. */
const TYPES: Readonly<Record<number, (bytes: Buffer) => string | undefined>> = {
  16: (bytes) => (bytes.length === 1 ? String(bytes[0] !== 0) : undefined),
  18: cutText,
  19: cutText,
  20: (bytes) => (bytes.length === 8 ? bytes.readBigInt64BE().toString() : undefined),
  21: (bytes) => (bytes.length === 2 ? String(bytes.readInt16BE()) : undefined),
  23: (bytes) => (bytes.length === 4 ? String(bytes.readInt32BE()) : undefined),
  25: cutText,
  26: (bytes) => (bytes.length === 4 ? String(bytes.readUInt32BE()) : undefined),
  114: cutText,
  700: (bytes) => (bytes.length === 4 ? String(bytes.readFloatBE()) : undefined),
  701: (bytes) => (bytes.length === 8 ? String(bytes.readDoubleBE()) : undefined),
  1042: cutText,
  1043: cutText,
  1082: (bytes) => (bytes.length === 4 ? dateText(bytes.readInt32BE() * DAY_MS)?.slice(0, 10) : undefined),
  1114: timestampText,
  1184: timestampText,
  2950: (bytes) => (bytes.length === 16 ? uuidText(bytes.toString('hex')) : undefined),
};

/** `format` 0: text, 1: binary. `type`: object id, 0 when unknown. Long ones are cut and say so. */
export function parameterText(bytes: Buffer, format: number, type: number): string {
  if (format === 0) return cutText(bytes);
  return TYPES[type]?.(bytes) ?? cutHex(bytes);
}

function cutText(bytes: Buffer): string {
  if (bytes.length <= MAX_TEXT_BYTES) return textOf(bytes, 0, bytes.length);
  return `${bytes.toString('utf8', 0, MAX_TEXT_BYTES)}... (${bytes.length} bytes)`;
}

function cutHex(bytes: Buffer): string {
  const shown = `\\x${bytes.toString('hex', 0, MAX_BINARY_BYTES)}`;
  return bytes.length <= MAX_BINARY_BYTES ? shown : `${shown}... (${bytes.length} bytes)`;
}

function timestampText(bytes: Buffer): string | undefined {
  return bytes.length === 8 ? dateText(Number(bytes.readBigInt64BE() / 1000n)) : undefined;
}

function dateText(sinceEpochMs: number): string | undefined {
  const ms = EPOCH_MS + sinceEpochMs;
  return Math.abs(ms) <= MAX_DATE_MS ? new Date(ms).toISOString() : undefined;
}

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
