// What differs between two resources, field by field: a line with the path, then what was and what is. Pure.
import { isDeepStrictEqual } from 'node:util';
import { isPlainObject } from '#core/schema/check.ts';
import { oneLine } from './text.ts';

export interface DiffLine {
  readonly sign: '-' | '+' | ' ';
  readonly text: string;
}

/** Set by the server at each write: they differ always and say nothing. */
const IGNORED = new Set(['metadata.revision']);

/** `before` is undefined for a new resource. Values are shown as JSON, on one line each. */
export function diffLines(before: unknown, after: unknown): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  compare(before ?? bare(after), after, '', lines);
  return lines;
}

/** What the heading says already is not said again as a difference. */
function bare(resource: unknown): unknown {
  if (!isPlainObject(resource)) return {};
  const { kind, version, metadata } = resource;
  return { kind, version, metadata: isPlainObject(metadata) ? { name: metadata['name'] } : {} };
}

function compare(before: unknown, after: unknown, path: string, lines: DiffLine[]): void {
  if (IGNORED.has(path) || isDeepStrictEqual(plain(before), plain(after))) return;
  const [old, fresh] = [fieldsOf(before, after), fieldsOf(after, before)];
  const isEmpty = Object.keys({ ...old, ...fresh }).length === 0;
  if (old !== undefined && fresh !== undefined && !isEmpty) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
      compare(old[key], fresh[key], pathTo(path, key), lines);
    }
    return;
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    lines.push({ sign: ' ', text: `${path}:` }, ...listLines(before, after));
    return;
  }
  if (before !== undefined) lines.push({ sign: '-', text: `${path}: ${shown(before)}` });
  if (after !== undefined) lines.push({ sign: '+', text: `${path}: ${shown(after)}` });
}

/** What is not there counts as a map without fields when the other side is a map with some. */
function fieldsOf(value: unknown, other: unknown): Readonly<Record<string, unknown>> | undefined {
  if (isPlainObject(value)) return value;
  return value === undefined && isPlainObject(other) && Object.keys(other).length > 0 ? {} : undefined;
}

/** Entries that went and came; the others are left out. When only their order changed, the lists as a whole. */
function listLines(before: readonly unknown[], after: readonly unknown[]): DiffLine[] {
  const old = before.map(shown);
  const fresh = after.map(shown);
  const lines = [
    ...without(old, fresh).map((text): DiffLine => ({ sign: '-', text: `  ${text}` })),
    ...without(fresh, old).map((text): DiffLine => ({ sign: '+', text: `  ${text}` })),
  ];
  if (lines.length > 0) return lines;
  return [
    { sign: '-', text: `  ${shown(before)}` },
    { sign: '+', text: `  ${shown(after)}` },
  ];
}

/** The entries of `all` less those of `others`, each as often as it is there. */
function without(all: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of others) counts.set(text, (counts.get(text) ?? 0) + 1);
  return all.filter((text) => {
    const left = counts.get(text) ?? 0;
    counts.set(text, left - 1);
    return left <= 0;
  });
}

const plain = (value: unknown): unknown =>
  value === undefined ? undefined : JSON.parse(JSON.stringify(value));
const shown = (value: unknown): string => oneLine(JSON.stringify(value));

function pathTo(path: string, key: string): string {
  const part = /^[A-Za-z_][\w-]*$/.test(key) ? key : `[${oneLine(JSON.stringify(key))}]`;
  if (path === '') return part;
  return part.startsWith('[') ? `${path}${part}` : `${path}.${part}`;
}
