// Validates a value from outside against a schema and returns a clean copy with defaults filled in.
// All problems are collected, each with its path, so that a person can mend a file in one go.
import { parseDuration } from '../duration.ts';
import { isCode } from '../errors/error.ts';
import { nearest } from './nearest.ts';
import { hasDefault, isOptional, type Fields, type Node, type Schema } from './schema.ts';

export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** What is wrong and what is allowed, for a person. */
  readonly message: string;
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** At most this many problems are reported; a hostile file must not make a huge answer. */
const MAX_PROBLEMS = 50;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const TRUE_WORDS = new Set(['true', 'yes', 'on']);
const FALSE_WORDS = new Set(['false', 'no', 'off']);
const ZERO_TIME = /^0001-01-01T00:00:00(\.0+)?Z$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** Checks `value`; on success the result is a new value that shares nothing mutable with the input. */
export function check<T>(schema: Schema<T>, value: unknown): Checked<T> {
  const problems: Problem[] = [];
  const result = visit(schema, value, [], problems);
  return problems.length === 0 ? { ok: true, value: result as T } : { ok: false, problems };
}

/** `spec.allow.logins[0]` */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text === '' ? '(top level)' : text;
}

export function formatProblem(problem: Problem): string {
  return `${formatPath(problem.path)}: ${problem.message}`;
}

function visit(schema: Schema<unknown>, value: unknown, path: Path, problems: Problem[]): unknown {
  const { node } = schema;
  switch (node.type) {
    case 'list':
      return visitList(node, value, path, problems);
    case 'map':
      return visitMap(node, value, path, problems);
    case 'object':
      return visitObject(node.fields, value, path, problems);
    case 'choice':
      return visitChoice(node.options, value, path, problems);
    case 'json':
      return structuredClone(value);
    default:
      return visitScalar(node, value, path, problems);
  }
}

type ListNode = Extract<Node, { type: 'list' }>;
type StringNode = Extract<Node, { type: 'string' }>;
type IntegerNode = Extract<Node, { type: 'integer' }>;
type MapNode = Extract<Node, { type: 'map' }>;
type ScalarNode = Exclude<Node, { type: 'list' | 'map' | 'object' | 'choice' | 'json' }>;

function visitList(node: ListNode, value: unknown, path: Path, problems: Problem[]): unknown {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) {
    if (node.single && typeof value !== 'object') return [visit(node.item, value, path, problems)];
    return refuse(problems, path, `must be a list, not ${typeName(value)}`);
  }
  if (value.length > node.max) return refuse(problems, path, `must have at most ${node.max} entries`);
  return value.map((item, index) => visit(node.item, item, [...path, index], problems));
}

function visitMap(node: MapNode, value: unknown, path: Path, problems: Problem[]): unknown {
  if (value === null || value === undefined) return {};
  if (!isPlainObject(value))
    return refuse(problems, path, `must be a map of names to values, not ${typeName(value)}`);
  const entries = Object.entries(value);
  if (entries.length > node.max) return refuse(problems, path, `must have at most ${node.max} entries`);
  const out: Record<string, unknown> = {};
  for (const [key, item] of entries) {
    if (FORBIDDEN_KEYS.has(key)) refuse(problems, [...path, key], 'is not allowed as a name');
    else out[key] = visit(node.value, item, [...path, key], problems);
  }
  return out;
}

function visitObject(fields: Fields, value: unknown, path: Path, problems: Problem[]): unknown {
  if (!isPlainObject(value)) return refuse(problems, path, `must be a map of fields, not ${typeName(value)}`);
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(fields, key)) refuse(problems, [...path, key], unknownField(key, Object.keys(fields)));
  }
  for (const [key, schema] of Object.entries(fields)) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    const result = visitField(schema, given, [...path, key], problems);
    if (result !== undefined) out[key] = result;
  }
  return out;
}

function visitField(schema: Schema<unknown>, value: unknown, path: Path, problems: Problem[]): unknown {
  const absent = value === undefined || value === null || isZeroTime(schema, value);
  if (!absent) return visit(schema, value, path, problems);
  if (hasDefault(schema)) return structuredClone(schema.fallback);
  if (!isOptional(schema)) refuse(problems, path, 'is required');
  return undefined;
}

function isZeroTime(schema: Schema<unknown>, value: unknown): boolean {
  return schema.node.type === 'timestamp' && typeof value === 'string' && ZERO_TIME.test(value);
}

function visitChoice(
  options: readonly Schema<unknown>[],
  value: unknown,
  path: Path,
  problems: Problem[],
): unknown {
  let nearestTry: Problem[] = [];
  for (const option of options) {
    const found: Problem[] = [];
    const result = visit(option, value, path, found);
    if (found.length === 0) return result;
    // The option that got deepest into the value is the one that was meant.
    if (nearestTry.length === 0 || depth(found) > depth(nearestTry)) nearestTry = found;
  }
  if (depth(nearestTry) > path.length) problems.push(...nearestTry);
  else refuse(problems, path, `must be ${options.map(describeType).join(' or ')}`);
  return undefined;
}

