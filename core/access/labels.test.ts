import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelector, hasBit, matchesSelector, SelectorIndex } from './labels.ts';
import type { Labels, LabelSelector, Traits } from './role.ts';

const traits: Traits = { team: ['db', 'web'], key: ['env'], wild: ['*', '^.*$'] };
const matches = (selector: LabelSelector, labels: Labels, side: 'allow' | 'deny' = 'allow'): boolean => {
  const compiled = compileSelector(selector, traits, side);
  const index = new SelectorIndex([undefined, compiled, undefined]);
  const bits = new Uint32Array(index.words);
  index.match(labels, bits);
  const slow = matchesSelector(compiled, labels);
  expect(hasBit(bits, 1)).toBe(slow);
  return slow;
};

describe('label selectors', () => {
  const labels = { env: 'prod', region: 'us-west-1', team: 'db' };
  it.each<[string, LabelSelector, boolean]>([
    ['one value', { env: ['prod'] }, true],
    ['another value', { env: ['dev'] }, false],
    ['one of several values', { env: ['dev', 'prod'] }, true],
    ['all keys', { env: ['prod'], region: ['us-*'] }, true],
    ['one key of two', { env: ['prod'], region: ['eu-*'] }, false],
    ['a key that is not set', { zone: ['a'] }, false],
    ['any value of a key', { env: ['*'] }, true],
    ['any value of a key that is not set', { zone: ['*'] }, false],
    ['an expression', { region: ['^us-(west|east)-1$'] }, true],
    ['everything', { '*': ['*'] }, true],
    ['everything and a key that matches', { '*': ['*'], env: ['prod'] }, true],
    ['everything and a key that does not', { '*': ['*'], env: ['dev'] }, false],
    ['a wildcard key with a value', { '*': ['prod'] }, false],
    ['nothing', {}, false],
    ['a key without values', { env: [] }, false],
    ['a trait', { team: ['{{external.team}}'] }, true],
    ['a trait that is missing', { team: ['{{external.nope}}'] }, false],
    ['a missing trait beside a key that matches', { env: ['prod'], team: ['{{external.nope}}'] }, false],
    ['a trait that is a wildcard', { team: ['{{external.wild}}'] }, false],
    ['a key from a trait', { '{{external.key}}': ['prod'] }, true],
    ['a key from a trait that is missing', { env: ['prod'], '{{external.nope}}': ['x'] }, false],
    [
      'a key from a trait and the same key, both must hold',
      { env: ['prod'], '{{external.key}}': ['dev'] },
      false,
    ],
    ['case counts', { env: ['Prod'] }, false],
  ])('ok: allow %s: %#', (_name, selector, result) => {
    expect(matches(selector, labels)).toBe(result);
  });

  it.each<[string, LabelSelector, boolean]>([
    ['everything, whatever stands beside it', { '*': ['*'], env: ['dev'] }, true],
    ['all keys', { env: ['prod'], region: ['eu-*'] }, false],
    ['nothing', {}, false],
  ])('ok: deny %s', (_name, selector, result) => {
    expect(matches(selector, labels, 'deny')).toBe(result);
  });

  it('S17 names of the prototype are labels like any other', () => {
    const own = JSON.parse('{"__proto__": "a", "constructor": "b"}') as Labels;
    expect(matches(JSON.parse('{"__proto__": ["a"]}') as LabelSelector, own)).toBe(true);
    expect(matches({ constructor: ['b'] }, own)).toBe(true);
    expect(matches({ constructor: ['*'] }, {})).toBe(false);
    expect(matches({ toString: ['*'] }, {})).toBe(false);
  });

  it('ok: more roles than one word of bits', () => {
    const selectors = Array.from({ length: 100 }, (_, i) => compileSelector({ n: [String(i)] }, {}, 'allow'));
    const index = new SelectorIndex(selectors);
    const bits = new Uint32Array(index.words);
    for (const i of [0, 31, 32, 63, 64, 99]) {
      expect(index.match({ n: String(i) }, bits)).toBe(true);
      expect(selectors.map((_, at) => hasBit(bits, at)).filter(Boolean)).toHaveLength(1);
      expect(hasBit(bits, i)).toBe(true);
    }
    expect(index.match({ n: '100' }, bits)).toBe(false);
    expect(index.match({}, bits)).toBe(false);
  });

  it('S33 ok: more values than are remembered give the same answers', () => {
    const index = new SelectorIndex([
      compileSelector({ n: ['*7'] }, {}, 'allow'),
      compileSelector({ n: ['*'], m: ['^a+$'] }, {}, 'allow'),
    ]);
    const bits = new Uint32Array(index.words);
    for (let i = 0; i < 45_000; i++) {
      index.match({ n: String(i), m: i % 3 === 0 ? 'aa' : `b${i}` }, bits);
      if (hasBit(bits, 0) !== (i % 10 === 7) || hasBit(bits, 1) !== (i % 3 === 0))
        throw new Error(`wrong at ${i}`);
    }
  });

  it('property: the index agrees with looking at each selector', () => {
    const value = fc.constantFrom('a', 'b', 'ab', '*', 'a*', '^a|b$');
    const key = fc.constantFrom('x', 'y', 'z', '*');
    const selector = fc.dictionary(key, fc.array(value, { maxLength: 3 }), { maxKeys: 3 });
    const labels = fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.constantFrom('a', 'b', 'ab', ''), {
      maxKeys: 3,
    });
    fc.assert(
      fc.property(
        fc.array(selector, { minLength: 1, maxLength: 40 }),
        fc.array(labels, { minLength: 1, maxLength: 5 }),
        (selectors, targets) => {
          for (const side of ['allow', 'deny'] as const) {
            const compiled = selectors.map((one) => compileSelector(one, {}, side));
            const index = new SelectorIndex(compiled);
            const bits = new Uint32Array(index.words);
            for (const target of targets) {
              const any = index.match(target, bits);
              const slow = compiled.map((one) => matchesSelector(one, target));
              expect(compiled.map((_, at) => hasBit(bits, at))).toEqual(slow);
              expect(any).toBe(slow.includes(true));
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
