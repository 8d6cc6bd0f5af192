import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from './compile.ts';
import { decideSsh, decideTarget, filterNodes, filterTargets, grantedNames, isVisible } from './decide.ts';
import { decideKubeObject } from './kube-resources.ts';
import { MAX_REASONS } from './reason.ts';
import type { AccessRole, Conditions, RoleOptions, Traits } from './role.ts';
import type { TargetRequest } from './target.ts';
import { judgeRoles } from './verdict.ts';

const ANY = { '*': ['*'] };
const role = (
  name: string,
  allow: Conditions,
  deny: Conditions = {},
  options: RoleOptions = {},
): AccessRole => ({
  name,
  allow,
  deny,
  options,
});
const access = (roles: AccessRole[], traits: Traits = {}): AccessSet =>
  compileAccess(roles, { name: 'joe', roles: roles.map(({ name }) => name), traits });
const node = { name: 'web-1', labels: { env: 'prod', team: 'web' } };
const ssh = (set: AccessSet, login = 'joe', target = node): boolean =>
  decideSsh(set, { node: target, login }).allowed;
const texts = (set: AccessSet, request: TargetRequest): string =>
  decideTarget(set, request)
    .reasons.map(({ text }) => text)
    .join('\n');

describe('servers', () => {
  const dev = role('dev', {
    logins: ['{{internal.logins}}', 'deploy'],
    node_labels: { env: ['dev', 'prod'] },
  });
  it.each<[string, AccessRole[], string, boolean]>([
    ['a listed login', [dev], 'deploy', true],
    ['a login of the traits', [dev], 'joe', true],
    ['another login', [dev], 'root', false],
    ['no roles', [], 'joe', false],
    [
      'labels that do not match',
      [role('r', { logins: ['joe'], node_labels: { env: ['dev'] } })],
      'joe',
      false,
    ],
    ['no labels in the role', [role('r', { logins: ['joe'] })], 'joe', false],
    ['an empty selector', [role('r', { logins: ['joe'], node_labels: {} })], 'joe', false],
    ['no logins in the role', [role('r', { node_labels: ANY })], 'joe', false],
    [
      'login and labels from two roles',
      [
        role('a', { logins: ['root'], node_labels: { env: ['dev'] } }),
        role('b', { logins: ['joe'], node_labels: ANY }),
      ],
      'root',
      false,
    ],
    [
      'an expression alone',
      [role('r', { logins: ['joe'], node_labels_expression: 'labels["team"] == "web"' })],
      'joe',
      true,
    ],
    [
      'an expression that is false',
      [role('r', { logins: ['joe'], node_labels: ANY, node_labels_expression: 'labels["team"] == "db"' })],
      'joe',
      false,
    ],
    [
      'labels that fail beside an expression that is true',
      [
        role('r', {
          logins: ['joe'],
          node_labels: { env: ['dev'] },
          node_labels_expression: 'labels["team"] == "web"',
        }),
      ],
      'joe',
      false,
    ],
    ['deny by label', [dev, role('d', {}, { node_labels: { env: ['prod'] } })], 'joe', false],
    ['deny by another label', [dev, role('d', {}, { node_labels: { env: ['qa'] } })], 'joe', true],
    [
      'deny by expression',
      [dev, role('d', {}, { node_labels_expression: 'labels["team"] == "web"' })],
      'joe',
      false,
    ],
    ['deny by login', [dev, role('d', {}, { logins: ['deploy'] })], 'deploy', false],
    ['deny of another login', [dev, role('d', {}, { logins: ['root'] })], 'joe', true],
    ['deny of every login', [dev, role('d', {}, { logins: ['*'] })], 'joe', false],
    [
      'deny in the same role',
      [role('r', { logins: ['joe'], node_labels: ANY }, { node_labels: { team: ['web'] } })],
      'joe',
      false,
    ],
    ['deny by a trait', [dev, role('d', {}, { logins: ['{{internal.logins}}'] })], 'joe', false],
  ])('ok: %s', (_name, roles, login, allowed) => {
    expect(ssh(access(roles, { logins: ['joe'] }), login)).toBe(allowed);
  });

  it('S17 deny wins whatever the order of the roles', () => {
    const deny = role('d', {}, { node_labels: { env: ['prod'] } });
    expect(ssh(access([dev, deny], { logins: ['joe'] }))).toBe(false);
    expect(ssh(access([deny, dev], { logins: ['joe'] }))).toBe(false);
  });

  it.each([
    '',
    ' ',
    'root,joe',
    'root joe',
    'joe\n',
    'joe\0',
    'joe/..',
    '../joe',
    'jöe',
    'jоe',
    '*',
    '-oProxyCommand=x',
    'a'.repeat(300),
    'joe\u200b',
    'joe;id',
    '$(id)',
  ])('S3 the login %j is refused, even when a trait and a role bring it', (login) => {
    const set = access(
      [role('r', { logins: ['{{internal.logins}}', '{{external.raw}}'], node_labels: ANY })],
      {
        logins: [login],
        raw: [login],
      },
    );
    expect(ssh(set, login)).toBe(false);
    expect(grantedNames(set, 'logins').values).toEqual([]);
  });

  it('S3 a missing trait leaves no half of a login', () => {
    const set = access(
      [role('r', { logins: ['dev-{{external.name}}', '{{external.name}}'], node_labels: ANY })],
      { name: [''] },
    );
    expect(grantedNames(set, 'logins').values).toEqual([]);
    expect(ssh(set, 'dev-')).toBe(false);
  });

  it('ok: logins compare with case', () => {
    expect(ssh(access([role('r', { logins: ['joe'], node_labels: ANY })]), 'Joe')).toBe(false);
  });
});

