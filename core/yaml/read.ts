// Reads YAML (and so JSON) from people: bounded, with the line of every value, and with the text of plain values kept
// as it was written. Apart because the config file and resource files must agree on what YAML means.
import { isAlias, isMap, isScalar, isSeq, type Document, type Node } from 'yaml';
import type { Path } from '../schema/check.ts';
import { explainSyntaxError, NESTED_TOO_DEEP } from './complaints.ts';
import { composeDocuments } from './compose.ts';
import { contentStart, splitDocuments, type Chunk } from './split.ts';
import { buildValue, type YamlComplaint } from './value.ts';

/** A document larger than this is refused before it is parsed: a parsed document takes about 100 times its size. */
export const MAX_DOCUMENT_LENGTH = 512 * 1024;
const MAX_DOCUMENTS = 50_000;

export interface YamlProblem {
  /** Counted from 1 in the whole text. */
  readonly line: number;
  readonly message: string;
}

export interface YamlDocument {
  /** The line on which the document starts. */
  readonly line: number;
  /** Plain maps (without prototype), lists and scalars; undefined when there are problems, null when empty. */
  readonly value: unknown;
  /** Syntax errors, duplicate keys, and whatever the bounds forbid. */
  readonly problems: readonly YamlProblem[];
  /** The line of the key or list entry at `path`, or of the nearest one above it that exists. */
  lineOf(path: Path): number;
}

/**
 * Reads all documents of `text`; never throws. A document with problems does not spoil the others.
 * Anchors and aliases work within a document up to a total size; merge keys, tags and directives are refused.
 */
export function readYaml(text: string): readonly YamlDocument[] {
  const chunks = splitDocuments(text, MAX_DOCUMENT_LENGTH);
  if (chunks.length > MAX_DOCUMENTS) return [refused(1, `there are more than ${MAX_DOCUMENTS} documents`)];
  return chunks.flatMap(readChunk);
}

function readChunk(chunk: Chunk): YamlDocument[] {
  const lines = lineCounter(chunk);
  if (chunk.text.length > MAX_DOCUMENT_LENGTH) {
    return [refused(chunk.line, `the document is larger than ${MAX_DOCUMENT_LENGTH / 1024} KiB`)];
  }
  if (chunk.text[contentStart(chunk.text)] === '%') {
    return [refused(chunk.line, 'directives (lines that begin with %) are not supported')];
  }
  const documents = composeDocuments(chunk.text);
  if ('tooDeepAt' in documents) return [refused(chunk.line, NESTED_TOO_DEEP, lines(documents.tooDeepAt))];
  return documents.map((document) => readDocument(document, chunk, lines));
}

function readDocument(document: Document.Parsed, chunk: Chunk, lineAt: (at: number) => number): YamlDocument {
  const syntaxError = document.errors[0] ?? document.warnings[0];
  if (syntaxError !== undefined) {
    const at = syntaxError.pos[0];
    return refused(chunk.line, explainSyntaxError(syntaxError.code, chunk.text, at), lineAt(at));
  }
  const complaints: YamlComplaint[] = [];
  const value = buildValue(document, complaints);
  const root = document.contents;
  return {
    line: root === null ? chunk.line : lineAt(root.range[0]),
    value: complaints.length === 0 ? value : undefined,
    problems: complaints.map(({ at, message }) => ({ line: lineAt(at), message })),
    lineOf: (path) => lineAt(offsetOf(document, path)),
  };
}

const refused = (line: number, message: string, problemLine = line): YamlDocument => ({
  line,
  value: undefined,
  problems: [{ line: problemLine, message }],
  lineOf: () => line,
});

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const part of path) {
    const next = stepInto(isAlias(node) ? node.resolve(document) : node, part);
    if (next === undefined) break;
    node = next.node;
    offset = next.at ?? offset;
  }
  return offset;
}

function stepInto(
  node: unknown,
  part: string | number,
): { node: unknown; at: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === part);
    return pair === undefined ? undefined : { node: pair.value, at: (pair.key as Node).range?.[0] };
  }
  if (!isSeq(node) || typeof part !== 'number' || part >= node.items.length) return undefined;
  const item = node.items[part];
  return { node: item, at: (item as Node | null)?.range?.[0] };
}

/** From an offset in the chunk to a line of the whole text. */
function lineCounter(chunk: Chunk): (at: number) => number {
  const starts: number[] = [];
  for (let at = chunk.text.indexOf('\n'); at !== -1; at = chunk.text.indexOf('\n', at + 1))
    starts.push(at + 1);
  return (at) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return chunk.line + low;
  };
}
