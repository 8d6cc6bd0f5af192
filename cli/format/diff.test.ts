import { expect, test } from 'vitest';
import { diffLines } from './diff.ts';

const role = (spec: object, metadata: object = {}): object => ({
  kind: 'role',
  metadata: { name: 'dev', ...metadata },
  spec,
});
const shown = (before: unknown, after: unknown): string[] =>
  diffLines(before, after).map(({ sign, text }) => `${sign} ${text}`);

test.each<[string, unknown, unknown, string[]]>([
  ['the same', role({ a: 1 }), role({ a: 1 }), []],
  ['only another revision', role({}, { revision: '1' }), role({}, { revision: '2' }), []],
  ['a value', role({ ttl: '1h' }), role({ ttl: '2h' }), ['- spec.ttl: "1h"', '+ spec.ttl: "2h"']],
  ['a field that came', role({}), role({ ttl: '2h' }), ['+ spec.ttl: "2h"']],
  ['a field that went', role({ ttl: '2h' }), role({}), ['- spec.ttl: "2h"']],
  [
    'entries of a list',
    role({ l: ['a', 'b'] }),
    role({ l: ['b', 'c'] }),
    ['  spec.l:', '-   "a"', '+   "c"'],
  ],
  ['a repeated entry', role({ l: ['a'] }), role({ l: ['a', 'a'] }), ['  spec.l:', '+   "a"']],
  [
    'the order of a list',
    role({ l: ['a', 'b'] }),
    role({ l: ['b', 'a'] }),
    ['  spec.l:', '-   ["a","b"]', '+   ["b","a"]'],
  ],
  ['a key that is no word', role({ m: { '*': 'x' } }), role({}), ['- spec.m["*"]: "x"']],
  [
    'a new resource',
    undefined,
    role({ allow: { logins: ['a'] }, deny: {} }, { description: 'x' }),
    ['+ metadata.description: "x"', '+ spec.allow.logins: ["a"]', '+ spec.deny: {}'],
  ],
  ['a map that went', role({ m: { a: { b: 1 } } }), role({}), ['- spec.m.a.b: 1']],
])('ok: %s', (_, before, after, lines) => {
  expect(shown(before, after)).toEqual(lines);
});

test('S27 a hostile value stays on its line', () => {
  const lines = diffLines(role({}), role({ 'x\n+ y': 'a\u001b[2J\u2028' }));
  expect(lines).toEqual([{ sign: '+', text: 'spec["x\\n+ y"]: "a\\u001b[2J\\u2028"' }]);
});
