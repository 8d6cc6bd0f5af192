// `regexp.replace`: rewrites a text by an RE2 expression and a replacement with $1, ${1} or ${name}.
// Separate from patterns because a replacement searches inside the text, and its output must be bounded.
import type { RE2JS } from 're2js';
import { GatehouseError } from '../errors/error.ts';
import { clip, compileRegex } from './pattern.ts';

/** Longer texts and longer results are dropped. */
const MAX_RESULT = 4096;

/** The rewritten text, or undefined when the expression does not occur in it or the result is too long. */
export type Replacer = (text: string) => string | undefined;

type Piece = string | { readonly group: number };

/** BAD_REQUEST when the expression does not compile or the replacement names a group that it does not have. */
export function compileReplace(expression: string, replacement: string): Replacer {
  const regex = compileRegex(expression);
  const pieces = parseReplacement(regex, replacement);
  return (text) => {
    if (text.length > MAX_RESULT) return undefined;
    const matcher = regex.matcher(text);
    let out = '';
    let copied = 0;
    let found = false;
    while (matcher.find()) {
      found = true;
      out += text.slice(copied, matcher.start());
      for (const piece of pieces) {
        out += typeof piece === 'string' ? piece : (matcher.group(piece.group) ?? '');
      }
      copied = matcher.end();
      if (out.length > MAX_RESULT) return undefined;
    }
    if (!found) return undefined;
    out += text.slice(copied);
    return out.length > MAX_RESULT ? undefined : out;
  };
}

function parseReplacement(regex: RE2JS, replacement: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of replacement.matchAll(/\$(?:\$|(\w+)|\{(\w+)\})/g)) {
    pieces.push(replacement.slice(from, match.index));
    const name = match[1] ?? match[2];
    pieces.push(name === undefined ? '$' : { group: groupNumber(regex, name) });
    from = match.index + match[0].length;
  }
  pieces.push(replacement.slice(from));
  return pieces.filter((piece) => piece !== '');
}

function groupNumber(regex: RE2JS, name: string): number {
  const named = new Map(Object.entries(regex.namedGroups()));
  const number = /^\d{1,4}$/.test(name) ? Number(name) : named.get(name);
  if (number === undefined || number > regex.groupCount()) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `the replacement refers to group "${clip(name)}", which the expression does not have; ` +
        'write ${1} when letters or digits follow the number',
    );
  }
  return number;
}
