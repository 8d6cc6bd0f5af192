// From the words of a command line to a command with its flags. Pure; run.ts does what was understood.
import { nearest } from '#core/schema/nearest.ts';
import {
  isGroup,
  usage,
  type Command,
  type Entry,
  type Flag,
  type Flags,
  type FlagValues,
  type Given,
  type Group,
  type Program,
  type Verb,
} from './arguments.ts';

/** What was asked for, before the command is loaded. */
export interface Call<C> {
  /** The words that led here, the program first: `gatectl`, `users`, `add`. */
  readonly path: readonly string[];
  /** Undefined when only a group was named. */
  readonly verb?: Verb<C>;
  /** The entries to choose from, when no command was named. */
  readonly group: Pick<Group<C>, 'verbs' | 'says'>;
  /** Texts of flags that came before the verb. */
  readonly texts: FlagTexts;
  readonly rest: readonly string[];
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
}

export type FlagTexts = ReadonlyMap<string, readonly string[]>;

const HELP = new Set(['--help', '-h']);

/** Follows the words down to a command. USAGE for an unknown verb or flag, with the nearest known one. */
export function findCommand<C, G extends Flags>(program: Program<C, G>, words: readonly string[]): Call<C> {
  const texts = new Map<string, string[]>();
  const path = [program.name];
  let group: Pick<Group<C>, 'verbs' | 'says'> = program;
  const found = { wantsHelp: false, wantsVersion: false };
  let at = 0;
  if (words[0] === 'help') {
    found.wantsHelp = true;
    at = 1;
  }
  while (at < words.length) {
    const word = words[at] ?? '';
    if (HELP.has(word)) found.wantsHelp = true;
    else if (word === '--version' && path.length === 1) found.wantsVersion = true;
    else if (word.startsWith('-') && word !== '-') at += readFlag(program.flags, words, at, texts, path);
    else {
      const entry = requireEntry(group, word, path);
      path.push(entry.name);
      if (!isGroup(entry)) return { path, verb: entry, group, texts, rest: words.slice(at + 1), ...found };
      group = entry;
    }
    at += 1;
  }
  return { path, group, texts, rest: [], ...found };
}

/** Reads the words after the verb. USAGE names the flag or word that is wrong. */
export function readArguments<C, G extends Flags>(
  program: Program<C, G>,
  call: Call<C>,
  command: Command<C>,
): { readonly globals: FlagValues<G>; readonly given: Given<Flags>; readonly wantsHelp: boolean } {
  const flags: Flags = { ...program.flags, ...command.flags };
  const texts = new Map([...call.texts].map(([name, values]) => [name, [...values]]));
  const words: string[] = [];
  let wantsHelp = call.wantsHelp;
  for (let at = 0; at < call.rest.length; at++) {
    const word = call.rest[at] ?? '';
    const isLiteral = words.length === command.literalAfter;
    if (isLiteral || word === '--') {
      words.push(...call.rest.slice(isLiteral ? at : at + 1));
      break;
    }
    if (HELP.has(word)) wantsHelp = true;
    else if (word.startsWith('-') && word !== '-') at += readFlag(flags, call.rest, at, texts, call.path);
    else words.push(word);
  }
  if (!wantsHelp) requireCount(command, words, call.path);
  return {
    globals: valuesOf(program.flags, texts, command.flags) as FlagValues<G>,
    given: { flags: wantsHelp ? {} : valuesOf(command.flags, texts), words },
    wantsHelp,
  };
}

function requireEntry<C>(group: Pick<Group<C>, 'verbs'>, word: string, path: readonly string[]): Entry<C> {
  const entry = group.verbs.find(({ name, aliases = [] }) => name === word || aliases.includes(word));
  if (entry !== undefined) return entry;
  const hint = nearest(
    word,
    group.verbs.flatMap(({ name, aliases = [] }) => [name, ...aliases]),
  );
  const suggestion =
    hint === undefined
      ? `; see \`${path.join(' ')} --help\``
      : `; did you mean "${path.slice(1).concat(hint).join(' ')}"?`;
  throw usage(`"${word.slice(0, 64)}" is not a command of ${path.join(' ')}${suggestion}`);
}

