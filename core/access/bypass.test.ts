// Ways around a deny, tried one by one: spelling, line breaks, empty lists, order, missing parts. Each row is an
// attempt; the deny must hold, or the write must be refused.
import { describe, expect, it } from 'vitest';
import { checkRole } from './check-role.ts';
import { compileAccess, type AccessSet } from './compile.ts';
import { decideSsh, decideTarget, filterNodes, grantedNames } from './decide.ts';
import { decideKubeObject, type KubeObject } from './kube-resources.ts';
import type { AccessRole, Conditions, KubernetesResource, Labels, Traits } from './role.ts';
import { couldAllow, decideResource, decideWhole } from './rules.ts';

const ANY = { '*': ['*'] };
const role = (name: string, allow: Conditions, deny: Conditions = {}): AccessRole => ({
  name,
  allow,
  deny,
  options: {},
});
const access = (roles: readonly AccessRole[], traits: Traits = {}): AccessSet =>
  compileAccess(roles, { name: 'joe', roles: roles.map(({ name }) => name), traits });
const problems = (deny: Conditions): string[] =>
  checkRole(role('r', {}, deny)).map(({ path, message }) => `${path.join('.')} ${message}`);
const EVERYWHERE = role('all', { logins: ['joe', 'root'], node_labels: ANY });

describe('denied labels', () => {
  const reaches = (deny: Conditions, labels: Labels, traits: Traits = {}): boolean => {
    const set = access([EVERYWHERE, role('d', {}, deny)], traits);
    const target = { name: 'web-1', labels };
    const decided = decideSsh(set, { node: target, login: 'joe' }).allowed;
    expect(filterNodes([target], set)).toHaveLength(decided ? 1 : 0);
    return decided;
  };

  it.each<[string, Conditions, Labels]>([
    ['a line break behind what is denied', { node_labels: { env: ['^prod.*$'] } }, { env: 'prod\nx' }],
    ['a line break before what is denied', { node_labels: { env: ['^.*prod$'] } }, { env: 'x\nprod' }],
    ['a line break within a glob', { node_labels: { env: ['prod*'] } }, { env: 'prod\r\n' }],
    ['a line separator', { node_labels: { env: ['^prod.*$'] } }, { env: 'prod\u2028' }],
    [
      'a line break in an expression',
      { node_labels_expression: 'regexp.match(labels["env"], "^prod.*$")' },
      { env: 'prod\n' },
    ],
    ['keys in another order', { node_labels: { a: ['1'], b: ['2'] } }, { b: '2', a: '1' }],
    ['the star beside a key that does not match', { node_labels: { a: ['1'], '*': ['*'] } }, { a: '2' }],
    ['the star and no labels at all', { node_labels: ANY }, {}],
    [
      'an expression that is true where nothing is set',
      { node_labels_expression: '!exists(labels["env"])' },
      {},
    ],
    [
      'a denied selector beside an expression that is false',
      { node_labels: { env: ['prod'] }, node_labels_expression: 'labels["env"] == "x"' },
      { env: 'prod' },
    ],
  ])('S17 no way around a deny: %s', (_name, deny, labels) => {
    expect(reaches(deny, labels)).toBe(false);
  });

  it('S17 no way around a deny: traits in another order, and one trait of many', () => {
    const deny = { node_labels: { team: ['{{external.not}}'] } };
    for (const not of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      expect(reaches(deny, { team: 'b' }, { not })).toBe(false);
    }
  });

  it.each<[string, Conditions]>([
    ['a key without values', { node_labels: { env: [] } }],
    ['a star inside of a key', { node_labels: { 'env*': ['x'] } }],
    ['a star key with a value', { node_labels: { '*': ['prod'] } }],
    ['one anchor', { node_labels: { env: ['^prod'] } }],
    ['a star inside of a login', { logins: ['ro*'] }],
    ['a rule without verbs', { rules: [{ resources: ['role'], verbs: [] }] }],
    ['a rule without kinds', { rules: [{ resources: [], verbs: ['*'] }] }],
    ['a rule with a verb in another case', { rules: [{ resources: ['role'], verbs: ['Delete'] }] }],
    ['a rule with a kind in another case', { rules: [{ resources: ['Role'], verbs: ['*'] }] }],
    ['Kubernetes verbs that are none', { kubernetes_resources: [{ kind: '*', name: '*', verbs: [] }] }],
    [
      'a Kubernetes verb in another case',
      { kubernetes_resources: [{ kind: '*', name: '*', verbs: ['Get'] }] },
    ],
    ['a Kubernetes verb with a slip', { kubernetes_resources: [{ kind: '*', name: '*', verbs: ['exce'] }] }],
  ])('S17 refuses: a deny that would deny nothing: %s', (_name, deny) => {
    expect(problems(deny)).toHaveLength(1);
  });
});