describe('databases', () => {
  const db = { name: 'aurora', labels: { env: 'prod' } };
  const ask = (roles: AccessRole[], user: string, database: string | null, more: object = {}): boolean =>
    decideTarget(access(roles, { db_users: ['*'] }), { kind: 'db', target: db, user, database, ...more })
      .allowed;
  const all = role('db', { db_labels: ANY, db_names: ['*'], db_users: ['*'] });
  const some = role('db', { db_labels: ANY, db_names: ['orders'], db_users: ['alice', 'Bob', 'naïve'] });

  it.each<[string, AccessRole[], string, string | null, boolean]>([
    ['the role of the guide', [all], 'alice', 'postgres', true],
    ['a listed user and database', [some], 'alice', 'orders', true],
    ['another database', [some], 'alice', 'postgres', false],
    ['another user', [some], 'eve', 'orders', false],
    ['an engine without databases', [some], 'alice', null, true],
    [
      'user and database from two roles',
      [
        role('a', { db_labels: ANY, db_users: ['alice'] }),
        role('b', { db_labels: ANY, db_names: ['orders'] }),
      ],
      'alice',
      'orders',
      false,
    ],
    ['a denied user', [all, role('d', {}, { db_users: ['postgres'] })], 'postgres', 'x', false],
    ['a denied database', [all, role('d', {}, { db_names: ['secrets'] })], 'alice', 'secrets', false],
    [
      'a wildcard from a trait',
      [role('r', { db_labels: ANY, db_names: ['*'], db_users: ['{{internal.db_users}}'] })],
      'anyone',
      'x',
      true,
    ],
    ['no names in the role', [role('r', { db_labels: ANY })], 'alice', 'orders', false],
  ])('ok: %s', (_name, roles, user, database, allowed) => {
    expect(ask(roles, user, database)).toBe(allowed);
  });

  it.each([
    'Alice',
    'ALICE',
    'alice ',
    ' alice',
    '"alice"',
    "alice'--",
    'aliсe',
    'alice\u0000',
    'alice\u200b',
    '',
    'nai\u0308ve',
    'bob',
  ])('S15 the user %j is not one of the list', (user) => {
    expect(ask([some], user, 'orders')).toBe(false);
  });

  it.each(['', ' x', 'a\0b', 'a\nb', '\u202eevil', 'x'.repeat(300)])(
    'S3 the name %j is refused even where every name is allowed',
    (name) => {
      expect(ask([all], name, 'postgres')).toBe(false);
      expect(ask([all], 'alice', name)).toBe(false);
    },
  );

  it('S15 for engines that fold case the decision folds as well, on both sides', () => {
    expect(ask([some], 'ALICE', 'orders', { foldsUserCase: true })).toBe(true);
    const deny = role('d', {}, { db_users: ['root'] });
    expect(ask([all, deny], 'ROOT', 'orders')).toBe(true);
    expect(ask([all, deny], 'ROOT', 'orders', { foldsUserCase: true })).toBe(false);
    expect(ask([some], 'alice', 'ORDERS', { foldsUserCase: true })).toBe(false);
  });
});