/** Reads the flag at `at`; returns how many words it took besides its own. */
function readFlag(
  flags: Flags,
  words: readonly string[],
  at: number,
  texts: Map<string, string[]>,
  path: readonly string[],
): number {
  const word = words[at] ?? '';
  const isLong = word.startsWith('--');
  const { name, flag, attached, more } = isLong ? longFlag(flags, word, path) : shortFlag(flags, word, path);
  if (more !== undefined) {
    putText(texts, name, flag, 'true');
    return readFlag(flags, [`-${more}`, ...words.slice(at + 1)], 0, texts, path);
  }
  if (attached === undefined && flag.value !== undefined) {
    putText(texts, name, flag, requireValue(name, flag.value, words[at + 1]));
    return 1;
  }
  putText(texts, name, flag, attached ?? 'true');
  return 0;
}

function putText(texts: Map<string, string[]>, name: string, flag: Flag<unknown>, text: string): void {
  const before = texts.get(name) ?? [];
  if (before.length > 0 && !flag.isRepeated) throw usage(`--${name} is given twice`);
  texts.set(name, [...before, text]);
}

/** A word that begins with a dash is the next flag; as a value it can be written after "=". */
function requireValue(name: string, says: string, next: string | undefined): string {
  if (next !== undefined && (next === '-' || !next.startsWith('-'))) return next;
  throw usage(`--${name} needs a value: --${name}=${says}`);
}

interface FoundFlag {
  readonly name: string;
  readonly flag: Flag<unknown>;
  readonly attached?: string | undefined;
  /** Letters of further flags in the same word: `-NT`. */
  readonly more?: string | undefined;
}

function longFlag(flags: Flags, word: string, path: readonly string[]): FoundFlag {
  const split = word.indexOf('=');
  const name = word.slice(2, split === -1 ? undefined : split);
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag !== undefined) return { name, flag, attached: split === -1 ? undefined : word.slice(split + 1) };
  const hint = nearest(name, Object.keys(flags));
  throw unknownFlag(`--${name.slice(0, 64)}`, hint === undefined ? undefined : `--${hint}`, path);
}

/** `-c FILE`, `-cFILE`, `-c=FILE`; switches may share a word: `-NT`, `-tt`. */
function shortFlag(flags: Flags, word: string, path: readonly string[]): FoundFlag {
  const entry = Object.entries(flags).findLast(([, flag]) => flag.short === word.charAt(1));
  if (entry === undefined) throw unknownFlag(word.slice(0, 64), undefined, path);
  const [name, flag] = entry;
  const attached = word.slice(2).replace(/^=/, '');
  if (attached !== '' && flag.value === undefined) {
    const isKnown = Object.values(flags).some(({ short }) => short === word.charAt(2));
    if (!isKnown) throw unknownFlag(word.slice(0, 64), `-${word.charAt(1)}`, path);
    return { name, flag, more: word.slice(2) };
  }
  return { name, flag, attached: attached === '' ? undefined : attached };
}

function unknownFlag(word: string, hint: string | undefined, path: readonly string[]): Error {
  const suggestion = hint === undefined ? `see \`${path.join(' ')} --help\`` : `did you mean ${hint}?`;
  return usage(`${word} is not a flag of ${path.join(' ')}; ${suggestion}`);
}

function valuesOf(flags: Flags, texts: FlagTexts, hiddenBy: Flags = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      flag.read(Object.hasOwn(hiddenBy, name) ? [] : (texts.get(name) ?? []), name),
    ]),
  );
}

function requireCount<C>(
  { positionals }: Command<C>,
  words: readonly string[],
  path: readonly string[],
): void {
  const missing = positionals.find(({ isOptional }, index) => isOptional !== true && index >= words.length);
  if (missing !== undefined) {
    throw usage(`${missing.name} is missing: ${missing.says}; see \`${path.join(' ')} --help\``);
  }
  if (positionals.at(-1)?.isMany !== true && words.length > positionals.length) {
    const extra = words[positionals.length] ?? '';
    throw usage(`"${extra.slice(0, 64)}" is one word too many; see \`${path.join(' ')} --help\``);
  }
}
