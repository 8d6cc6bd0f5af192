// Tokens to a tree. Precedence, loosest first: ||, &&, == and !=, !, then names with .field, [index] and (arguments).
import { syntaxError, tokenize, type Token } from './lexer.ts';

const MAX_DEPTH = 64;

export type Tree =
  | { readonly type: 'text'; readonly value: string; readonly at: number }
  /** A dotted name such as user.spec.traits. */
  | { readonly type: 'name'; readonly path: string; readonly at: number }
  | { readonly type: 'index'; readonly of: Tree; readonly key: Tree; readonly at: number }
  /** `receiver` is set for the method form, list.contains(item). */
  | {
      readonly type: 'call';
      readonly name: string;
      readonly receiver?: Tree;
      readonly args: readonly Tree[];
      readonly at: number;
    }
  | { readonly type: 'not'; readonly of: Tree; readonly at: number }
  | {
      readonly type: 'and' | 'or' | 'equal' | 'unequal';
      readonly left: Tree;
      readonly right: Tree;
      readonly at: number;
    };

interface State {
  readonly source: string;
  readonly tokens: readonly Token[];
  next: number;
  depth: number;
}

const END: Token = { type: 'end', value: '', at: 0 };

/** The tree of a whole expression, at most 64 levels deep; BAD_REQUEST with line and column otherwise. */
export function parse(source: string): Tree {
  const state: State = { source, tokens: tokenize(source), next: 0, depth: 0 };
  if (peek(state).type === 'end') throw syntaxError(source, 0, 'is empty');
  const tree = readOr(state);
  const rest = peek(state);
  if (rest.type !== 'end') throw unexpected(state, rest, 'an operator or the end');
  return tree;
}

function readOr(state: State): Tree {
  if (++state.depth > MAX_DEPTH) throw syntaxError(state.source, peek(state).at, 'nests too deeply');
  let left = readAnd(state);
  for (let sign = peek(state); sign.value === '||' && sign.type === 'punctuation'; sign = peek(state)) {
    state.next++;
    left = { type: 'or', left, right: readAnd(state), at: sign.at };
  }
  state.depth--;
  return left;
}

function readAnd(state: State): Tree {
  let left = readEquality(state);
  for (let sign = peek(state); sign.value === '&&' && sign.type === 'punctuation'; sign = peek(state)) {
    state.next++;
    left = { type: 'and', left, right: readEquality(state), at: sign.at };
  }
  return left;
}

function readEquality(state: State): Tree {
  const left = readNot(state);
  const sign = peek(state);
  if (accept(state, '==')) return { type: 'equal', left, right: readNot(state), at: sign.at };
  if (accept(state, '!=')) return { type: 'unequal', left, right: readNot(state), at: sign.at };
  return left;
}

function readNot(state: State): Tree {
  const sign = peek(state);
  if (!accept(state, '!')) return readPostfix(state);
  if (++state.depth > MAX_DEPTH) throw syntaxError(state.source, sign.at, 'nests too deeply');
  const of = readNot(state);
  state.depth--;
  return { type: 'not', of, at: sign.at };
}

function readPostfix(state: State): Tree {
  let tree = readPrimary(state);
  for (let length = 0; ; length++) {
    const { at } = peek(state);
    if (length > MAX_DEPTH) throw syntaxError(state.source, at, 'nests too deeply');
    if (accept(state, '[')) {
      const key = readOr(state);
      expect(state, ']');
      tree = { type: 'index', of: tree, key, at };
    } else if (accept(state, '.')) {
      const name = take(state, 'name', 'a field name');
      if (tree.type === 'name') tree = { ...tree, path: `${tree.path}.${name.value}` };
      else {
        expect(state, '(');
        tree = { type: 'call', name: name.value, receiver: tree, args: readArguments(state), at: name.at };
      }
    } else if (tree.type === 'name' && accept(state, '(')) {
      tree = { type: 'call', name: tree.path, args: readArguments(state), at: tree.at };
    } else return tree;
  }
}

function readPrimary(state: State): Tree {
  const token = peek(state);
  if (token.type === 'text') {
    state.next++;
    return { type: 'text', value: token.value, at: token.at };
  }
  if (token.type === 'name') {
    state.next++;
    return { type: 'name', path: token.value, at: token.at };
  }
  if (accept(state, '(')) {
    const inner = readOr(state);
    expect(state, ')');
    return inner;
  }
  throw unexpected(state, token, 'a name, a quoted text or (');
}

/** After the opening parenthesis. */
function readArguments(state: State): Tree[] {
  const args: Tree[] = [];
  if (accept(state, ')')) return args;
  do args.push(readOr(state));
  while (accept(state, ','));
  expect(state, ')');
  return args;
}

const peek = (state: State): Token => state.tokens[state.next] ?? END;

function accept(state: State, sign: string): boolean {
  const token = peek(state);
  if (token.type !== 'punctuation' || token.value !== sign) return false;
  state.next++;
  return true;
}

function expect(state: State, sign: string): void {
  if (!accept(state, sign)) throw unexpected(state, peek(state), `"${sign}"`);
}

function take(state: State, type: Token['type'], what: string): Token {
  const token = peek(state);
  if (token.type !== type) throw unexpected(state, token, what);
  state.next++;
  return token;
}

function unexpected(state: State, token: Token, wanted: string): Error {
  const got = token.type === 'end' ? 'ends' : `has ${JSON.stringify(token.value.slice(0, 40))}`;
  return syntaxError(state.source, token.at, `${got} where ${wanted} is expected`);
}