describe('logins', () => {
  it.each([
    '-oProxyCommand=sh',
    '-l',
    'root\n',
    'root\0',
    'root,joe',
    'root ',
    ' root',
    'ro\u200bot',
    'r\u00f6\u00f6t',
    '../root',
    'root/x',
    '*',
    '',
    'a'.repeat(200),
  ])('S3 a trait with %j makes no login', (value) => {
    const set = access([role('r', { logins: ['{{internal.logins}}', '{{external.x}}'], node_labels: ANY })], {
      logins: [value],
      x: [value],
    });
    expect(grantedNames(set, 'logins').values).toEqual([]);
    expect(decideSsh(set, { node: { name: 'n', labels: {} }, login: value }).allowed).toBe(false);
  });

  it('S3 text around a trait cannot begin a login with a dash', () => {
    expect(checkRole(role('r', { logins: ['-{{external.x}}'] }))).toHaveLength(1);
    const set = access([role('r', { logins: ['-o{{external.x}}'], node_labels: ANY })], { x: ['y'] });
    expect(grantedNames(set, 'logins').values).toEqual([]);
  });

  it.each([
    '{{{external.x}}}',
    '{{external.x}}{{external.y}}',
    '{{{{external.x}}}}',
    '{{external.x',
    '}}x{{',
  ])('S3 refuses: the braces of %j', (login) => {
    expect(checkRole(role('r', { logins: [login] }))).toHaveLength(1);
    expect(() => access([role('r', { logins: [login] })])).toThrow(/cannot be used/);
  });

  it('S17 a denied star takes every login, and a denied name stays denied from whatever role', () => {
    expect(grantedNames(access([EVERYWHERE, role('d', {}, { logins: ['*'] })]), 'logins').values).toEqual([]);
    const set = access([role('d', {}, { logins: ['{{external.x}}'] }), EVERYWHERE], { x: ['root', 'x'] });
    expect(grantedNames(set, 'logins').values).toEqual(['joe']);
  });
});

describe('conditions on resources', () => {
  const where = (verb: string, text: string): Conditions => ({
    rules: [{ resources: ['role'], verbs: [verb], where: text }],
  });
  const NEGATED = '!equals(resource.metadata.name, "admin")';

  it('S17 a condition that is true of nothing in particular does not open the whole kind', () => {
    const set = access([role('r', where('*', NEGATED))]);
    const dev = { name: 'dev', labels: {} };
    expect(decideResource(set, { kind: 'role', verb: 'update', resource: dev }).allowed).toBe(true);
    expect(couldAllow(set, 'role', 'update')).toBe(true);
    expect(decideWhole(set, 'role', 'update').allowed).toBe(false);
  });

  it('S17 a deny with a condition closes the whole kind: some of it is denied', () => {
    const all = role('a', { rules: [{ resources: ['*'], verbs: ['*'] }] });
    const set = access([all, role('d', {}, where('read', 'equals(resource.metadata.name, "admin")'))]);
    expect(decideWhole(set, 'role', 'read').allowed).toBe(false);
    expect(decideWhole(set, 'role', 'list').allowed).toBe(true);
    expect(couldAllow(set, 'role', 'read')).toBe(true);
  });

  it.each([
    'resource.metadata.name == "x" ||',
    'nobody.name == "x"',
    'contains(user.spec.roles)',
    'user.spec.roles',
    '"true"',
  ])('S17 refuses: a stored role whose condition %j does not compile decides nothing', (text) => {
    expect(() => access([EVERYWHERE, role('d', {}, where('*', text))])).toThrow(
      expect.objectContaining({ code: 'INVALID_RESOURCE' }),
    );
  });
});

describe('Kubernetes objects', () => {
  const cluster = { name: 'c', labels: {} };
  const all = role('all', {
    kubernetes_labels: ANY,
    kubernetes_resources: [{ kind: '*', name: '*', namespace: '*', api_group: '*' }],
  });
  const secret: KubeObject = { kind: 'secret', namespace: 'a', name: 'db', verb: 'get' };
  const may = (deny: KubernetesResource, object: KubeObject = secret): boolean =>
    decideKubeObject(access([all, role('d', {}, { kubernetes_resources: [deny] })]), cluster, object).allowed;

  it.each<[string, KubernetesResource]>([
    ['without name and namespace', { kind: 'secret' }],
    ['without namespace', { kind: 'secret', name: 'db' }],
    ['with no verbs', { kind: 'secret', name: '*', namespace: '*', verbs: [] }],
    ['of everything', { kind: '*' }],
  ])('S17 a deny %s covers all that it does not limit', (_name, deny) => {
    expect(may(deny)).toBe(false);
  });

  it('S17 deleting all objects is refused where one of them is denied', () => {
    const all: KubeObject = { ...secret, name: '', verb: 'deletecollection' };
    expect(may({ kind: 'secret', name: 'db', namespace: 'a' }, all)).toBe(false);
    expect(may({ kind: 'secret', name: 'db', namespace: 'b' }, all)).toBe(true);
    expect(may({ kind: 'secret', name: 'db', namespace: 'b' }, { ...all, namespace: '' })).toBe(false);
  });

  it('ok: a deny of something else', () => {
    expect(may({ kind: 'secret', name: 'web' })).toBe(true);
    expect(may({ kind: 'secret', namespace: 'b' })).toBe(true);
    expect(may({ kind: 'secret', verbs: ['delete'] })).toBe(true);
  });
});

describe('databases', () => {
  it('S15 a denied user stays denied where the engine folds case', () => {
    const set = access([
      role('a', { db_labels: ANY, db_users: ['*'], db_names: ['*'] }),
      role('d', {}, { db_users: ['Admin'] }),
    ]);
    const ask = (user: string): boolean =>
      decideTarget(set, {
        kind: 'db',
        target: { name: 'x', labels: {} },
        user,
        database: 'x',
        foldsUserCase: true,
      }).allowed;
    expect(['Admin', 'admin', 'ADMIN', 'aDMIN', 'ADM\u0130N', 'bob'].map(ask)).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
  });
});
