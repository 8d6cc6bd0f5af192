// The bounds of the contract, checked the same way by every backend before anything reaches its product.
import { GatehouseError } from '#core/errors/error.ts';
import type { Action, AtomicStep, Condition, Item, RangeQuery, Revision, WatchQuery } from './backend.ts';

export const MAX_KEY_LENGTH = 1024;
export const MAX_VALUE_BYTES = 1024 * 1024;
export const MAX_STEPS = 1000;
export const MAX_ATOMIC_BYTES = 8 * 1024 * 1024;
export const MAX_PAGE_ITEMS = 10_000;
export const MAX_PAGE_BYTES = 16 * 1024 * 1024;
export const DEFAULT_PAGE_ITEMS = 1000;
export const MAX_PREFIXES = 1000;

const PRINTABLE = /^[ -~]*$/;
const REVISION = /^(?:0|[1-9][0-9]{0,15})$/;
/** The last instant a JavaScript Date can hold. */
const MAX_TIME_MS = 8.64e15;

export function checkKey(key: string): void {
  if (key === '') throw bad('key is empty; a key has 1 to 1,024 printable ASCII characters', 'key');
  checkText(key, 'key');
}

/** A part of a key, possibly empty. */
function checkText(text: string, field: string): void {
  if (text.length > MAX_KEY_LENGTH) {
    throw bad(`${field} has ${text.length} characters; at most ${MAX_KEY_LENGTH} are allowed`, field);
  }
  if (!PRINTABLE.test(text)) {
    throw bad(`${field} has characters other than printable ASCII; build keys with keyOf`, field);
  }
}

export function checkItem(item: Item): void {
  checkKey(item.key);
  checkValue(item.key, item.value, item.expires);
}

function checkValue(key: string, value: Uint8Array, expires: number | undefined): void {
  if (value.byteLength > MAX_VALUE_BYTES) {
    throw bad(
      `the value of "${key}" has ${value.byteLength} bytes; at most ${MAX_VALUE_BYTES} are allowed`,
      'value',
    );
  }
  if (expires !== undefined && !(Number.isInteger(expires) && expires > 0 && expires <= MAX_TIME_MS)) {
    throw bad(`expires of "${key}" must be a positive integer of milliseconds since the epoch`, 'expires');
  }
}

/** The counter behind a revision; BAD_REQUEST when it is not one. */
export function parseRevision(revision: Revision): number {
  const value = REVISION.test(revision) ? Number(revision) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw bad('revision is not one of this store; pass on what a read or write returned', 'revision');
  }
  return value;
}

export function checkSteps(steps: readonly AtomicStep[]): void {
  if (steps.length === 0 || steps.length > MAX_STEPS) {
    throw bad(`an atomic write has 1 to ${MAX_STEPS} steps, not ${steps.length}`, 'steps');
  }
  const keys = new Set<string>();
  let bytes = 0;
  for (const { key, condition, action } of steps) {
    checkKey(key);
    if (keys.has(key)) throw bad(`"${key}" appears in two steps of one atomic write`, 'steps');
    keys.add(key);
    checkCondition(condition);
    bytes += checkAction(key, action);
  }
  if (bytes > MAX_ATOMIC_BYTES) {
    throw bad(`an atomic write holds ${bytes} bytes; at most ${MAX_ATOMIC_BYTES} are allowed`, 'steps');
  }
}

function checkCondition(condition: Condition): void {
  if (condition.is === 'revision') parseRevision(condition.revision);
}

function checkAction(key: string, action: Action): number {
  if (action.do !== 'put') return 0;
  checkValue(key, action.value, action.expires);
  return action.value.byteLength;
}

export interface CheckedRange {
  readonly prefix: string;
  /** The greatest key or key-like text that the page must lie above; '' for none. */
  readonly after: string;
  /** No key with the prefix is as great as this. */
  readonly end: string;
  readonly limit: number;
}

export function checkRange(query: RangeQuery): CheckedRange {
  const { prefix, after = '', limit = DEFAULT_PAGE_ITEMS } = query;
  checkText(prefix, 'prefix');
  checkText(after, 'after');
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE_ITEMS) {
    throw bad(`limit must be an integer from 1 to ${MAX_PAGE_ITEMS}`, 'limit');
  }
  // DEL follows the last printable character, so it bounds every key that goes on from the prefix.
  return { prefix, after, end: `${prefix}\u007F`, limit };
}

export function checkWatch(query: WatchQuery): void {
  if (query.prefixes.length === 0 || query.prefixes.length > MAX_PREFIXES) {
    throw bad(`a watch has 1 to ${MAX_PREFIXES} prefixes, not ${query.prefixes.length}`, 'prefixes');
  }
  for (const prefix of query.prefixes) checkText(prefix, 'prefixes');
  parseRevision(query.from);
}

function bad(message: string, field: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', message, { details: { field } });
}
