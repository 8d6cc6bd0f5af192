// Resource files: YAML or JSON text to validated resources and back. All or nothing: one bad document refuses the file,
// and every problem is named with its document and line.
import { stringify } from 'yaml';
import { GatehouseError } from '#core/errors/error.ts';
import { checkResource, findKind, type Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { formatPath, isPlainObject, type Problem } from '#core/schema/check.ts';
import { readYaml, type YamlDocument } from '#core/yaml/read.ts';

/** Limits of a whole file; a single document may have 512 KiB. */
const MAX_FILE_LENGTH = 8 * 1024 * 1024;
const MAX_DOCUMENTS = 50_000;
/** A hostile or hopeless file must not make a huge answer. */
const MAX_REPORTED = 50;

export interface DocumentOptions {
  readonly kinds: readonly Kind[];
  /** What to call the text in messages: a file name, or "standard input". */
  readonly source: string;
}

/** `details.problems` of the error that parseDocuments throws. */
export interface DocumentProblem {
  /** Counted from 1. */
  readonly document: number;
  readonly line: number;
  /** `spec.allow.logins[0]`, or empty when the whole document is meant. */
  readonly path: string;
  readonly message: string;
}

interface Entry {
  readonly number: number;
  readonly document: YamlDocument;
  readonly value: unknown;
  /** Where the value is in its document: a list of resources is taken apart. */
  readonly at: readonly number[];
}

/**
 * Reads all resources of a text. INVALID_RESOURCE names each problem of each document, TOO_LARGE refuses a text over
 * 8 MiB; nothing is returned unless every document is valid. A text without documents gives an empty list.
 */
export function parseDocuments(text: string, options: DocumentOptions): Resource[] {
  if (text.length > MAX_FILE_LENGTH) {
    throw new GatehouseError(
      'TOO_LARGE',
      `${options.source} is larger than ${MAX_FILE_LENGTH / 1024 / 1024} MiB`,
    );
  }
  const entries = readYaml(text).flatMap((document, index) => entriesOf(document, index + 1));
  const problems: DocumentProblem[] = [];
  const resources: Resource[] = [];
  const seen = new Map<string, number>();
  for (const entry of entries) {
    const found = readEntry(entry, options.kinds);
    if ('resource' in found) resources.push(found.resource);
    const repeated = 'resource' in found ? repetition(entry, found.resource, seen) : found.problems;
    problems.push(...repeated);
  }
  if (resources.length > MAX_DOCUMENTS) {
    throw new GatehouseError('TOO_LARGE', `${options.source} has more than ${MAX_DOCUMENTS} documents`);
  }
  if (problems.length > 0) throw refusal(problems, entries.length, options.source);
  return resources;
}

/** Text that parseDocuments reads back to equal resources; JSON is always a list. */
export function formatDocuments(resources: readonly Resource[], format: 'yaml' | 'json'): string {
  const ordered = resources.map(inOrder);
  if (format === 'json') return `${JSON.stringify(ordered, null, 2)}\n`;
  return ordered
    .map((resource) =>
      stringify(resource, {
        lineWidth: 0,
        aliasDuplicateObjects: false,
        compat: 'yaml-1.1',
        nullStr: 'null',
      }),
    )
    .join('---\n');
}

function inOrder(resource: Resource): Resource {
  const { kind, sub_kind, version, metadata, spec } = resource;
  const { name, description, labels, expires, revision } = metadata;
  return {
    kind,
    ...(sub_kind === undefined ? {} : { sub_kind }),
    version,
    metadata: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(labels === undefined ? {} : { labels }),
      ...(expires === undefined ? {} : { expires }),
      ...(revision === undefined ? {} : { revision }),
    },
    spec,
  };
}

function entriesOf(document: YamlDocument, number: number): Entry[] {
  const { value } = document;
  if (value === null && document.problems.length === 0) return [];
  if (!Array.isArray(value)) return [{ number, document, value, at: [] }];
  return value.map((item: unknown, index) => ({ number, document, value: item, at: [index] }));
}

type Found = { readonly resource: Resource } | { readonly problems: readonly DocumentProblem[] };

function readEntry(entry: Entry, kinds: readonly Kind[]): Found {
  const { number, document, value } = entry;
  if (document.problems.length > 0) {
    return { problems: document.problems.map((problem) => ({ document: number, path: '', ...problem })) };
  }
  const kind = kindOfValue(value, kinds);
  if ('message' in kind) return { problems: [locate(entry, kind)] };
  const result = checkResource(kind.kind, value);
  return result.ok
    ? { resource: result.value }
    : { problems: result.problems.map((problem) => locate(entry, problem)) };
}

function kindOfValue(value: unknown, kinds: readonly Kind[]): { kind: Kind } | Problem {
  if (!isPlainObject(value)) {
    return { path: [], message: 'must be a resource with kind, version, metadata and spec' };
  }
  const name = value['kind'];
  if (typeof name !== 'string') {
    return { path: ['kind'], message: `is required, such as "kind: ${kinds[0]?.name ?? 'user'}"` };
  }
  try {
    const kind = findKind(kinds, name);
    if (kind.name === name) return { kind };
    return { path: ['kind'], message: `must be written "${kind.name}"` };
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error;
    return { path: ['kind'], message: error.message };
  }
}

function locate({ number, document, at }: Entry, problem: Problem): DocumentProblem {
  return {
    document: number,
    line: document.lineOf([...at, ...problem.path]),
    path: problem.path.length === 0 ? '' : formatPath(problem.path),
    message: problem.message,
  };
}

function repetition(entry: Entry, resource: Resource, seen: Map<string, number>): DocumentProblem[] {
  const title = `${resource.kind}/${resource.metadata.name}`;
  const line = entry.document.lineOf(entry.at);
  const before = seen.get(title);
  if (before === undefined) {
    seen.set(title, line);
    return [];
  }
  return [
    { document: entry.number, line, path: '', message: `${title} is there already, at line ${before}` },
  ];
}

function refusal(problems: readonly DocumentProblem[], count: number, source: string): GatehouseError {
  const reported = problems.slice(0, MAX_REPORTED);
  const lines = reported.map(({ document, line, path, message }) => {
    const place = count > 1 ? `document ${document}, line ${line}` : `line ${line}`;
    return path === '' ? `  ${place}: ${message}` : `  ${place}: ${path} ${message}`;
  });
  if (problems.length > reported.length) lines.push(`  and ${problems.length - reported.length} more`);
  return new GatehouseError(
    'INVALID_RESOURCE',
    `${source} is not valid; nothing was applied:\n${lines.join('\n')}`,
    {
      details: { problems: reported },
    },
  );
}
