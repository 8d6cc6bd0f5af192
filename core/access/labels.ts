// Label selectors of many roles, answered at once. Roles are numbered; for each label key that any selector uses,
// the set of roles satisfied by a value is kept as bits, so that a target costs one lookup and one AND per key
// however many roles there are.
import { expandPattern } from './matchers.ts';
import { WILDCARD, type Pattern, type PatternCache } from './pattern.ts';
import { own } from './predicates.ts';
import { compileTemplate } from './templates.ts';
import type { Labels, LabelSelector, Traits } from './role.ts';

/** Answers kept per index; then they are thrown away and found again. */
const MAX_REMEMBERED = 20_000;

interface Requirement {
  readonly key: string;
  readonly patterns: readonly Pattern[];
}

/** A selector with the user's traits filled in. */
export interface Selector {
  /** `'*': '*'`. */
  readonly everything: boolean;
  readonly requirements: readonly Requirement[];
}

/**
 * Fills in traits. An entry whose traits are all missing keeps its place with no patterns: it can never match, and
 * never falls out of the AND. On the deny side `'*': '*'` covers everything, whatever stands beside it; on the
 * allow side the other keys still count.
 */
export function compileSelector(
  selector: LabelSelector,
  traits: Traits,
  side: 'allow' | 'deny',
  cache?: PatternCache,
): Selector {
  const everything = own(selector, WILDCARD)?.includes(WILDCARD) === true;
  if (everything && side === 'deny') return { everything, requirements: [] };
  const requirements: Requirement[] = [];
  for (const [key, values] of Object.entries(selector)) {
    if (key === WILDCARD) {
      // A wildcard key with a plain value is refused when a role is written; from elsewhere it matches nothing.
      if (!everything) requirements.push({ key, patterns: [] });
      continue;
    }
    const patterns = values.flatMap((value) => expandPattern(compileTemplate(value), traits, cache));
    const keys = compileTemplate(key);
    const names = keys.variable ? keys.expand(traits) : [key];
    if (names.length === 0) requirements.push({ key, patterns: [] });
    for (const name of names) requirements.push({ key: name, patterns });
  }
  return { everything, requirements };
}

/** The first requirement that the labels fail, or undefined when the selector matches. Slow path, for reasons. */
export function failingKey(selector: Selector, labels: Labels): string | undefined {
  if (!canMatch(selector)) return selector.requirements[0]?.key ?? '(no labels)';
  return selector.requirements.find(({ key, patterns }) => {
    const value = own(labels, key);
    return value === undefined || !patterns.some((pattern) => pattern.test(value));
  })?.key;
}

export const matchesSelector = (selector: Selector, labels: Labels): boolean =>
  failingKey(selector, labels) === undefined;

function canMatch(selector: Selector): boolean {
  return selector.everything || selector.requirements.length > 0;
}

interface KeyIndex {
  readonly key: string;
  readonly roles: readonly { readonly role: number; readonly patterns: readonly Pattern[] }[];
  /** Bits of the roles that do not ask for the key. */
  readonly indifferent: Uint32Array;
  readonly byValue: Map<string, Uint32Array>;
}

/** Answers, for the labels of a target, which of the selectors match. `undefined` entries match nothing. */
export class SelectorIndex {
  readonly words: number;
  readonly #possible: Uint32Array;
  readonly #keys: readonly KeyIndex[];
  readonly #answers = new Map<string, Uint32Array>();
  #remembered = 0;
  /** True when no selector can match anything. */
  readonly empty: boolean;

  /** An entry of `true` matches every target: the role decides by an expression alone. */
  constructor(selectors: readonly (Selector | true | undefined)[]) {
    this.words = Math.max(1, Math.ceil(selectors.length / 32));
    this.#possible = new Uint32Array(this.words);
    const byKey = new Map<string, { role: number; patterns: readonly Pattern[] }[]>();
    for (const [role, selector] of selectors.entries()) {
      if (selector === undefined || (selector !== true && !canMatch(selector))) continue;
      setBit(this.#possible, role);
      if (selector === true) continue;
      for (const { key, patterns } of selector.requirements) {
        const list = byKey.get(key) ?? [];
        list.push({ role, patterns });
        byKey.set(key, list);
      }
    }
    this.empty = this.#possible.every((word) => word === 0);
    this.#keys = [...byKey].map(([key, roles]) => this.#indexKey(key, roles));
  }

  #indexKey(key: string, roles: KeyIndex['roles']): KeyIndex {
    const indifferent = new Uint32Array(this.words).fill(0xffffffff);
    for (const { role } of roles) clearBit(indifferent, role);
    return { key, roles, indifferent, byValue: new Map() };
  }

  /** Bits of the roles that a value of a key satisfies; equal answers share their bits. */
  #satisfied(index: KeyIndex, value: string): Uint32Array {
    const known = index.byValue.get(value);
    if (known !== undefined) return known;
    const found = satisfiedBy(index, value);
    const name = found.join();
    const bits = this.#answers.get(name) ?? found;
    if (++this.#remembered > MAX_REMEMBERED) {
      for (const { byValue } of this.#keys) byValue.clear();
      this.#answers.clear();
      this.#remembered = 1;
    }
    this.#answers.set(name, bits);
    index.byValue.set(value, bits);
    return bits;
  }

  /** Writes the bits of the matching roles into `out` (of `words` length) and tells whether there are any. */
  match(labels: Labels, out: Uint32Array): boolean {
    if (this.empty) {
      out.fill(0);
      return false;
    }
    out.set(this.#possible);
    let any = 1;
    for (let k = 0; k < this.#keys.length && any !== 0; k++) {
      const index = this.#keys[k] as KeyIndex;
      const value = own(labels, index.key);
      const bits = value === undefined ? index.indifferent : this.#satisfied(index, value);
      any = 0;
      for (let word = 0; word < out.length; word++) {
        const left = (out[word] ?? 0) & (bits[word] ?? 0);
        out[word] = left;
        any |= left;
      }
    }
    return any !== 0;
  }
}

function satisfiedBy(index: KeyIndex, value: string): Uint32Array {
  const bits = index.indifferent.slice();
  const failed: number[] = [];
  for (const { role, patterns } of index.roles) {
    if (patterns.some((pattern) => pattern.test(value))) setBit(bits, role);
    else failed.push(role);
  }
  // A role may ask twice for one key, when a key comes from a trait: then both must hold.
  for (const role of failed) clearBit(bits, role);
  return bits;
}

export function hasBit(bits: Uint32Array, at: number): boolean {
  return (((bits[at >>> 5] ?? 0) >>> (at & 31)) & 1) === 1;
}

function setBit(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] ?? 0) | (1 << (at & 31));
}

function clearBit(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] ?? 0) & ~(1 << (at & 31));
}
