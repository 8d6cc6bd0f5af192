// Validates a value from outside against a schema and returns a clean copy with defaults filled in.
// All problems are collected, each with its path, so that a person can mend a file in one go.
import { nearest } from './nearest.ts';
import { readScalar, typeName } from './scalar.ts';
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
/** Of a value that may be anything. */
const MAX_LEVELS = 64;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const ZERO_TIME = /^0001-01-01T00:00:00(\.0+)?Z$/;

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
      return isDeep(value)
        ? refuse(problems, path, `must not be nested deeper than ${MAX_LEVELS} levels`)
        : structuredClone(value);
    default:
      return readScalar(node, value, (message) => refuse(problems, path, message));
  }
}

/** Level by level, because whoever follows it down, as structuredClone does, runs out of stack. */
function isDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_LEVELS) return true;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return false;
}

type ListNode = Extract<Node, { type: 'list' }>;
type MapNode = Extract<Node, { type: 'map' }>;

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
  if (hasDefault(schema)) return copyOf(schema.fallback);
  if (!isOptional(schema)) refuse(problems, path, 'is required');
  return undefined;
}

/** Most defaults are plain values, which need no copy; a deep copy costs more than all the rest of a check. */
function copyOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value;
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
  if (depth(nearestTry) > path.length) {
    for (const problem of nearestTry) refuse(problems, problem.path, problem.message);
  } else refuse(problems, path, `must be ${options.map(describeType).join(' or ')}`);
  return undefined;
}

const depth = (problems: readonly Problem[]): number =>
  Math.max(0, ...problems.map((problem) => problem.path.length));

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

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
