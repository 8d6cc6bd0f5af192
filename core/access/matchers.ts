// Lists of names in a role: role and user names with globs, ^expressions$ and {{regexp.match("…")}}, and lists of
// principals, which are compared exactly.
import { GatehouseError } from '../errors/error.ts';
import { parse, type Tree } from './expression/parser.ts';
import { compilePattern, exactly, WILDCARD, type Pattern, type PatternCache } from './pattern.ts';
import { compileTemplate, isTemplate, type Template } from './templates.ts';
import type { Traits } from './role.ts';

const MATCHER = /\bregexp\.(?:not_)?match\s*\(/;
const BRACES = /^\s*\{\{([\s\S]*)\}\}\s*$/;

/**
 * A matcher of role, user or session names: plain text, a glob, `^expression$`, or {{regexp.match("…")}} and
 * {{regexp.not_match("…")}}. BAD_REQUEST for anything else between braces.
 */
export function compileNameMatcher(text: string, cache?: PatternCache): Pattern {
  if (!isTemplate(text)) return compilePattern(text, cache);
  const inside = BRACES.exec(text)?.[1];
  const call = inside === undefined ? undefined : parse(inside);
  const pattern = call === undefined ? undefined : readCall(call);
  if (pattern === undefined) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'only {{regexp.match("…")}} and {{regexp.not_match("…")}} may stand between braces here',
    );
  }
  const inner = compilePattern(pattern.expression, cache);
  if (pattern.matches) return { text, test: (value) => inner.test(value) };
  return { text, test: (value) => !inner.test(value) };
}

function readCall(tree: Tree): { expression: string; matches: boolean } | undefined {
  if (tree.type !== 'call' || tree.receiver !== undefined || tree.args.length !== 1) return undefined;
  const [argument] = tree.args;
  if (argument?.type !== 'text') return undefined;
  if (tree.name === 'regexp.match') return { expression: argument.value, matches: true };
  return tree.name === 'regexp.not_match' ? { expression: argument.value, matches: false } : undefined;
}

/**
 * A pattern of names that may hold a trait: the value of the trait is compared as it is, so that a trait can never
 * bring a wildcard of its own; globs and expressions work in entries without a variable.
 */
export function expandPattern(template: Template, traits: Traits, cache?: PatternCache): readonly Pattern[] {
  if (!template.variable) return template.text === '' ? [] : [compilePattern(template.text, cache)];
  if (!template.prefix.includes(WILDCARD) && !template.suffix.includes(WILDCARD)) {
    return template.expand(traits).map(exactly);
  }
  return template.expand(traits).map((value) => aroundPattern(template, value));
}

/** `us-*-{{external.zone}}`: the fixed parts may be globs, the part in the middle is compared as it is. */
function aroundPattern(template: Template, expanded: string): Pattern {
  const { prefix, suffix } = template;
  const value = expanded.slice(prefix.length, expanded.length - suffix.length);
  const head = compilePattern(prefix);
  const tail = compilePattern(suffix);
  return {
    text: expanded,
    test(text) {
      for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
        if (head.test(text.slice(0, at)) && tail.test(text.slice(at + value.length))) return true;
      }
      return false;
    },
  };
}

/** Matchers of names in which a trait may stand as well: users and roles that may be impersonated. */
export function expandNames(
  texts: readonly string[],
  traits: Traits,
  cache?: PatternCache,
): readonly Pattern[] {
  return texts.flatMap((text) =>
    isTemplate(text) && !MATCHER.test(text)
      ? expandPattern(compileTemplate(text), traits, cache)
      : compileNameMatcher(text, cache),
  );
}
