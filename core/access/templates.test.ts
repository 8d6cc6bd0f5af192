import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileNameMatcher, expandNames, expandPattern } from './matchers.ts';
import { compileTemplate, expand, MAX_VALUES } from './templates.ts';

const traits = {
  logins: ['joe', 'root'],
  name: ['joe'],
  email: ['joe@example.com', 'Ann <ann@x.org>', 'ann.b@x.org'],
  access: ['env-dev', 'env-prod', 'team-x'],
  empty: ['', 'x'],
  none: [],
  star: ['*', '^.*$'],
  'http://schemas.example.com/claims/account': ['first.last'],
};

describe('templates', () => {
  it.each([
    ['plain text', 'root', ['root']],
    ['an internal trait', '{{internal.logins}}', ['joe', 'root']],
    ['an external trait', '{{external.logins}}', ['joe', 'root']],
    ['blanks inside', '{{ external.name }}', ['joe']],
    ['a quoted key', '{{external["http://schemas.example.com/claims/account"]}}', ['first.last']],
    ['an internal key in quotes', '{{internal["logins"]}}', ['joe', 'root']],
    ['text before', 'dev-{{external.name}}', ['dev-joe']],
    ['text after', 'IAM#{{external.name}};', ['IAM#joe;']],
    ['local part', '{{email.local(external.email)}}', ['joe', 'ann.b']],
    ['replace', '{{regexp.replace(external.access, "^env-(.*)$", "$1")}}', ['dev', 'prod']],
    ['nested', '{{strings.upper(email.local(external.email))}}', ['JOE', 'ANN.B']],
    ['an empty value is dropped', 'a-{{external.empty}}', ['a-x']],
    ['a missing trait', 'dev-{{external.nope}}', []],
    ['a trait without values', '{{external.none}}', []],
    ['nothing', '', []],
    ['a prototype is not a trait', '{{external["__proto__"]}}', []],
    ['constructor is not a trait', '{{external.constructor}}', []],
  ])('ok: %s', (_name, text, values) => {
    expect(expand(text, traits)).toEqual(values);
  });

  it.each([
    ['a plain word', '{{logins}}', /external.NAME/],
    ['another name space', '{{traits.logins}}', /unknown name/],
    ['an unknown internal trait', '{{internal.login}}', /did you mean "internal.logins"/],
    ['an unknown internal key', '{{internal["login"]}}', /unknown key "login"/],
    ['an unknown function', '{{email.lokal(external.email)}}', /did you mean "email.local"/],
    ['a bare name space', '{{external}}', /needs a key/],
    ['only a text', '{{"root"}}', /must name a trait/],
    ['a function of a text', '{{email.local("a@b.c")}}', /must name a trait/],
    ['a condition', '{{external.a == "b"}}', /only texts can be compared|must name/],
    ['a function for matching', '{{regexp.match("x")}}', /unknown function/],
    ['two variables', '{{external.a}}-{{external.b}}', /one {{variable}}/],
    ['braces that do not pair', '{{external.a', /one {{variable}}/],
    ['braces in the wrong order', '}}external.a{{', /one {{variable}}/],
    ['nested braces', '{{ {{external.a}} }}', /one {{variable}}/],
    ['three braces', '{{{external.a}}}', /./],
    ['nothing inside', '{{}}', /is empty/],
    ['a dotted trait', '{{external.a.b}}', /unknown name/],
    ['a bad expression', '{{regexp.replace(external.a, "(", "x")}}', /not a regular expression/],
  ])('refuses: %s', (_name, text, says) => {
    expect(() => compileTemplate(text)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST', message: expect.stringMatching(says) }),
    );
  });

  it('S33 one entry gives at most 256 values', () => {
    const many = { many: Array.from({ length: 5000 }, (_, i) => `v${i}`) };
    expect(expand('{{external.many}}', many)).toHaveLength(MAX_VALUES);
    expect(expand('{{external.long}}', { long: ['x'.repeat(10_000)] })).toEqual([]);
  });

  it('property: no value is ever empty, and all keep prefix and suffix', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.stringMatching(/^[a-z-]{0,5}$/), (values, fixed) => {
        for (const value of expand(`${fixed}{{external.t}}${fixed}`, { t: values })) {
          expect(value.length).toBeGreaterThan(2 * fixed.length);
          expect(value.startsWith(fixed) && value.endsWith(fixed)).toBe(true);
        }
      }),
    );
  });
});

describe('matchers', () => {
  it.each([
    ['text', 'dev', 'dev', true],
    ['a glob', 'dev-*', 'dev-1', true],
    ['an expression', '^dev-[0-9]$', 'dev-1', true],
    ['match', '{{regexp.match("^dev-.*$")}}', 'dev-1', true],
    ['match by glob', '{{regexp.match("dev-*")}}', 'prod', false],
    ['not_match', '{{regexp.not_match("^dev-.*$")}}', 'prod', true],
    ['not_match the other way', '{{ regexp.not_match("dev-*") }}', 'dev-1', false],
  ])('ok: %s', (_name, matcher, text, result) => {
    expect(compileNameMatcher(matcher).test(text)).toBe(result);
  });

  it.each([
    '{{external.x}}',
    '{{regexp.match(external.x)}}',
    'a{{regexp.match("x")}}',
    '{{regexp.match("^(a$")}}',
    '{{regexp.match("a", "b")}}',
  ])('refuses: %s', (matcher) => {
    expect(() => compileNameMatcher(matcher)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('S18 a trait brings no wildcard and no expression of its own', () => {
    const patterns = expandPattern(compileTemplate('{{external.star}}'), traits);
    expect(patterns.map((pattern) => pattern.test('anything'))).toEqual([false, false]);
    expect(patterns.map((pattern) => pattern.test('*'))).toEqual([true, false]);
    expect(expandNames(['{{external.star}}'], traits).some((pattern) => pattern.test('x'))).toBe(false);
  });

  it('ok: globs around a variable', () => {
    const [pattern] = expandPattern(compileTemplate('us-*-{{external.name}}-*'), traits);
    expect(
      ['us-1-joe-x', 'us--joe-', 'us-joe-joe-joe', 'us-1-ann-x', 'eu-1-joe-x'].map((text) =>
        pattern!.test(text),
      ),
    ).toEqual([true, true, true, false, false]);
  });
});
