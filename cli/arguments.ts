// What a command line may say, as data: flags with types, positionals, commands, groups of commands. Parsing, help
// pages, completion and the reference page are all made from these values.
import { formatDuration, parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { nearest } from '#core/schema/nearest.ts';
import type { Io } from './io.ts';

export interface Flag<T> {
  readonly says: string;
  /** One letter. */
  readonly short?: string | undefined;
  /** What stands for the value in help, such as FILE; unset for a switch. */
  readonly value?: string | undefined;
  /** What may be given, for completion. */
  readonly words?: readonly string[] | undefined;
  /** May be given several times. */
  readonly isRepeated: boolean;
  /** `texts` is what was given, in order; empty when the flag was left out. USAGE when it is not understood. */
  read(texts: readonly string[], name: string): T;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

interface About {
  readonly says: string;
  readonly short?: string;
  readonly value?: string;
}

/** The error of a command line that cannot be understood: exit code 2. */
export function usage(message: string): GatehouseError {
  return new GatehouseError('USAGE', message);
}

function single<T>(
  about: About & { words?: readonly string[] },
  absent: T,
  read: (text: string) => T,
): Flag<T> {
  return {
    ...about,
    isRepeated: false,
    read: ([text], name) => (text === undefined ? absent : named(name, () => read(text))),
  };
}

/** An empty text is refused: it is a variable that was not set. */
export function text(about: About): Flag<string | undefined> {
  return single<string | undefined>({ value: 'TEXT', ...about }, undefined, requireText);
}

export function textOr(fallback: string, about: About): Flag<string> {
  return single<string>(
    { value: 'TEXT', ...about, says: `${about.says} (${fallback})` },
    fallback,
    requireText,
  );
}

/** Comma-separated, and may be given several times. Without the flag: undefined. */
export function list(about: About): Flag<readonly string[] | undefined> {
  return {
    value: 'A,B',
    ...about,
    isRepeated: true,
    read: (texts) => (texts.length === 0 ? undefined : texts.flatMap(splitList)),
  };
}

/** May be given several times; each is taken as it is. */
export function texts(about: About): Flag<readonly string[]> {
  return {
    value: 'TEXT',
    ...about,
    isRepeated: true,
    read: (given, name) => given.map((one) => named(name, () => requireText(one))),
  };
}

/** A switch that means more when it is given twice; how often it was. */
export function count(about: Omit<About, 'value'>): Flag<number> {
  return {
    ...about,
    isRepeated: true,
    read(given, name) {
      if (given.every((one) => one === 'true')) return given.length;
      throw usage(`--${name}: takes no value`);
    },
  };
}

export function toggle(about: Omit<About, 'value'>): Flag<boolean> {
  return single(about, false, (given) => {
    if (given === 'true' || given === 'false') return given === 'true';
    throw usage('must be true or false');
  });
}

/** Milliseconds. */
export function duration(about: About & { fallback?: string }): Flag<number | undefined> {
  const { fallback, ...rest } = about;
  return single<number | undefined>(
    { value: 'TIME', ...rest, ...(fallback === undefined ? {} : { says: `${rest.says} (${fallback})` }) },
    fallback === undefined ? undefined : parseDuration(fallback),
    parseDuration,
  );
}

export function integer(fallback: number, about: About & { min: number; max: number }): Flag<number> {
  const { min, max, ...rest } = about;
  return single({ value: 'N', ...rest, says: `${rest.says} (${fallback})` }, fallback, (given) => {
    const number = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw usage(`must be a number from ${min} to ${max}`);
  });
}

export function oneOf<const V extends readonly string[]>(
  values: V,
  about: Omit<About, 'value'>,
): Flag<V[number] | undefined> {
  return single<V[number] | undefined>(
    { ...about, value: values.join('|'), words: values },
    undefined,
    (given) => requireOneOf(values, given),
  );
}

function requireOneOf<V extends readonly string[]>(values: V, given: string): V[number] {
  const found = values.find((value) => value === given);
  if (found !== undefined) return found;
  const hint = nearest(given, values);
  throw usage(`must be one of ${values.join(', ')}${hint === undefined ? '' : `; did you mean "${hint}"?`}`);
}

function requireText(given: string): string {
  if (given !== '') return given;
  throw usage('needs a value, and an empty one was given');
}

/** A list without empty entries; "a, b" is two. */
export function splitList(given: string): string[] {
  return given
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** Text for a call that takes durations as text. */
export const durationText = (ms: number): string => formatDuration(ms);

function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isCode(error, 'USAGE', 'BAD_REQUEST')) throw usage(`--${name}: ${error.message}`);
    throw error;
  }
}

export interface Positional {
  /** As in help: NAME. */
  readonly name: string;
  readonly says: string;
  readonly isOptional?: boolean;
  /** Takes all that follow; only the last one may. */
  readonly isMany?: boolean;
  /** What may be given, for completion. */
  readonly words?: readonly string[];
}

export interface Given<F extends Flags> {
  readonly flags: FlagValues<F>;
  readonly words: readonly string[];
}

/** The exit code: 0 or nothing when it went well, 1 for an answer that is "no". Failures are thrown. */
export type ExitCode = number;

interface CommandDefinition<C, F extends Flags> {
  readonly flags: F;
  readonly positionals?: readonly Positional[];
  /** More than the one line of the group, for the help page. */
  readonly about?: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** With so many words given, all that follows is taken as it is, flags included: a command for another machine. */
  readonly literalAfter?: number;
  /** The exit code when it fails, where 1 means something else. */
  readonly failureCode?: number;
  run(context: C, given: Given<F>): Promise<ExitCode | void>;
}

export type Command<C> = CommandDefinition<C, Flags> & { readonly positionals: readonly Positional[] };

/** Keeps the types of the flags for `run`. */
export function command<C, F extends Flags>(definition: CommandDefinition<C, F>): Command<C> {
  return { positionals: [], ...definition } as unknown as Command<C>;
}

/** One word of the command line that leads to a command; loaded only when it is called. */
export interface Verb<C> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly says: string;
  load(): Promise<Command<C>>;
}

export interface Group<C> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly says: string;
  readonly verbs: readonly Entry<C>[];
}

export type Entry<C> = Verb<C> | Group<C>;

export interface Program<C, G extends Flags = Flags> {
  readonly name: string;
  readonly says: string;
  /** Accepted before and after the verb; a flag of the command of the same name wins. */
  readonly flags: G;
  readonly verbs: readonly Entry<C>[];
  readonly version: string;
  readonly examples: readonly string[];
  /** Called once the command line is understood. */
  open(io: Io, flags: FlagValues<G>): C;
  /** Called when the command ended, whatever came of it. */
  close?(context: C): void | Promise<void>;
}

export function isGroup<C>(entry: Entry<C>): entry is Group<C> {
  return 'verbs' in entry;
}
