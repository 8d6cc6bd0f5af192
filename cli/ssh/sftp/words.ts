// One line of an sftp session as words, with quotes and backslashes as a shell has them, and nothing else of a shell.
import { usage } from '../../arguments.ts';

/** A comment, or a word of plain and quoted parts. */
const WORD = /\s*(?:#.*$|((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+))/y;
const PART = /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'|([^"'\\]+)/g;

/** USAGE when a quote is not closed. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  const text = line.trimEnd();
  for (let at = 0; at < text.length; at = WORD.lastIndex) {
    WORD.lastIndex = at;
    const found = WORD.exec(text);
    if (found === null) throw usage('a quote is not closed, or the line ends in a backslash');
    if (found[1] !== undefined) words.push(plain(found[1]));
  }
  return words;
}

function plain(word: string): string {
  return word.replace(
    PART,
    (_all: string, escaped?: string, double?: string, single?: string, bare?: string) =>
      escaped ?? double?.replace(/\\(["\\])/g, '$1') ?? single ?? bare ?? '',
  );
}
