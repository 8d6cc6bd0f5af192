// Labels as a word of a command line, `env=prod,team=dba`, beside those of --labels.
import { splitList } from '../../arguments.ts';

/** Undefined when neither was given. */
export function readLabelWords(
  word: string | undefined,
  more: readonly string[] | undefined,
): readonly string[] | undefined {
  return word === undefined ? more : [...splitList(word), ...(more ?? [])];
}