describe('AWS and applications', () => {
  const console = { name: 'awsconsole', labels: { env: 'x' } };
  const arn = 'arn:aws:iam::123456789012:role/ExampleReadOnlyAccess';
  const set = access(
    [role('aws-ro-access', { app_labels: ANY, aws_role_arns: [arn, '{{internal.aws_role_arns}}'] })],
    {
      aws_role_arns: ['*', 'arn:aws:iam::123456789012:role/*', 'arn:aws:iam::123456789012:role/Own'],
    },
  );
  it.each([
    ['the role of the guide', arn, true],
    ['a role of the traits', 'arn:aws:iam::123456789012:role/Own', true],
    ['another role', 'arn:aws:iam::123456789012:role/Admin', false],
    ['another case', arn.toLowerCase(), false],
    ['a wildcard', 'arn:aws:iam::123456789012:role/*', false],
    ['a star', '*', false],
    ['no role', '', false],
    ['two roles', `${arn},${arn}`, false],
  ])('S15 %s', (_name, roleArn, allowed) => {
    expect(decideTarget(set, { kind: 'aws', target: console, roleArn }).allowed).toBe(allowed);
  });

  it('ok: an application needs its labels only', () => {
    expect(decideTarget(set, { kind: 'app', target: console }).allowed).toBe(true);
    expect(decideTarget(set, { kind: 'app', target: console, azureIdentity: 'x' }).allowed).toBe(false);
    expect(decideTarget(access([role('r', {})]), { kind: 'app', target: console }).allowed).toBe(false);
  });
});

describe('Kubernetes', () => {
  const cluster = { name: 'k', labels: { env: 'prod' } };
  const object = { kind: 'pod', namespace: 'web', name: 'nginx-1', verb: 'get' };
  const set = access([
    role('a', {
      kubernetes_labels: ANY,
      kubernetes_groups: ['dev'],
      kubernetes_resources: [
        { kind: 'pod', namespace: 'web', name: '^nginx-[a-z0-9-]+$', verbs: ['get', 'exec'] },
      ],
    }),
    role(
      'b',
      { kubernetes_labels: ANY, kubernetes_users: ['joe'] },
      { kubernetes_resources: [{ kind: '*', namespace: '*', name: 'nginx-9' }] },
    ),
    role('c', {
      kubernetes_labels: { env: ['dev'] },
      kubernetes_groups: ['ops'],
      kubernetes_resources: [{ kind: '*', namespace: '*', name: '*' }],
    }),
  ]);
  it('ok: users and groups may come from several roles that select the cluster', () => {
    const ask = (users: string[], groups: string[]): boolean =>
      decideTarget(set, { kind: 'kube', target: cluster, users, groups }).allowed;
    expect(ask(['joe'], ['dev'])).toBe(true);
    expect(ask([], [])).toBe(true);
    expect(ask(['joe'], ['dev', 'ops'])).toBe(false);
    expect(ask(['system:admin'], [])).toBe(false);
    expect(grantedNames(set, 'kubernetes_groups', { kind: 'kube', target: cluster }).values).toEqual(['dev']);
  });
  it.each([
    ['a listed object', {}, true],
    ['another verb', { verb: 'delete' }, false],
    ['another kind', { kind: 'secret' }, false],
    ['another namespace', { namespace: 'kube-system' }, false],
    ['a name that only starts like it', { name: 'nginx-1\nx' }, false],
    ['a denied object', { name: 'nginx-9' }, false],
    ['a list of all', { name: '' }, false],
  ])('S11 %s', (_name, change, allowed) => {
    const decision = decideKubeObject(set, cluster, { ...object, ...change });
    expect(decision.allowed).toBe(allowed);
    expect(decision.reasons.length).toBeGreaterThan(0);
  });
  it('S11 a role that does not select the cluster lends nothing', () => {
    expect(
      decideKubeObject(set, { name: 'd', labels: { env: 'dev' } }, { ...object, kind: 'secret' }).allowed,
    ).toBe(true);
    expect(decideKubeObject(set, cluster, { ...object, kind: 'secret' }).allowed).toBe(false);
  });
});

