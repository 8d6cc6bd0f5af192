import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { compileAccess } from '#core/access/compile.ts';
import { decideTarget, grantedNames } from '#core/access/decide.ts';
import { decideResource } from '#core/access/rules.ts';
import { parseResource } from '#core/kind.ts';
import { formatProblem } from '#core/schema/check.ts';
import { KINDS } from '../all.ts';
import { exampleOf, problemsOf, readerOf } from '#test/kit/resources.ts';
import { accessRoleOf, roleKind, type Role } from './kind.ts';
import { RESOURCE_WORDS, singularOf } from './resource-words.ts';

const role = (spec: object, more: object = {}): object => ({
  kind: 'role',
  version: 'v7',
  metadata: { name: 'r' },
  spec,
  ...more,
});
const read = (document: object): Role => parseResource(roleKind, document);
const fromYaml = (text: string): Role => read(parse(text) as object);

describe('role', () => {
  it('ok: the example, with its columns', () => {
    const [example] = exampleOf('role', roleKind) as Role[];
    expect(roleKind.columns.map((column) => column.value(example!))).toEqual([
      'developer',
      '{{internal.logins}},deploy',
      'env=staging|dev,region=us-*',
      'session:list|read',
    ]);
    const set = compileAccess([accessRoleOf(example!)], {
      name: 'joe',
      roles: ['developer'],
      traits: { logins: ['joe', 'root'], teams: ['pay'], email: ['joe@example.com'] },
    });
    const db = { name: 'pay-db', labels: { team: 'pay' } };
    expect(grantedNames(set, 'logins').values).toEqual(['joe', 'deploy']);
    expect(decideTarget(set, { kind: 'db', target: db, user: 'joe', database: 'x' }).allowed).toBe(true);
    expect(
      decideTarget(set, { kind: 'db', target: { ...db, labels: {} }, user: 'joe', database: 'x' }).allowed,
    ).toBe(false);
  });

  it.each([
    [
      'the role of the AWS guide',
      'kind: role\nversion: v5\nmetadata:\n  name: aws-ro-access\nspec:\n  allow:\n    app_labels:\n      "*": "*"\n    aws_role_arns:\n    - arn:aws:iam::AWS_ACCOUNT:role/ExampleReadOnlyAccess\n',
    ],
    [
      'the role of the database guide',
      'kind: role\nversion: v3\nmetadata:\n  name: db\nspec:\n  allow:\n    db_labels:\n      "*": "*"\n    db_names:\n    - "*"\n    db_users:\n    - "*"\n',
    ],
    [
      'the role of access monitoring, without a version',
      'kind: role\nmetadata:\n  name: my-role\nspec:\n  allow:\n    rules:\n    - resources:\n      - security_report\n      - audit_query\n      verbs:\n      - list\n      - read\n      - use\n',
    ],
    ['a role without a spec part', 'kind: role\nmetadata: {name: empty}\nspec: {}\n'],
    [
      'words of older YAML',
      'kind: role\nmetadata: {name: words}\nspec:\n  options:\n    disconnect_expired_cert: no\n    forward_agent: yes\n    client_idle_timeout: never\n    require_session_mfa: on\n    record_session: {default: off, desktop: true}\n    port_forwarding: {remote: {enabled: false}}\n  allow:\n    logins: root\n    namespaces: [default]\n',
    ],
    [
      'asking, reviewing, joining, impersonating',
      `kind: role
metadata: {name: all}
spec:
  options:
    cert_extensions: [{type: ssh, mode: extension, name: login@github.com, value: "{{ external.github_login }}"}]
  allow:
    impersonate:
      users: ['*']
      roles: ['jenkins', '{{external.bots}}']
      where: >
        contains(user.spec.traits["group"], impersonate_role.metadata.labels["group"]) &&
        contains(user.spec.traits["group"], impersonate_user.metadata.labels["group"])
    review_requests: {roles: ['dbadmin', '{{regexp.match("^db-.*$")}}'], preview_as_roles: [dbadmin], where: 'contains(request.roles, "x")'}
    request:
      roles: ['common', 'dev-*', '{{regexp.not_match("^admin$")}}']
      search_as_roles: [access]
      thresholds: [{approve: 2, deny: 1, filter: 'contains(reviewer.roles, "x")'}]
      max_duration: 7d
      claims_to_roles: [{claim: projects, value: '^product-(.*)$', roles: ['$1-admin']}]
      annotations: {foo: [bar], groups: ['{{external.groups}}']}
    require_session_join: [{name: Auditor oversight, filter: 'contains(user.spec.roles, "auditor")', kinds: [k8s, ssh], modes: [moderator], count: 1, on_leave: terminate}]
    join_sessions: [{name: Auditor oversight, roles: [prod-access], kinds: [k8s, ssh], modes: [moderator, observer]}]
    kubernetes_resources: [{kind: '*', namespace: '*', name: '^nginx-[a-z0-9-]+$', verbs: ['*']}]
    kubernetes_users: ['IAM#{{external.foo}};']
    db_labels: {env: '{{regexp.replace(external.env, "^(staging)$", "$1")}}'}
    host_sudoers: ['ALL=(root) NOPASSWD: /usr/bin/systemctl restart *']
    host_groups: [docker, '{{external.groups}}']
  deny:
    logins: ['*']
`,
    ],
  ])('ok: %s', (_name, text) => {
    expect(
      compileAccess([accessRoleOf(fromYaml(text))], { name: 'joe', roles: [], traits: {} }).roles,
    ).toHaveLength(1);
  });

  it.each([
    [
      'a template in the name',
      role({}, { metadata: { name: 'a-{{external.x}}' } }),
      'metadata.name: must be a name',
    ],
    [
      'an unknown field',
      role({ allow: { login: ['x'] } }),
      'spec.allow.login: is not a known field; did you mean "logins"?',
    ],
    [
      'a comma in a login',
      role({ allow: { logins: ['root,joe'] } }),
      'spec.allow.logins[0]: must be a login of ASCII letters',
    ],
    ['a wildcard login', role({ allow: { logins: ['ok', '*'] } }), 'spec.allow.logins[1]: must not be "*"'],
    [
      'an option as a login',
      role({ allow: { logins: ['-{{external.x}}'] } }),
      'spec.allow.logins[0]: must be a login',
    ],
    ['a pattern of logins', role({ deny: { logins: ['root*'] } }), 'spec.deny.logins[0]: has a * inside'],
    [
      'an unknown trait',
      role({ allow: { logins: ['{{internal.login}}'] } }),
      'did you mean "internal.logins"',
    ],
    [
      'a wildcard ARN',
      role({ allow: { aws_role_arns: ['arn:aws:iam::123456789012:role/*'] } }),
      'spec.allow.aws_role_arns[0]: has a * inside',
    ],
    ['any ARN', role({ allow: { aws_role_arns: ['*'] } }), 'spec.allow.aws_role_arns[0]: must not be "*"'],
    ['what is no ARN', role({ allow: { aws_role_arns: ['admin'] } }), 'must be a role ARN such as'],
    [
      'a user ARN',
      role({ allow: { aws_role_arns: ['arn:aws:iam::123456789012:user/x'] } }),
      'must be a role ARN such as',
    ],
    [
      'a wildcard key with a value',
      role({ allow: { node_labels: { '*': 'prod' } } }),
      'spec.allow.node_labels["*"]: must be "*"',
    ],
    ['a pattern as a key', role({ allow: { node_labels: { 'team-*': 'x' } } }), 'labels_matching()'],
    [
      'a bad expression',
      role({ allow: { node_labels: { env: ['a', '^(b$'] } } }),
      'spec.allow.node_labels.env[1]: "^(b$" is not a regular expression',
    ],
    [
      'half an expression',
      role({ deny: { node_labels: { env: '^prod' } } }),
      'spec.deny.node_labels.env[0]: "^prod" starts with ^',
    ],
    [
      'an expression around a trait',
      role({ allow: { node_labels: { env: '^a-{{external.x}}$' } } }),
      'spec.allow.node_labels.env[0]: "^a-" starts with ^',
    ],
    ['a key without values', role({ allow: { node_labels: { env: [] } } }), 'must have at least one value'],
    [
      'a bad label expression',
      role({ allow: { node_labels_expression: 'labels["env"] = "x"' } }),
      'spec.allow.node_labels_expression: the expression does not expect "=" (line 1, column 15)',
    ],
    [
      'a bad where',
      role({
        allow: {
          rules: [{ resources: ['session'], verbs: ['read'], where: 'contains(session.participant, "x")' }],
        },
      }),
      'spec.allow.rules[0].where: the expression uses the unknown name "session.participant"; did you mean "session.participants"?',
    ],
    [
      'an unknown verb',
      role({ allow: { rules: [{ resources: ['role'], verbs: ['write'] }] } }),
      'spec.allow.rules[0].verbs[0]: must be one of list, create',
    ],
    [
      'a slip in a verb',
      role({ allow: { rules: [{ resources: ['role'], verbs: ['lst'] }] } }),
      'did you mean "list"?',
    ],
    [
      'no resources',
      role({ allow: { rules: [{ resources: [], verbs: ['list'] }] } }),
      'spec.allow.rules[0].resources: must name at least one',
    ],
    [
      'a kind in capitals',
      role({ allow: { rules: [{ resources: ['Role'], verbs: ['list'] }] } }),
      'spec.allow.rules[0].resources[0]: must be the name of a kind',
    ],
    [
      'S17 the plural of a kind, which would deny nothing',
      role({ deny: { rules: [{ resources: ['role', 'tokens'], verbs: ['*'] }] } }),
      'spec.deny.rules[0].resources[1]: must be the name of one kind; did you mean "token"?',
    ],
    [
      'a reserved extension',
      role({ options: { cert_extensions: [{ name: 'permit-port-forwarding' }] } }),
      'spec.options.cert_extensions[0].name: must not be',
    ],
    [
      'a bad matcher',
      role({ allow: { request: { roles: ['{{external.roles}}'] } } }),
      'spec.allow.request.roles[0]: only {{regexp.match',
    ],
    [
      'a group that is not there',
      role({ allow: { request: { claims_to_roles: [{ claim: 'c', value: '^a$', roles: ['$1'] }] } } }),
      'claims_to_roles[0].roles[0]: the replacement refers to group "1"',
    ],
    [
      'a bad Kubernetes name',
      role({ allow: { kubernetes_resources: [{ kind: 'pod', name: '^(' }] } }),
      'spec.allow.kubernetes_resources[0].name: ',
    ],
    [
      'a bad duration',
      role({ options: { max_session_ttl: 'soon' } }),
      'spec.options.max_session_ttl: must be a duration',
    ],
    ['a version of the future', role({}, { version: 'v99' }), 'version: must be one of v3'],
  ])('refuses: %s', (_name, document, says) => {
    expect(problemsOf(roleKind, document).join('\n')).toContain(says);
  });

  it('S33 refuses: patterns that are too large, at once', () => {
    const start = performance.now();
    for (const value of [`^${'(a{1000}){1000}'}$`, `^${'('.repeat(3000)}$`, `^${'.{999}'.repeat(50)}$`]) {
      expect(problemsOf(roleKind, role({ allow: { node_labels: { env: value } } }))).not.toEqual([]);
    }
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('ok: names of the prototype are refused as label keys', () => {
    const hostile = JSON.parse('{"allow":{"node_labels":{"__proto__":"x"}}}') as object;
    expect(problemsOf(roleKind, role(hostile))).not.toEqual([]);
  });

  it.each<[string, string, object, boolean[]]>([
    ['v3 servers follow the logins', 'v3', { logins: ['joe'] }, [true, false, false, false]],
    [
      'v3 databases follow the users',
      'v3',
      { db_users: ['joe'], db_names: ['*'] },
      [false, true, false, false],
    ],
    ['v3 clusters follow the groups', 'v3', { kubernetes_groups: ['g'] }, [false, false, true, false]],
    ['v3 applications are spelled out', 'v3', { logins: ['joe'] }, [true, false, false, false]],
    [
      'v3 labels that are set hold',
      'v3',
      { logins: ['joe'], node_labels: { env: 'x' } },
      [false, false, false, false],
    ],
    [
      'v3 a set expression holds',
      'v3',
      { logins: ['joe'], node_labels_expression: 'labels["env"] == "x"' },
      [false, false, false, false],
    ],
    [
      'v4 selects nothing by itself',
      'v4',
      { logins: ['joe'], db_users: ['*'], db_names: ['*'], kubernetes_groups: ['g'] },
      [false, false, false, false],
    ],
    ['v7 selects nothing by itself', 'v7', { logins: ['joe'] }, [false, false, false, false]],
  ])('ok: %s', (_name, version, allow, expected) => {
    const set = compileAccess([accessRoleOf(read(role({ allow }, { version })))], {
      name: 'joe',
      roles: [],
      traits: {},
    });
    const target = { name: 't', labels: { env: 'prod' } };
    expect([
      decideTarget(set, { kind: 'node', target, login: 'joe' }).allowed,
      decideTarget(set, { kind: 'db', target, user: 'joe', database: 'd' }).allowed,
      decideTarget(set, { kind: 'kube', target, users: [], groups: ['g'] }).allowed,
      decideTarget(set, { kind: 'app', target }).allowed,
    ]).toEqual(expected);
  });

  it.each([
    ['v3', [{ kind: 'pod', name: '*', namespace: '*', verbs: ['*'] }]],
    ['v6', []],
    ['v7', [{ kind: '*', name: '*', namespace: '*', verbs: ['*'] }]],
  ])('ok: %s has its own Kubernetes objects', (version, objects) => {
    expect(accessRoleOf(read(role({}, { version }))).allow.kubernetes_resources).toEqual(objects);
  });

  it('refuses: deleting a role that somebody holds', () => {
    const held = read(role({}));
    const user = { kind: 'user', version: 'v2', metadata: { name: 'joe' }, spec: { roles: ['r'] } };
    const problems = roleKind.checkDelete?.(held, readerOf([user])) ?? [];
    expect(problems.map(formatProblem)).toEqual([
      'metadata.name: is held by the user joe; take the role from them first',
    ]);
    expect(roleKind.checkDelete?.(held, readerOf([]))).toEqual([]);
  });

  it('ok: access monitoring needs what the documents say', () => {
    const set = compileAccess(
      [
        accessRoleOf(
          fromYaml(
            'kind: role\nmetadata: {name: m}\nspec: {allow: {rules: [{resources: [security_report, audit_query], verbs: [list, read, use]}]}}',
          ),
        ),
      ],
      { name: 'joe', roles: [], traits: {} },
    );
    expect(decideResource(set, { kind: 'audit_query', verb: 'use' }).allowed).toBe(true);
    expect(decideResource(set, { kind: 'event', verb: 'read' }).allowed).toBe(false);
  });
});

it('ok: the words of rules hold every kind that rules can speak of', () => {
  const kinds = KINDS.filter(({ audience }) => audience !== 'internal').map(({ name }) => name);
  expect(kinds.filter((name) => !RESOURCE_WORDS.has(name))).toEqual([]);
  expect(singularOf('cert_authorities')).toBe('cert_authority');
  expect(singularOf('network_restrictions')).toBeUndefined();
  expect(singularOf('something_newer')).toBeUndefined();
});
