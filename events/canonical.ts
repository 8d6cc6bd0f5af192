// Canonical JSON: one spelling for each value (keys sorted by UTF-16 unit, no blanks), so that a hash over it can be
// made again from any copy of the event. Apart from event.ts because verification must not trust what was written.
import { GatehouseError } from '#core/errors/error.ts';

/** Events are shallow; deeper input is hostile or a bug. */
export const MAX_DEPTH = 16;

/** One member of an object, as it stands in the canonical text. */
export interface CanonicalMember {
  readonly key: string;
  /** `"key":value` */
  readonly text: string;
}

/**
 * The members of a JSON object in canonical order; those that are `undefined` are left out. BAD_REQUEST for what JSON
 * cannot say (bigint, function, non-finite number) or is nested too deep.
 */
export function canonicalMembers(value: object): CanonicalMember[] {
  return members(value as Record<string, unknown>, 0);
}

/** The canonical text of a JSON object. BAD_REQUEST as `canonicalMembers`. */
export function canonicalJson(value: object): string {
  return joinMembers(canonicalMembers(value));
}

export function joinMembers(list: readonly CanonicalMember[]): string {
  return `{${list.map((member) => member.text).join(',')}}`;
}

function members(value: Record<string, unknown>, depth: number): CanonicalMember[] {
  const list: CanonicalMember[] = [];
  for (const key of Object.keys(value).sort()) {
    const item = value[key];
    if (item !== undefined) list.push({ key, text: `${JSON.stringify(key)}:${text(item, depth + 1)}` });
  }
  return list;
}

function text(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== 'object' || depth > MAX_DEPTH) {
    const what = typeof value === 'object' ? `nested more than ${MAX_DEPTH} deep` : `a ${typeof value}`;
    throw new GatehouseError('BAD_REQUEST', `an event holds a value that is ${what}; use plain JSON values`);
  }
  if (Array.isArray(value)) return `[${value.map((item) => text(item, depth + 1)).join(',')}]`;
  if ('toJSON' in value && typeof value.toJSON === 'function') return text(value.toJSON(), depth + 1);
  return joinMembers(members(value as Record<string, unknown>, depth));
}
