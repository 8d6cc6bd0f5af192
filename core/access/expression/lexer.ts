// Cuts an expression into tokens. Shared by label expressions, `where` conditions and the inside of {{templates}}.
import { GatehouseError } from '../../errors/error.ts';

export const MAX_EXPRESSION = 8192;
const MAX_TOKENS = 2000;

export type TokenType = 'name' | 'text' | 'punctuation' | 'end';

export interface Token {
  readonly type: TokenType;
  /** The name, the meaning of the quoted text, or the sign. */
  readonly value: string;
  /** Offset in the expression. */
  readonly at: number;
}

const SPACE = /[ \t\r\n]+/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const PUNCTUATION = /&&|\|\||==|!=|[()[\],.!]/y;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** BAD_REQUEST with the position for anything that is not part of the language or is too long. */
export function tokenize(source: string): Token[] {
  if (source.length > MAX_EXPRESSION) {
    throw new GatehouseError('BAD_REQUEST', `an expression must have at most ${MAX_EXPRESSION} characters`);
  }
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += taken(SPACE, source, at).length;
    if (at >= source.length) break;
    const token = readToken(source, at);
    tokens.push(token.token);
    if (tokens.length > MAX_TOKENS) throw syntaxError(source, at, `has more than ${MAX_TOKENS} parts`);
    at = token.next;
  }
  tokens.push({ type: 'end', value: '', at });
  return tokens;
}

function readToken(source: string, at: number): { token: Token; next: number } {
  const name = taken(NAME, source, at);
  if (name !== '') return { token: { type: 'name', value: name, at }, next: at + name.length };
  const sign = taken(PUNCTUATION, source, at);
  if (sign !== '') return { token: { type: 'punctuation', value: sign, at }, next: at + sign.length };
  const quote = source[at];
  if (quote === '"' || quote === "'" || quote === '`') return readText(source, at, quote);
  throw syntaxError(source, at, `does not expect ${JSON.stringify(quote)}`);
}

/** A backslash before a character without a meaning of its own is kept, so that "\d+" reads as written. */
function readText(source: string, at: number, quote: string): { token: Token; next: number } {
  let value = '';
  for (let i = at + 1; i < source.length; i++) {
    const char = source[i] ?? '';
    if (char === quote) return { token: { type: 'text', value, at }, next: i + 1 };
    if (char === '\\' && quote !== '`' && i + 1 < source.length) {
      const next = source[i + 1] ?? '';
      value += Object.hasOwn(ESCAPES, next) ? ESCAPES[next] : `\\${next}`;
      i++;
    } else value += char;
  }
  throw syntaxError(source, at, 'has a quote that is never closed');
}

function taken(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? '';
}

/** BAD_REQUEST that names line and column. */
export function syntaxError(source: string, at: number, says: string): GatehouseError {
  const before = source.slice(0, at).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return new GatehouseError(
    'BAD_REQUEST',
    `the expression ${says} (line ${before.length}, column ${column})`,
    {
      details: { line: before.length, column },
    },
  );
}
