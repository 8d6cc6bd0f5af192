// Entries of a role with a {{variable}}: text before and after, and in between a trait or a function of one. An entry
// is prepared once and expanded per user; a trait that is missing or empty takes the entry away, it never leaves a
// half-filled one behind.
import { GatehouseError } from '../errors/error.ts';
import { compileValue, type Variable, type Vocabulary } from './expression/compile.ts';
import { plainFunctions } from './expression/functions.ts';
import { clip } from './pattern.ts';
import { own } from './predicates.ts';
import type { Traits } from './role.ts';

/** Values of one entry beyond this many are dropped, in the order of the trait. */
export const MAX_VALUES = 256;
const MAX_VALUE_LENGTH = 4096;

/** Traits that the `internal` namespace knows; `external` knows every trait. */
export const INTERNAL_TRAITS = [
  'logins',
  'windows_logins',
  'db_users',
  'db_names',
  'db_roles',
  'aws_role_arns',
  'azure_identities',
  'gcp_service_accounts',
  'kubernetes_users',
  'kubernetes_groups',
  'host_user_uid',
  'host_user_gid',
  'github_orgs',
  'mcp_tools',
  'jwt',
] as const;

/** Functions that make sense between braces; regexp.match and regexp.not_match are matchers, see matchers.ts. */
const FUNCTIONS = ['email.local', 'regexp.replace', 'strings.upper', 'strings.lower'];

export interface Template {
  readonly text: string;
  /** False for plain text, which expands to itself. */
  readonly variable: boolean;
  /** Before and after the variable; for plain text, `prefix` is all of it. */
  readonly prefix: string;
  readonly suffix: string;
  /** Trait names it reads, for explanations. */
  readonly traits: readonly string[];
  /** Distinct values in order, none empty, at most 256. */
  expand(traits: Traits): readonly string[];
}

const SHAPE = /^([^{}]*)\{\{([\s\S]*)\}\}([^{}]*)$/;

/** True when the text has double braces. */
export function isTemplate(text: string): boolean {
  return text.includes('{{') || text.includes('}}');
}

/** BAD_REQUEST when braces do not pair, or the inside is not a known variable or function. */
export function compileTemplate(text: string): Template {
  if (!isTemplate(text)) {
    const values = text === '' ? [] : [text];
    return { text, variable: false, prefix: text, suffix: '', traits: [], expand: () => values };
  }
  const shape = SHAPE.exec(text);
  const inside = shape?.[2] ?? '';
  if (shape === null || isTemplate(inside)) {
    throw new GatehouseError(
      'BAD_REQUEST',
      `"${clip(text)}" must have one {{variable}}, with plain text before and after it`,
    );
  }
  const read = new Set<string>();
  const values = compileInside(text, inside, read);
  const [prefix, suffix] = [shape[1] ?? '', shape[3] ?? ''];
  return {
    text,
    variable: true,
    prefix,
    suffix,
    traits: [...read],
    expand: (traits) => around(prefix, values(traits), suffix),
  };
}

/** Expands one entry; see compileTemplate. Use compileTemplate where the same entry is expanded again. */
export function expand(text: string, traits: Traits): readonly string[] {
  return compileTemplate(text).expand(traits);
}

function around(prefix: string, values: readonly string[], suffix: string): string[] {
  const out = new Set<string>();
  for (const value of values) {
    if (value === '' || value.length > MAX_VALUE_LENGTH) continue;
    if (out.size >= MAX_VALUES) break;
    out.add(`${prefix}${value}${suffix}`);
  }
  return [...out];
}

function compileInside(
  text: string,
  inside: string,
  read: Set<string>,
): (traits: Traits) => readonly string[] {
  try {
    const value = compileValue(inside, templateVocabulary(read));
    if (value.type === 'list' && read.size > 0) return value.run;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GatehouseError('BAD_REQUEST', `"${clip(text)}": ${why}`, { cause: error });
  }
  throw new GatehouseError(
    'BAD_REQUEST',
    `"${clip(text)}" must name a trait, such as {{external.team}} or {{internal.logins}}`,
  );
}

/** Trait names are collected in `read` while compiling. */
function templateVocabulary(read: Set<string>): Vocabulary<Traits> {
  const all = plainFunctions<Traits>();
  const space = (accepts: (name: string) => boolean): Variable<Traits> => ({
    type: 'lists',
    get: (traits, key) => own(traits, key) ?? [],
    accepts(name) {
      read.add(name);
      return accepts(name);
    },
  });
  const spaces = new Map([
    ['external', space(() => true)],
    ['internal', space(isInternal)],
  ]);
  return {
    names: INTERNAL_TRAITS.map((name) => `internal.${name}`),
    hint: '; use {{external.NAME}}, {{external["NAME"]}}, or {{internal.NAME}} for a built-in trait',
    functions: new Map(FUNCTIONS.flatMap((name) => entry(all, name))),
    variable(path) {
      const [first = '', name, ...more] = path.split('.');
      const found = spaces.get(first);
      if (found?.type !== 'lists' || name === undefined) return found;
      if (more.length > 0 || found.accepts?.(name) === false) return undefined;
      return { type: 'list', get: (traits) => found.get(traits, name) };
    },
  };
}

function isInternal(name: string): boolean {
  return (INTERNAL_TRAITS as readonly string[]).includes(name);
}

function entry<V>(map: ReadonlyMap<string, V>, name: string): [string, V][] {
  const value = map.get(name);
  return value === undefined ? [] : [[name, value]];
}
