// Says in our own words what is wrong with YAML. The words of the parser may quote the text around an error, and that
// text may be a secret.
import type { ErrorCode } from 'yaml';

export const NESTED_TOO_DEEP = 'is nested too deep';

const MEANING: Readonly<Partial<Record<ErrorCode, string>>> = {
  TAB_AS_INDENT: 'indentation must be spaces, not tabs',
  RESOURCE_EXHAUSTION: NESTED_TOO_DEEP,
  BAD_ALIAS: 'is an alias that is not well formed or has no anchor before it',
  ALIAS_PROPS: 'an alias must not have an anchor or a tag',
  BAD_DIRECTIVE: 'directives (lines that begin with %) are not supported',
  BAD_DQ_ESCAPE:
    'has an escape sequence that YAML does not know; write \\\\ for a backslash in double quotes',
  BAD_INDENT: 'is not indented like the lines around it, or something before it is not closed',
  BAD_SCALAR_START: 'begins with a character that is reserved; put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'has a ": " inside of a value, or a nested key on the same line; put the value in quotes',
  BLOCK_IN_FLOW: 'has an indented block inside of [ ] or { }',
  MISSING_CHAR: 'lacks a character, such as a closing quote or bracket, a colon, or a space after a colon',
  MULTILINE_IMPLICIT_KEY: 'is not indented as it should be, or lacks a colon after a key',
  KEY_OVER_1024_CHARS: 'has a key that is too long',
  NON_STRING_KEY: 'has a key that is not plain text',
  TAG_RESOLVE_FAILED: 'has a tag (!…) that is not supported',
  UNEXPECTED_TOKEN: 'has something that is not expected here, such as a stray quote, bracket or comma',
};

/** One sentence on the error at offset `at`; never quotes the text. */
export function explainSyntaxError(code: ErrorCode, text: string, at: number): string {
  if (code !== 'TAB_AS_INDENT' && hasTabIndent(text, at)) return MEANING.TAB_AS_INDENT ?? '';
  return MEANING[code] ?? 'is not valid YAML';
}

/** Many errors are the consequence of a tab on this line or the one before. */
function hasTabIndent(text: string, at: number): boolean {
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const before = text.lastIndexOf('\n', lineStart - 2) + 1;
  return [lineStart, before].some((start) => /^ *\t/.test(text.slice(start, start + 200)));
}
