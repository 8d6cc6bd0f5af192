// Cuts a text of many YAML documents, or a large JSON list, into pieces that are parsed one by one: memory is then
// bounded by the largest document and not by the file.

export interface Chunk {
  readonly text: string;
  /** The line of the whole text on which the piece starts, from 1. */
  readonly line: number;
}

/**
 * In YAML these lines end a document wherever they stand, even in a block of text. A line begins after \n only: with the
 * `m` flag it would begin after U+2028 as well, and text that somebody put in a label would become a document.
 */
const MARKER = /(?<![^\n])---(?=[ \t\r\n]|$)/g;

/** `maxLength` decides only whether a JSON list is worth cutting up. */
export function splitDocuments(text: string, maxLength: number): readonly Chunk[] {
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const json = clean.length > maxLength ? splitJsonList(clean) : undefined;
  if (json !== undefined) return json;
  const starts = [0];
  for (const { index } of clean.matchAll(MARKER)) if (index > 0) starts.push(index);
  const spans = starts.map((start, index) => [start, starts[index + 1] ?? clean.length] as const);
  return chunksAt(clean, spans).filter(({ text }) => contentStart(text) < text.length);
}

/** Where spaces, comments and the marker of the document end; the length of the text when there is nothing else. */
export function contentStart(text: string): number {
  let at = /^---(?:[ \t\r\n]|$)/.test(text.slice(0, 4)) ? 3 : 0;
  while (at < text.length) {
    if (text[at] === '#') {
      const end = text.indexOf('\n', at);
      at = end === -1 ? text.length : end;
    } else if (' \t\r\n'.includes(text.charAt(at))) at++;
    else break;
  }
  return at;
}

/** The entries of `[{…}, {…}]`, or undefined when the text is not exactly that. */
function splitJsonList(text: string): readonly Chunk[] | undefined {
  if (!/^\s*\[/.test(text)) return undefined;
  const spans: [number, number][] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (depth < 2 && !/[\s,{}[\]]/.test(char)) return undefined;
    if (char === '"') at = endOfString(text, at);
    const step = nesting(char);
    depth += step;
    if (step === 1 && depth === 2) start = at;
    if (step === -1 && depth === 1) spans.push([start, at + 1]);
  }
  return depth === 0 ? chunksAt(text, spans) : undefined;
}

function nesting(char: string): -1 | 0 | 1 {
  if (char === '{' || char === '[') return 1;
  return char === '}' || char === ']' ? -1 : 0;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function chunksAt(text: string, spans: readonly (readonly [number, number])[]): Chunk[] {
  let line = 1;
  let counted = 0;
  return spans.map(([start, end]) => {
    for (let at = text.indexOf('\n', counted); at !== -1 && at < start; at = text.indexOf('\n', at + 1))
      line++;
    counted = start;
    return { text: text.slice(start, end), line };
  });
}
