// The functions of the expression language. Each is total: whatever the values are, it gives an answer.
import { GatehouseError } from '../../errors/error.ts';
import { compilePattern, endsWithAnchor, type Pattern } from '../pattern.ts';
import { compileReplace } from '../replace.ts';
import { sameText, type Argument, type Operation, type Value } from './compile.ts';

/** Functions that need nothing but their arguments. */
export function plainFunctions<C>(): Map<string, Operation<C>> {
  return new Map<string, Operation<C>>([...comparisons<C>(), ...lists<C>(), ...texts<C>()]);
}

function comparisons<C>(): [string, Operation<C>][] {
  const test = (decide: (a: Argument<C>, b: Argument<C>) => (context: C) => boolean): Operation<C> =>
    binary(['list', 'list'], decide);
  const prefix = binary<C>(['text', 'text'], (a, b) => (context) => {
    const [text, start] = [a.text(context), b.text(context)];
    return text !== undefined && start !== undefined && start !== '' && text.startsWith(start);
  });
  const suffix = binary<C>(['text', 'text'], (a, b) => (context) => {
    const [text, end] = [a.text(context), b.text(context)];
    return text !== undefined && end !== undefined && end !== '' && text.endsWith(end);
  });
  return [
    ['equals', binary(['text', 'text'], (a, b) => (context) => sameText(a.text(context), b.text(context)))],
    // A missing item is in no list, and neither is the empty text: a label that is not set must not match a trait that is empty.
    [
      'contains',
      binary(['list', 'text'], (a, b) => (context) => {
        const item = b.text(context);
        return item !== undefined && item !== '' && a.list(context).includes(item);
      }),
    ],
    [
      'contains_any',
      test((a, b) => (context) => {
        const among = new Set(a.list(context));
        return b.list(context).some((item) => item !== '' && among.has(item));
      }),
    ],
    ['contains_all', test((a, b) => (context) => isSubset(b.list(context), a.list(context)))],
    ['is_subset', test((a, b) => (context) => isSubset(a.list(context), b.list(context)))],
    ['has_prefix', prefix],
    ['hasPrefix', prefix],
    ['has_suffix', suffix],
    [
      'regexp.match',
      binary(['list', 'literal'], (a, b) => {
        const pattern = expressionPattern(b.literal ?? '');
        return (context) => a.list(context).some((text) => pattern.test(text));
      }),
    ],
  ];
}

function lists<C>(): [string, Operation<C>][] {
  const emptiness = (wanted: boolean): Operation<C> => ({
    parameters: ['list'],
    build: ([of]) => bool((context) => (of === undefined || of.list(context).length === 0) === wanted),
  });
  return [
    ['is_empty', emptiness(true)],
    ['exists', emptiness(false)],
    [
      'set',
      {
        parameters: ['list'],
        repeats: true,
        build: (args) => ({ type: 'list', run: (context) => args.flatMap((arg) => [...arg.list(context)]) }),
      },
    ],
    [
      'split',
      {
        parameters: ['text', 'literal'],
        build: ([text, separator]) => {
          const by = separator?.literal ?? '';
          if (by === '') throw new GatehouseError('BAD_REQUEST', 'the separator must not be empty');
          return {
            type: 'list',
            run: (context) =>
              text
                ?.text(context)
                ?.split(by)
                .filter((part) => part !== '') ?? [],
          };
        },
      },
    ],
  ];
}

function texts<C>(): [string, Operation<C>][] {
  return [
    ['strings.upper', each((text) => text.toUpperCase())],
    ['strings.lower', each((text) => text.toLowerCase())],
    ['email.local', each(localPart)],
    [
      'regexp.replace',
      {
        parameters: ['list', 'literal', 'literal'],
        build: ([list, expression, replacement]) => {
          const replace = compileReplace(expression?.literal ?? '', replacement?.literal ?? '');
          return { type: 'list', run: (context) => keepTexts(list?.list(context) ?? [], replace) };
        },
      },
    ],
  ];
}

/** The pattern of regexp.match: an end anchor alone is enough to make it an expression, as the documents write it. */
export function expressionPattern(text: string): Pattern {
  return compilePattern(!text.startsWith('^') && endsWithAnchor(text) ? `^${text}` : text);
}

/** The part before the @ of a plain address; undefined for anything else. */
function localPart(address: string): string | undefined {
  return /^([^\s@"(),:;<>[\\\]]+)@[^\s@"(),:;<>[\\\]]+$/.exec(address)?.[1];
}

/** An empty list is a subset of none: "all of nothing" must not open a door. */
function isSubset(part: readonly string[], whole: readonly string[]): boolean {
  const among = new Set(whole);
  return part.length > 0 && part.every((item) => item !== '' && among.has(item));
}

function each<C>(change: (text: string) => string | undefined): Operation<C> {
  return {
    parameters: ['list'],
    build: ([list]) => ({ type: 'list', run: (context) => keepTexts(list?.list(context) ?? [], change) }),
  };
}

function keepTexts(list: readonly string[], change: (text: string) => string | undefined): string[] {
  return list.map(change).filter((text) => text !== undefined && text !== '') as string[];
}

function binary<C>(
  parameters: readonly ['list' | 'text', 'list' | 'text' | 'literal'],
  decide: (a: Argument<C>, b: Argument<C>) => (context: C) => boolean,
): Operation<C> {
  return {
    parameters,
    build: ([a, b]) => {
      if (a === undefined || b === undefined)
        throw new GatehouseError('INTERNAL', 'a function lacks arguments');
      return bool(decide(a, b));
    },
  };
}

function bool<C>(run: (context: C) => boolean): Value<C> {
  return { type: 'bool', run };
}