describe('lists and names', () => {
  const set = access([
    role('a', { node_labels: { env: ['prod'] }, logins: ['joe', 'x'] }),
    role(
      'b',
      { node_labels: { env: ['dev'] }, logins: ['root'] },
      { node_labels: { team: ['db'] }, logins: ['x'] },
    ),
  ]);
  const nodes = [
    node,
    { name: 'd', labels: { env: 'dev' } },
    { name: 'q', labels: { env: 'qa' } },
    { name: 'db', labels: { env: 'prod', team: 'db' } },
  ];
  it('ok: only what is selected and not denied is listed', () => {
    expect(filterNodes(nodes, set).map(({ name }) => name)).toEqual(['web-1', 'd']);
    expect(filterTargets(set, 'db', nodes)).toEqual([]);
    expect(isVisible(set, 'node', nodes[3]!)).toBe(false);
  });
  it('ok: names per target', () => {
    const on = (at: number) => grantedNames(set, 'logins', { kind: 'node', target: nodes[at]! }).values;
    expect([on(0), on(1), on(2), on(3)]).toEqual([['joe'], ['root'], [], []]);
    expect(grantedNames(set, 'logins').values).toEqual(['joe', 'root']);
  });
  it('ok: a denied star leaves nothing', () => {
    const none = access([role('a', { logins: ['joe'], node_labels: ANY }, { logins: ['*'] })]);
    expect(grantedNames(none, 'logins')).toEqual({ values: [], any: false });
  });
});

describe('reasons', () => {
  const set = access(
    [
      role('dev', { logins: ['{{internal.logins}}'], node_labels: { env: ['dev'] } }),
      role('ops', { logins: ['{{external.ops_login}}'], node_labels: ANY }),
      role('no-db', {}, { node_labels: { team: ['db'] } }),
    ],
    { logins: ['joe'] },
  );
  it('ok: what is missing is named: label, trait, login', () => {
    const text = texts(set, { kind: 'node', target: node, login: 'joe' });
    expect(text).toContain('role dev does not select the server "web-1": its label "env" is "prod"');
    expect(text).toContain(
      'role ops does not list "joe" in allow.logins; entry "{{external.ops_login}}" gives nothing: the user has no value for ops_login',
    );
    expect(text).toContain('role no-db has no allow.node_labels');
  });
  it('ok: a denial names only who denies', () => {
    const decision = decideSsh(set, { node: { name: 'x', labels: { team: 'db' } }, login: 'joe' });
    expect(decision.reasons).toEqual([
      {
        role: 'no-db',
        side: 'deny',
        field: 'node_labels',
        on: 'team',
        text: 'role no-db denies the server "x" by its labels (deny.node_labels: team)',
      },
    ]);
  });
  it('ok: an allow names the role and carries its options', () => {
    const decision = decideSsh(
      access([
        role('a', { logins: ['joe'], node_labels: ANY }, {}, { require_session_mfa: true }),
        role('b', {}, {}, { require_session_mfa: 'hardware_key', max_session_ttl: '1h' }),
      ]),
      { node, login: 'joe' },
    );
    expect(decision).toMatchObject({
      allowed: true,
      roles: ['a'],
      options: { requireSessionMfa: 'yes', maxSessionTtlMs: 3_600_000 },
    });
  });
  it('S33 reasons are bounded and quote what others wrote', () => {
    const many = access(
      Array.from({ length: 300 }, (_, i) => role(`r${i}`, { node_labels: { env: ['x'] } })),
    );
    const hostile = { name: `x"\n${'y'.repeat(500)}`, labels: { env: '\u001b[2J' } };
    const { reasons } = decideSsh(many, { node: hostile, login: 'joe' });
    expect(reasons).toHaveLength(MAX_REASONS);
    for (const { text } of reasons) expect(/[^ -~…]|y{100}/.test(text)).toBe(false);
  });
  it('refuses: a stored role that does not compile stops everything and names the role', () => {
    expect(() =>
      access([
        role('ok', { logins: ['joe'], node_labels: ANY }),
        role('bad', {}, { node_labels: { env: ['^('] } }),
      ]),
    ).toThrow(expect.objectContaining({ code: 'INVALID_RESOURCE', details: { role: 'bad' } }));
  });
});

