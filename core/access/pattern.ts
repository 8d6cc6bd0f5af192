// One way to match a text: exactly, by glob (`*` is any run of characters) or by `^regular expression$`.
// Regular expressions are RE2, so that no pattern takes more than linear time, and always match the whole text.
import { RE2JS } from 're2js';
import { GatehouseError } from '../errors/error.ts';

const MAX_PATTERN = 1024;
const MAX_PROGRAM = 4096;
/** The sum of all repeat counts, checked before compiling: each is unrolled. */
const MAX_REPEATS = 2000;
const MAX_CACHED = 10_000;

export interface Pattern {
  readonly text: string;
  /** Set when the pattern matches this text and no other. */
  readonly literal?: string;
  test(value: string): boolean;
}

/** Compiled patterns by text; pass one to every compilation that should reuse work. Bounded. */
export type PatternCache = Map<string, Pattern>;

/** Matches `text` itself, whatever characters it has: for values that come from traits. */
export function exactly(text: string): Pattern {
  return { text, literal: text, test: (value) => value === text };
}

/**
 * A glob, or an RE2 expression when the text starts with `^` and ends with `$`. BAD_REQUEST when it does not
 * compile, is too large, or has only one of the two anchors, which would look like an expression and match nothing.
 */
export function compilePattern(text: string, cache?: PatternCache): Pattern {
  const known = cache?.get(text);
  if (known !== undefined) return known;
  const pattern = isRegex(text) ? regexPattern(text) : globPattern(text);
  if (cache !== undefined) {
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(text, pattern);
  }
  return pattern;
}

function isRegex(text: string): boolean {
  if (text.length > MAX_PATTERN) {
    throw bad(`a pattern must have at most ${MAX_PATTERN} characters`);
  }
  const starts = text.startsWith('^');
  const ends = endsWithAnchor(text);
  if (starts !== ends) {
    const have = starts ? 'starts with ^ but does not end with $' : 'ends with $ but does not start with ^';
    throw bad(`"${clip(text)}" ${have}; a regular expression has both, other text neither`);
  }
  return starts && ends;
}

/** True when the last character is a `$` that no backslash takes away. */
export function endsWithAnchor(text: string): boolean {
  const slashes = /(\\*)\$$/.exec(text)?.[1];
  return text.length > 1 && slashes !== undefined && slashes.length % 2 === 0;
}

function regexPattern(text: string): Pattern {
  // `.` takes line breaks too: a line break in a label must not lead around a deny.
  const regex = compileRegex(text, RE2JS.DOTALL);
  return { text, test: (value) => regex.testExact(value) };
}

/** Compiles RE2 syntax within bounds, with flags of RE2JS; BAD_REQUEST says what is wrong with it. */
export function compileRegex(text: string, flags = 0): RE2JS {
  if (text.length > MAX_PATTERN) {
    throw bad(`a regular expression must have at most ${MAX_PATTERN} characters`);
  }
  let repeats = 0;
  for (const found of text.matchAll(/\{(\d{1,6})(?:,(\d{0,6}))?\}/g)) {
    repeats += Math.max(Number(found[1]), Number(found[2] ?? 0));
  }
  if (repeats > MAX_REPEATS) {
    throw bad(`"${clip(text)}" repeats too much: the counts in { } may add up to ${MAX_REPEATS}`);
  }
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(text, flags);
  } catch (error) {
    const why =
      error instanceof Error ? error.message.replace('error parsing regexp: ', '') : 'it does not compile';
    throw new GatehouseError(
      'BAD_REQUEST',
      `"${clip(text)}" is not a regular expression in RE2 syntax: ${clip(why)}`,
      { cause: error },
    );
  }
  if (regex.programSize() > MAX_PROGRAM) {
    throw bad(`"${clip(text)}" is too large for a regular expression; write it shorter`);
  }
  return regex;
}

function globPattern(text: string): Pattern {
  if (!text.includes('*')) return exactly(text);
  if (text === '*') return { text, test: () => true };
  const pieces = text.split('*');
  const head = pieces[0] ?? '';
  const tail = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  const least = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return {
    text,
    test(value) {
      if (value.length < least || !value.startsWith(head) || !value.endsWith(tail)) return false;
      const end = value.length - tail.length;
      let from = head.length;
      for (const piece of middle) {
        const at = value.indexOf(piece, from);
        if (at < 0 || at + piece.length > end) return false;
        from = at + piece.length;
      }
      return from <= end;
    },
  };
}

export const WILDCARD = '*';

export function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function bad(message: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', message);
}
