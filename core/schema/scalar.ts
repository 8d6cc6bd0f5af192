// The plain values of a schema: text, words, numbers, times. Apart from check.ts, which walks lists and maps, because
// each of these says alone what it takes and how it reads it.
import { parseDuration } from '../duration.ts';
import { isCode } from '../errors/error.ts';
import { nearest } from './nearest.ts';
import type { Node } from './schema.ts';

export type ScalarNode = Exclude<Node, { type: 'list' | 'map' | 'object' | 'choice' | 'json' }>;
type StringNode = Extract<Node, { type: 'string' }>;
type IntegerNode = Extract<Node, { type: 'integer' }>;

const TRUE_WORDS = new Set(['true', 'yes', 'on']);
const FALSE_WORDS = new Set(['false', 'no', 'off']);
const RFC3339 = /^(\d{4}-\d{2}-\d{2})T(?:[01]\d|2[0-3]):\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** Takes note of what is wrong with a value. */
type Refuse = (message: string) => undefined;

/** The value as the schema reads it; undefined after `refuse` was told what is wrong. */
export function readScalar(node: ScalarNode, value: unknown, refuse: Refuse): unknown {
  switch (node.type) {
    case 'string':
      return readString(node, value, refuse);
    case 'enum':
      return readEnum(node.values, value, refuse);
    case 'boolean':
      return readBoolean(value, refuse);
    case 'integer':
      return readInteger(node, value, refuse);
    case 'duration':
      return readDuration(node.minMs, value, refuse);
    case 'timestamp':
      return readTimestamp(value, refuse);
  }
}

function readString(node: StringNode, value: unknown, refuse: Refuse): unknown {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return refuse(`must be text, not ${typeName(value)}`);
  }
  const complaint = stringComplaint(node, String(value));
  return complaint === undefined ? String(value) : refuse(complaint);
}

function readBoolean(value: unknown, refuse: Refuse): unknown {
  const word = textOf(value).toLowerCase();
  if (TRUE_WORDS.has(word)) return true;
  if (FALSE_WORDS.has(word)) return false;
  return refuse('must be true or false (yes, no, on and off are understood)');
}

function readInteger(node: IntegerNode, value: unknown, refuse: Refuse): unknown {
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (
    typeof number === 'number' &&
    Number.isSafeInteger(number) &&
    number >= node.min &&
    number <= node.max
  ) {
    return number;
  }
  const upTo = node.max === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${node.max}`;
  return refuse(`must be a whole number, ${node.min} ${upTo}`);
}

function stringComplaint(node: StringNode, text: string): string | undefined {
  if (text.length < node.minLength)
    return node.minLength === 1 ? 'must not be empty' : `must have at least ${node.minLength} characters`;
  if (text.length > node.maxLength) return `must have at most ${node.maxLength} characters`;
  if (text.includes('\u0000')) return 'must not contain a NUL character';
  if (node.format !== undefined && !node.format.accepts(text)) return `must be ${node.format.says}`;
  return undefined;
}

function readEnum(values: readonly string[], value: unknown, refuse: Refuse): unknown {
  // YAML 1.1 habits turn the words on and off into booleans; read them back as the words they were.
  const words =
    typeof value === 'boolean' ? (value ? ['on', 'true', 'yes'] : ['off', 'false', 'no']) : [textOf(value)];
  const match = words.find((word) => values.includes(word));
  if (match !== undefined && typeof value !== 'object') return match;
  const hint = typeof value === 'string' ? nearest(value, values) : undefined;
  const suggestion = hint === undefined ? '' : `; did you mean "${hint}"?`;
  return refuse(`must be one of ${values.join(', ')}${suggestion}`);
}

function readDuration(minMs: number, value: unknown, refuse: Refuse): unknown {
  try {
    const text = textOf(value);
    if (parseDuration(text) >= minMs) return text;
    return refuse(`must be at least ${minMs / 1000} seconds`);
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    return refuse('must be a duration such as 30s, 5m, 12h or 1h30m');
  }
}

function readTimestamp(value: unknown, refuse: Refuse): unknown {
  const [, day] = (typeof value === 'string' && RFC3339.exec(value)) || [];
  if (day !== undefined && isDay(day)) {
    const time = Date.parse(String(value));
    if (!Number.isNaN(time)) return new Date(time).toISOString().replace('.000Z', 'Z');
  }
  return refuse('must be a time such as 2026-01-31T15:04:05Z');
}

/** The 30th of February would otherwise be read as a day in March. */
function isDay(day: string): boolean {
  const time = Date.parse(day);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

/** Objects have no text: String() would call what the sender put in `toString`, or throw without one. */
const textOf = (value: unknown): string => (typeof value === 'object' ? '' : String(value));

/** Never the value itself when it is text: a secret may stand where it does not belong. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? 'text' : `the ${typeof value} ${String(value)}`;
}