describe('options of stored roles', () => {
  it.each<[string, RoleOptions]>([
    ['a duration', { max_session_ttl: 'soon' }],
    ['an extension', { cert_extensions: [{ name: 'x', value: '{{nope}}' }] }],
  ])('refuses: %s that cannot be read, with the name of the role', (_name, options) => {
    expect(() => access([role('bad', {}, {}, options)])).toThrow(
      expect.objectContaining({ code: 'INVALID_RESOURCE', details: { role: 'bad' } }),
    );
  });
});

describe('properties', () => {
  const conditions: fc.Arbitrary<Conditions> = fc.record(
    {
      logins: fc.subarray(['joe', 'root', '{{internal.logins}}', '{{external.nope}}']),
      node_labels: fc.dictionary(fc.constantFrom('env', 'team'), fc.subarray(['prod', 'd*', '^a|b$']), {
        maxKeys: 2,
      }),
      node_labels_expression: fc.constantFrom('', 'labels["env"] == "prod"', '!exists(labels["team"])'),
    },
    { requiredKeys: [] },
  );
  const roles = fc.array(
    fc.record({ allow: conditions, deny: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, conditions) }),
    { maxLength: 6 },
  );
  const labels = fc.dictionary(fc.constantFrom('env', 'team'), fc.constantFrom('prod', 'dev', 'a', 'x'), {
    maxKeys: 2,
  });

  it('S17 decision, verdicts and lists agree; a denying role always wins; more allow never comes from a deny', () => {
    fc.assert(
      fc.property(roles, labels, fc.constantFrom('joe', 'root', 'eve'), (list, given, login) => {
        const named = list.map((one, at) => role(`r${at}`, one.allow, one.deny));
        const set = access(named, { logins: ['eve'] });
        const target = { name: 'n', labels: given };
        const request: TargetRequest = { kind: 'node', target, login };
        const { allowed, reasons } = decideTarget(set, request);
        const outcomes = judgeRoles(set, request).map(({ outcome }) => outcome);
        expect(allowed).toBe(!outcomes.includes('denies') && outcomes.includes('allows'));
        expect(reasons.length).toBeGreaterThan(0);
        expect(filterNodes([target], set).length === 1).toBe(isVisible(set, 'node', target));
        if (allowed) expect(isVisible(set, 'node', target)).toBe(true);
        const offered = grantedNames(set, 'logins', { kind: 'node', target }).values;
        expect(offered.includes(login)).toBe(allowed);
        const fewer = access(
          named.map((one) => ({ ...one, deny: {} })),
          { logins: ['eve'] },
        );
        if (allowed) expect(decideTarget(fewer, request).allowed).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