const depth = (problems: readonly Problem[]): number =>
  Math.max(0, ...problems.map((problem) => problem.path.length));

function visitScalar(node: ScalarNode, value: unknown, path: Path, problems: Problem[]): unknown {
  switch (node.type) {
    case 'string':
      return visitString(node, value, path, problems);
    case 'enum':
      return visitEnum(node.values, value, path, problems);
    case 'boolean':
      return visitBoolean(value, path, problems);
    case 'integer':
      return visitInteger(node, value, path, problems);
    case 'duration':
      return visitDuration(node.minMs, value, path, problems);
    case 'timestamp':
      return visitTimestamp(value, path, problems);
  }
}

function visitString(node: StringNode, value: unknown, path: Path, problems: Problem[]): unknown {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return refuse(problems, path, `must be text, not ${typeName(value)}`);
  }
  const complaint = stringComplaint(node, String(value));
  return complaint === undefined ? String(value) : refuse(problems, path, complaint);
}

function visitBoolean(value: unknown, path: Path, problems: Problem[]): unknown {
  const word = textOf(value).toLowerCase();
  if (TRUE_WORDS.has(word)) return true;
  if (FALSE_WORDS.has(word)) return false;
  return refuse(problems, path, 'must be true or false (yes, no, on and off are understood)');
}

function visitInteger(node: IntegerNode, value: unknown, path: Path, problems: Problem[]): unknown {
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
  return refuse(problems, path, `must be a whole number, ${node.min} ${upTo}`);
}

function stringComplaint(node: StringNode, text: string): string | undefined {
  if (text.length < node.minLength)
    return node.minLength === 1 ? 'must not be empty' : `must have at least ${node.minLength} characters`;
  if (text.length > node.maxLength) return `must have at most ${node.maxLength} characters`;
  if (text.includes('\u0000')) return 'must not contain a NUL character';
  if (node.format !== undefined && !node.format.accepts(text)) return `must be ${node.format.says}`;
  return undefined;
}

function visitEnum(values: readonly string[], value: unknown, path: Path, problems: Problem[]): unknown {
  // YAML 1.1 habits turn the words on and off into booleans; read them back as the words they were.
  const words =
    typeof value === 'boolean' ? (value ? ['on', 'true', 'yes'] : ['off', 'false', 'no']) : [textOf(value)];
  const match = words.find((word) => values.includes(word));
  if (match !== undefined && typeof value !== 'object') return match;
  const hint = typeof value === 'string' ? nearest(value, values) : undefined;
  const suggestion = hint === undefined ? '' : `; did you mean "${hint}"?`;
  return refuse(problems, path, `must be one of ${values.join(', ')}${suggestion}`);
}

function visitDuration(minMs: number, value: unknown, path: Path, problems: Problem[]): unknown {
  try {
    const text = textOf(value);
    if (parseDuration(text) >= minMs) return text;
    return refuse(problems, path, `must be at least ${minMs / 1000} seconds`);
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    return refuse(problems, path, 'must be a duration such as 30s, 5m, 12h or 1h30m');
  }
}

function visitTimestamp(value: unknown, path: Path, problems: Problem[]): unknown {
  if (typeof value === 'string' && RFC3339.test(value)) {
    const time = Date.parse(value);
    if (!Number.isNaN(time)) return new Date(time).toISOString().replace('.000Z', 'Z');
  }
  return refuse(problems, path, 'must be a time such as 2026-01-31T15:04:05Z');
}

function unknownField(key: string, known: readonly string[]): string {
  const hint = nearest(key, known);
  if (hint !== undefined) return `is not a known field; did you mean "${hint}"?`;
  return `is not a known field; allowed here: ${known.join(', ')}`;
}

export function describeType(schema: Schema<unknown>): string {
  const { node } = schema;
  switch (node.type) {
    case 'string':
      return node.format?.says ?? 'text';
    case 'enum':
      return `one of ${node.values.join(', ')}`;
    case 'boolean':
      return 'true or false';
    case 'integer':
      return 'a whole number';
    case 'duration':
      return 'a duration';
    case 'timestamp':
      return 'a time';
    case 'list':
      return `a list of ${describeType(node.item)}`;
    case 'map':
      return `a map to ${describeType(node.value)}`;
    case 'object':
      return 'a map of fields';
    case 'choice':
      return node.options.map(describeType).join(' or ');
    case 'json':
      return 'any value';
  }
}

function refuse(problems: Problem[], path: Path, message: string): undefined {
  if (problems.length < MAX_PROBLEMS) problems.push({ path, message });
  return undefined;
}

/** Objects have no text: String() would call what the sender put in `toString`, or throw without one. */
const textOf = (value: unknown): string => (typeof value === 'object' ? '' : String(value));

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Never the value itself when it is text: a secret may stand where it does not belong. */
function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'string' ? 'text' : `the ${typeof value} ${String(value)}`;
}
