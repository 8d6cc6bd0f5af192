// A tree to a function, against a vocabulary of names and functions. All types are checked here, so that a compiled
// expression cannot fail when it decides: what an author gets wrong is refused when the role is written.
import { clip } from '../pattern.ts';
import { nearest } from '../../schema/nearest.ts';
import { syntaxError } from './lexer.ts';
import { parse, type Tree } from './parser.ts';

/** A name an expression may use, and how to read it from what is being decided. */
export type Variable<C> =
  | { readonly type: 'text'; get(context: C): string | undefined }
  | { readonly type: 'list'; get(context: C): readonly string[] }
  /** A map that is read by ["key"]; `accepts` sees each key once, when the expression is compiled. */
  | {
      readonly type: 'texts';
      get(context: C, key: string): string | undefined;
      accepts?(key: string): boolean;
    }
  | {
      readonly type: 'lists';
      get(context: C, key: string): readonly string[];
      accepts?(key: string): boolean;
    };

/** A compiled value. A text that is missing is undefined: it equals the empty text and is in no list. */
export type Value<C> =
  | { readonly type: 'bool'; run(context: C): boolean }
  | { readonly type: 'text'; run(context: C): string | undefined }
  | { readonly type: 'list'; run(context: C): readonly string[] };

/** What a function takes: lists accept one text as well; a literal must be a quoted text. */
export type Parameter = 'bool' | 'text' | 'list' | 'any' | 'literal';

export interface Operation<C> {
  readonly parameters: readonly Parameter[];
  /** The last parameter may repeat. */
  readonly repeats?: boolean;
  /** Called once per use in an expression; throws BAD_REQUEST for bad literals. */
  build(args: readonly Argument<C>[]): Value<C>;
}

export interface Argument<C> {
  /** Set for literals. */
  readonly literal?: string;
  readonly value: Value<C>;
  /** The value as a list: one text becomes a list of one, a missing text an empty list. */
  list(context: C): readonly string[];
  text(context: C): string | undefined;
}

export interface Vocabulary<C> {
  /** Undefined for an unknown name. */
  variable(path: string): Variable<C> | undefined;
  readonly names: readonly string[];
  readonly functions: ReadonlyMap<string, Operation<C>>;
  /** Added to the error for an unknown name; tells what may be used here. */
  readonly hint?: string;
}

interface Builder<C> {
  readonly source: string;
  readonly vocabulary: Vocabulary<C>;
}

/** A condition; BAD_REQUEST with line and column when it does not parse, uses an unknown name or is not true/false. */
export function compileCondition<C>(source: string, vocabulary: Vocabulary<C>): (context: C) => boolean {
  const value = compileValue(source, vocabulary);
  if (value.type === 'bool') return value.run;
  throw syntaxError(
    source,
    0,
    `gives a ${value.type}, but must be true or false; compare it with == or contains()`,
  );
}

/** An expression of any type. */
export function compileValue<C>(source: string, vocabulary: Vocabulary<C>): Value<C> {
  return build({ source, vocabulary }, parse(source));
}

function build<C>(builder: Builder<C>, tree: Tree): Value<C> {
  switch (tree.type) {
    case 'text':
      return { type: 'text', run: () => tree.value };
    case 'name':
      return buildName(builder, tree);
    case 'index':
      return buildIndex(builder, tree);
    case 'call':
      return buildCall(builder, tree);
    case 'not': {
      const of = buildBool(builder, tree.of);
      return { type: 'bool', run: (context) => !of(context) };
    }
    case 'and':
    case 'or': {
      const left = buildBool(builder, tree.left);
      const right = buildBool(builder, tree.right);
      if (tree.type === 'and') return { type: 'bool', run: (context) => left(context) && right(context) };
      return { type: 'bool', run: (context) => left(context) || right(context) };
    }
    case 'equal':
    case 'unequal': {
      const left = buildText(builder, tree.left);
      const right = buildText(builder, tree.right);
      const equal = (context: C): boolean => sameText(left(context), right(context));
      return { type: 'bool', run: tree.type === 'equal' ? equal : (context) => !equal(context) };
    }
  }
}

/** A missing text equals the empty text only; two missing texts are not equal. */
export function sameText(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined) return b === '';
  return b === undefined ? a === '' : a === b;
}

function buildBool<C>(builder: Builder<C>, tree: Tree): (context: C) => boolean {
  const value = build(builder, tree);
  if (value.type === 'bool') return value.run;
  throw syntaxError(builder.source, tree.at, `has a ${value.type} where true or false is expected`);
}

function buildText<C>(builder: Builder<C>, tree: Tree): (context: C) => string | undefined {
  const value = build(builder, tree);
  if (value.type === 'text') return value.run;
  const advice = value.type === 'list' ? '; use contains(list, text)' : '';
  throw syntaxError(
    builder.source,
    tree.at,
    `compares a ${value.type}, but only texts can be compared${advice}`,
  );
}

