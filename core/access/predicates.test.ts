import { describe, expect, it } from 'vitest';
import { createPredicateCompiler, type LabelContext, type WhereContext } from './predicates.ts';

const compiler = createPredicateCompiler();
const user = {
  name: 'joe',
  roles: ['dev', 'auditor'],
  traits: {
    teams: ['db', 'web'],
    email: ['joe@example.com', 'no address'],
    'allowed-env': ['env-dev', 'x'],
    empty: [''],
  },
};
const labels = (
  source: string,
  given: Record<string, string> = { env: 'prod', team: 'db', 'project-a': 'security' },
): boolean => compiler.labels(source)({ user, labels: given, name: 'web-1' } satisfies LabelContext);
const where = (source: string, more: Partial<WhereContext> = {}): boolean =>
  compiler.where(source)({ user, ...more });

describe('label expressions', () => {
  it.each([
    ['labels["env"] == "prod"', true],
    ["labels['env'] == 'prod'", true],
    ['labels[`env`] == `prod`', true],
    ['labels[env] == "prod"', true],
    ['labels["env"] != "prod"', false],
    ['labels["env"] == "dev" || labels["team"] == "db"', true],
    ['labels["env"] == "dev" && labels["team"] == "db"', false],
    ['!(labels["env"] == "dev") && !contains(user.spec.traits["teams"], "ops")', true],
    ['!!(labels["env"] == "prod")', true],
    ['labels["env"] == "dev" || labels["env"] == "prod" && labels["team"] == "x"', false],
    ['contains(user.spec.traits["teams"], labels["team"])', true],
    ['contains(user.spec.traits[teams], labels["team"])', true],
    ['user.spec.traits["teams"].contains(labels["team"])', true],
    ['user.spec.roles.contains("dev")', true],
    ['regexp.match(labels["team"], "^d.$")', true],
    ['regexp.match(labels["team"], "d*")', true],
    ['regexp.match(labels["team"], "\\w+$")', true],
    ['regexp.match(labels["team"], "d")', false],
    ['!regexp.match(user.spec.traits["teams"], "contractor")', true],
    ['contains(regexp.replace(user.spec.traits["allowed-env"], "^env-(.*)$", "$1"), "dev")', true],
    ['contains(regexp.replace(user.spec.traits["allowed-env"], "^env-(.*)$", "$1"), "x")', false],
    ['contains(email.local(user.spec.traits["email"]), "joe")', true],
    ['contains(strings.upper(user.spec.traits["teams"]), "DB")', true],
    ['contains(strings.lower("DB"), labels["team"])', true],
    ['contains(labels_matching("project-*"), "security")', true],
    ['contains(labels_matching("^project-(a|b)$"), "security")', true],
    ['contains_any(user.spec.traits["teams"], set("web", "x"))', true],
    ['contains_all(user.spec.traits["teams"], set("web", "x"))', false],
    ['contains_all(user.spec.traits["teams"], set("web", "db"))', true],
    ['contains(split("a,b,,c", ","), "c")', true],
    ['exists(labels["env"]) && !exists(labels["nope"])', true],
    ['is_empty(user.spec.traits["nope"])', true],
    ['has_prefix(labels["env"], "pr") && has_suffix(name, "-1")', true],
    ['equals(user.metadata.name, "joe")', true],
    [' labels["env"]\n ==\t"prod" ', true],
    ['labels["a\\"b"] == ""', true],
  ])('ok: %s is %s', (source, result) => {
    expect(labels(source)).toBe(result);
  });

  it.each([
    ['two labels that are not set are not equal', 'labels["a"] == labels["b"]'],
    ['a label that is not set is in no list', 'contains(user.spec.traits["empty"], labels["nope"])'],
    ['an empty label is in no list', 'contains(user.spec.traits["empty"], labels["blank"])'],
    ['all of nothing', 'contains_all(user.spec.traits["teams"], user.spec.traits["nope"])'],
    ['a subset of nothing', 'is_subset(user.spec.traits["nope"], user.spec.traits["teams"])'],
    ['every text starts with nothing', 'has_prefix(labels["env"], "")'],
    ['a prototype is not a label', 'exists(labels["__proto__"])'],
    ['a prototype is not a trait', 'exists(user.spec.traits["constructor"])'],
    ['toString is not a label', 'labels["toString"] != ""'],
  ])('S17 a gap does not open a door: %s', (_name, source) => {
    expect(labels(source, { env: 'prod', blank: '' })).toBe(false);
  });

  it('ok: an own label named __proto__ is a label', () => {
    const own = JSON.parse('{"__proto__": "x"}') as Record<string, string>;
    expect(labels('labels["__proto__"] == "x"', own)).toBe(true);
  });

  it.each([
    ['nothing', ' ', /is empty/],
    [
      'an unknown name',
      'user.spec.trait["x"] == ""',
      /unknown name "user.spec.trait"; did you mean "user.spec.traits"/,
    ],
    ['an unknown function', 'contain(user.spec.roles, "x")', /did you mean "contains"/],
    [
      'a name from another vocabulary',
      'contains(session.participants, "x")',
      /unknown name "session.participants"/,
    ],
    ['a text as the answer', 'labels["env"]', /must be true or false/],
    ['a list in a comparison', 'user.spec.traits["teams"] == "db"', /use contains/],
    ['a map without a key', 'labels == "x"', /needs a key/],
    ['a key on a text', 'name["x"] == "y"', /not a map/],
    ['a computed key', 'labels[user.metadata.name] == "x"', /one quoted key/],
    ['too few values', 'contains(user.spec.roles)', /1 values; it takes 2/],
    ['too many values', 'equals(name, name, name)', /3 values; it takes 2/],
    ['a wrong type', 'contains("a" == "b", "x")', /bool where a list/],
    ['a pattern that is computed', 'regexp.match(labels["a"], labels["b"])', /needs a quoted text/],
    ['a bad pattern', 'regexp.match(labels["a"], "^(a$")', /not a regular expression/],
    ['a bad group', 'contains(regexp.replace(labels["a"], "a", "$1"), "x")', /does not have/],
    ['a quote that is not closed', 'labels["env] == 1', /never closed/],
    ['a parenthesis that is not closed', '(labels["a"] == "b"', /where "\)" is expected/],
    ['something after the end', 'labels["a"] == "b" labels', /an operator or the end/],
    ['half an operator', 'labels["a"] & "b"', /does not expect "&"/],
    ['a number', 'labels["a"] == 1', /does not expect "1"/],
    ['an operator without a side', 'labels["a"] ==', /ends where/],
    ['chained comparisons', '"a" == "b" == "c"', /an operator or the end/],
    ['unicode quotes', 'labels[“env”] == "x"', /does not expect/],
  ])('refuses: %s', (_name, source, says) => {
    expect(() => compiler.labels(source)).toThrow(says);
  });

  it('refuses: errors carry line and column', () => {
    expect(() => compiler.labels('labels["a"] == "b" &&\n  nope == "x"')).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST', details: { line: 2, column: 3 } }),
    );
  });

  it.each([
    ['deep parentheses', `${'('.repeat(5000)}"a" == "a"`],
    ['deep nots', `${'!'.repeat(1000)}exists(name)`],
    ['deep calls', `${'strings.lower('.repeat(200)}"a"${')'.repeat(200)}`],
    ['deep keys', `labels${'["a"]'.repeat(1000)}`],
    ['a long text', `labels["${'a'.repeat(9000)}"] == "x"`],
    ['many parts', Array.from({ length: 900 }, () => '!a').join('&&')],
  ])('S33 refuses: %s', (_name, source) => {
    expect(() => compiler.labels(source)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('S33 a wide expression at the limits compiles and runs quickly', () => {
    const source = Array.from({ length: 280 }, (_, i) => `labels["k${i}"] == "v"`).join(' || ');
    const start = performance.now();
    expect(labels(source)).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('where', () => {
  it('ok: own sessions', () => {
    const source = 'contains(session.participants, user.metadata.name)';
    expect(where(source, { session: { participants: ['joe', 'ann'] } })).toBe(true);
    expect(where(source, { session: { participants: ['ann'] } })).toBe(false);
    expect(where(source)).toBe(false);
    expect(where('!contains(session_tracker.participants, user.metadata.name)')).toBe(true);
  });

  it('ok: labels and name of the resource', () => {
    const resource = { name: 'web-1', labels: { owner: 'joe' } };
    expect(where('equals(resource.metadata.labels["owner"], user.metadata.name)', { resource })).toBe(true);
    expect(where('has_prefix(resource.metadata.name, "web-")', { resource })).toBe(true);
    expect(where('resource.metadata.name == "web-1" && contains(user.spec.roles, "dev")', { resource })).toBe(
      true,
    );
  });

  it('ok: impersonation and reviews', () => {
    const source = 'contains(user.spec.traits["teams"], impersonate_role.metadata.labels["team"])';
    expect(where(source, { impersonateRole: { name: 'r', labels: { team: 'db' } } })).toBe(true);
    expect(where(source, { impersonateRole: { name: 'r', labels: {} } })).toBe(false);
    const review = 'contains(reviewer.roles, "dev") && contains(request.roles, "admin")';
    expect(where(review, { reviewer: user, request: { user: 'ann', roles: ['admin'] } })).toBe(true);
  });

  it('refuses: a typing slip names the right word', () => {
    expect(() => compiler.where('contains(session.participant, user.metadata.name)')).toThrow(
      /did you mean "session.participants"/,
    );
    expect(() => compiler.where('equal(user.metadata.name, "x")')).toThrow(/did you mean "equals"/);
  });
});