function buildName<C>(builder: Builder<C>, tree: Tree & { type: 'name' }): Value<C> {
  const variable = lookUp(builder, tree.path, tree.at);
  if (variable.type === 'text') return { type: 'text', run: (context) => variable.get(context) };
  if (variable.type === 'list') return { type: 'list', run: (context) => variable.get(context) };
  throw syntaxError(builder.source, tree.at, `needs a key after ${tree.path}, such as ${tree.path}["key"]`);
}

function buildIndex<C>(builder: Builder<C>, tree: Tree & { type: 'index' }): Value<C> {
  const { of, key } = tree;
  // labels[env] without quotes is a common slip that can mean one thing only.
  const name =
    key.type === 'text' ? key.value : key.type === 'name' && !key.path.includes('.') ? key.path : undefined;
  if (of.type !== 'name' || name === undefined) {
    throw syntaxError(builder.source, tree.at, 'may index only a map, with one quoted key: labels["env"]');
  }
  const variable = lookUp(builder, of.path, of.at);
  if ('accepts' in variable && variable.accepts?.(name) === false) {
    throw unknown(builder, 'key', name, key.at, builder.vocabulary.names);
  }
  if (variable.type === 'texts') return { type: 'text', run: (context) => variable.get(context, name) };
  if (variable.type === 'lists') return { type: 'list', run: (context) => variable.get(context, name) };
  throw syntaxError(builder.source, tree.at, `indexes ${of.path}, which is a ${variable.type} and not a map`);
}

function lookUp<C>(builder: Builder<C>, path: string, at: number): Variable<C> {
  const { vocabulary } = builder;
  const variable = vocabulary.variable(path);
  if (variable !== undefined) return variable;
  throw unknown(builder, 'name', path, at, vocabulary.names);
}

function unknown<C>(
  builder: Builder<C>,
  what: string,
  word: string,
  at: number,
  known: readonly string[],
): Error {
  const hint = nearest(word, known);
  const advice =
    hint !== undefined
      ? `; did you mean "${hint}"?`
      : (builder.vocabulary.hint ?? `; known here: ${known.join(', ')}`);
  return syntaxError(builder.source, at, `uses the unknown ${what} "${clip(word)}"${advice}`);
}

function buildCall<C>(builder: Builder<C>, tree: Tree & { type: 'call' }): Value<C> {
  const { functions } = builder.vocabulary;
  const found = functions.get(tree.name);
  if (found !== undefined) {
    const args = tree.receiver === undefined ? tree.args : [tree.receiver, ...tree.args];
    return apply(builder, tree.name, found, args, tree.at);
  }
  // user.spec.roles.contains("dev"): the last part of the name is the function.
  const dot = tree.name.lastIndexOf('.');
  const method = dot < 0 ? undefined : functions.get(tree.name.slice(dot + 1));
  if (method === undefined || tree.receiver !== undefined) {
    throw unknown(builder, 'function', tree.name, tree.at, [...functions.keys()]);
  }
  const receiver: Tree = { type: 'name', path: tree.name.slice(0, dot), at: tree.at };
  return apply(builder, tree.name.slice(dot + 1), method, [receiver, ...tree.args], tree.at);
}

function apply<C>(
  builder: Builder<C>,
  name: string,
  operation: Operation<C>,
  trees: readonly Tree[],
  at: number,
): Value<C> {
  const { parameters, repeats } = operation;
  if (repeats === true ? trees.length < parameters.length : trees.length !== parameters.length) {
    const wanted = `${parameters.length}${repeats === true ? ' or more' : ''}`;
    throw syntaxError(builder.source, at, `gives ${name}() ${trees.length} values; it takes ${wanted}`);
  }
  const args = trees.map((tree, index) => {
    const parameter = parameters[index] ?? parameters.at(-1) ?? 'any';
    return argument(builder, name, parameter, tree);
  });
  try {
    return operation.build(args);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw syntaxError(builder.source, at, `calls ${name}() with a bad value: ${why}`);
  }
}

function argument<C>(builder: Builder<C>, name: string, parameter: Parameter, tree: Tree): Argument<C> {
  const literal = tree.type === 'text' ? tree.value : undefined;
  if (parameter === 'literal' && literal === undefined) {
    throw syntaxError(builder.source, tree.at, `needs a quoted text here: ${name}() is prepared once`);
  }
  const value = build(builder, tree);
  const wanted = parameter === 'literal' ? 'text' : parameter;
  const fits = wanted === 'any' || wanted === value.type || (wanted === 'list' && value.type === 'text');
  if (!fits)
    throw syntaxError(
      builder.source,
      tree.at,
      `gives ${name}() a ${value.type} where a ${wanted} is expected`,
    );
  return {
    ...(literal === undefined ? {} : { literal }),
    value,
    list: (context) => asList(value, context),
    text: (context) => (value.type === 'text' ? value.run(context) : undefined),
  };
}

function asList<C>(value: Value<C>, context: C): readonly string[] {
  if (value.type === 'list') return value.run(context);
  const text = value.type === 'text' ? value.run(context) : undefined;
  return text === undefined ? [] : [text];
}
