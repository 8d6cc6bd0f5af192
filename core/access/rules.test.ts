import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from './compile.ts';
import { decideImpersonation } from './impersonate.ts';
import type { Conditions, Rule } from './role.ts';
import { couldAllow, decideResource, dependsOnResource, type ResourceRequest, type Verb } from './rules.ts';

const set = (...sides: { allow?: Conditions; deny?: Conditions }[]): AccessSet =>
  compileAccess(
    sides.map(({ allow = {}, deny = {} }, at) => ({ name: `r${at}`, allow, deny, options: {} })),
    { name: 'joe', roles: ['dev'], traits: { group: ['ci'] } },
  );
const rules = (...list: Rule[]): Conditions => ({ rules: list });
const rule = (resources: string, verbs: string, where?: string): Rule => ({
  resources: resources.split(','),
  verbs: verbs.split(','),
  where,
});
const ask = (access: AccessSet, kind: string, verb: Verb, more: Partial<ResourceRequest> = {}): boolean =>
  decideResource(access, { kind, verb, ...more }).allowed;

describe('rules', () => {
  it.each<[string, AccessSet, string, Verb, boolean]>([
    ['a listed verb', set({ allow: rules(rule('role', 'list,read')) }), 'role', 'read', true],
    ['another verb', set({ allow: rules(rule('role', 'list,read')) }), 'role', 'update', false],
    ['another kind', set({ allow: rules(rule('role', '*')) }), 'user', 'read', false],
    ['no rules', set({}), 'role', 'list', false],
    ['no roles', set(), 'role', 'list', false],
    ['everything', set({ allow: rules(rule('*', '*')) }), 'user', 'delete', true],
    [
      'deny wins',
      set({ allow: rules(rule('*', '*')) }, { deny: rules(rule('role', 'delete')) }),
      'role',
      'delete',
      false,
    ],
    [
      'deny of another verb',
      set({ allow: rules(rule('*', '*')) }, { deny: rules(rule('role', 'delete')) }),
      'role',
      'read',
      true,
    ],
    [
      'deny of everything',
      set({ allow: rules(rule('*', '*')) }, { deny: rules(rule('*', '*')) }),
      'role',
      'read',
      false,
    ],
    [
      'connectors of every kind',
      set({ allow: rules(rule('auth_connector', 'read')) }),
      'github',
      'read',
      true,
    ],
    [
      'denied connectors',
      set({ allow: rules(rule('*', '*')), deny: rules(rule('auth_connector', '*')) }),
      'saml',
      'read',
      false,
    ],
    [
      'read gives readnosecrets',
      set({ allow: rules(rule('token', 'read')) }),
      'token',
      'readnosecrets',
      true,
    ],
    [
      'readnosecrets does not give read',
      set({ allow: rules(rule('token', 'readnosecrets')) }),
      'token',
      'read',
      false,
    ],
    [
      'a denied readnosecrets denies read',
      set({ allow: rules(rule('*', '*')), deny: rules(rule('token', 'readnosecrets')) }),
      'token',
      'read',
      false,
    ],
    [
      'use of reports',
      set({ allow: rules(rule('security_report,audit_query', 'list,read,use')) }),
      'audit_query',
      'use',
      true,
    ],
    ['names of the prototype', set({ allow: rules(rule('role', 'read')) }), 'constructor', 'read', false],
    ['case of kinds', set({ allow: rules(rule('role', 'read')) }), 'Role', 'read', false],
  ])('ok: %s', (_name, access, kind, verb, allowed) => {
    expect(ask(access, kind, verb)).toBe(allowed);
    expect(decideResource(access, { kind, verb }).reasons.length).toBeGreaterThan(0);
  });

  it('ok: own sessions only', () => {
    const access = set({
      allow: rules(rule('session', 'list,read', 'contains(session.participants, user.metadata.name)')),
    });
    expect(ask(access, 'session', 'read', { session: { participants: ['joe'] } })).toBe(true);
    expect(ask(access, 'session', 'read', { session: { participants: ['ann'] } })).toBe(false);
    expect(ask(access, 'session', 'read')).toBe(false);
    expect(couldAllow(access, 'session', 'read')).toBe(true);
    expect(dependsOnResource(access, 'session', 'list')).toBe(true);
    expect(dependsOnResource(access, 'session', 'delete')).toBe(false);
    expect(couldAllow(access, 'session', 'delete')).toBe(false);
  });

  it("ok: everybody else's sessions denied", () => {
    const access = set({
      allow: rules(rule('session_tracker', '*')),
      deny: rules(
        rule('session_tracker', 'list,read', '!contains(session_tracker.participants, user.metadata.name)'),
      ),
    });
    expect(ask(access, 'session_tracker', 'read', { session: { participants: ['joe'] } })).toBe(true);
    expect(ask(access, 'session_tracker', 'read', { session: { participants: ['ann'] } })).toBe(false);
    expect(couldAllow(access, 'session_tracker', 'read')).toBe(true);
  });

  it('S17 a deny without condition leaves nothing to list', () => {
    const access = set({ allow: rules(rule('*', '*')), deny: rules(rule('role', '*')) });
    expect(couldAllow(access, 'role', 'list')).toBe(false);
  });

  it('ok: reasons name role, rule and condition', () => {
    const access = set({
      allow: rules(rule('user', 'read'), rule('session', 'read', 'equals(session.user, "ann")')),
    });
    expect(decideResource(access, { kind: 'session', verb: 'read' }).reasons.map(({ text }) => text)).toEqual(
      [
        'no rule allows read on session; roles of the user: r0',
        'role r0 does not allow read on session here: allow.rules[1].where is false',
      ],
    );
    expect(decideResource(access, { kind: 'user', verb: 'read' }).reasons[0]).toMatchObject({
      role: 'r0',
      side: 'allow',
      field: 'rules[0]',
    });
  });
});

describe('impersonation', () => {
  const robot = { name: 'jenkins', labels: { group: 'ci' } };
  const role = (name: string, group = 'ci') => ({ name, labels: { group } });
  const may = (
    access: AccessSet,
    user: { name: string; labels?: Record<string, string> },
    roles: ReturnType<typeof role>[],
  ): boolean => decideImpersonation(access, { user, roles }).allowed;
  const where =
    'contains(user.spec.traits["group"], impersonate_role.metadata.labels["group"]) && contains(user.spec.traits["group"], impersonate_user.metadata.labels["group"])';

  it.each<[string, AccessSet, ReturnType<typeof role>[], boolean]>([
    [
      'user and role listed',
      set({ allow: { impersonate: { users: ['jenkins'], roles: ['jenkins'] } } }),
      [role('jenkins')],
      true,
    ],
    [
      'any user',
      set({ allow: { impersonate: { users: ['*'], roles: ['jenkins'] } } }),
      [role('jenkins')],
      true,
    ],
    [
      'one role too many',
      set({ allow: { impersonate: { users: ['*'], roles: ['jenkins'] } } }),
      [role('jenkins'), role('admin')],
      false,
    ],
    ['users only', set({ allow: { impersonate: { users: ['*'] } } }), [role('jenkins')], false],
    ['roles only', set({ allow: { impersonate: { roles: ['*'] } } }), [role('jenkins')], false],
    ['no condition', set({}), [role('jenkins')], false],
    ['no roles asked for', set({ allow: { impersonate: { users: ['*'], roles: ['*'] } } }), [], false],
    [
      'two roles that only together cover it',
      set(
        { allow: { impersonate: { users: ['*'], roles: ['a'] } } },
        { allow: { impersonate: { users: ['*'], roles: ['b'] } } },
      ),
      [role('a'), role('b')],
      false,
    ],
    [
      'a condition that holds',
      set({ allow: { impersonate: { users: ['*'], roles: ['*'], where } } }),
      [role('jenkins')],
      true,
    ],
    [
      'a condition that fails for one role',
      set({ allow: { impersonate: { users: ['*'], roles: ['*'], where } } }),
      [role('jenkins'), role('x', 'other')],
      false,
    ],
    [
      'a denied role',
      set(
        { allow: { impersonate: { users: ['*'], roles: ['*'] } } },
        { deny: { impersonate: { roles: ['adm*'] } } },
      ),
      [role('jenkins'), role('admin')],
      false,
    ],
    [
      'a denied user',
      set(
        { allow: { impersonate: { users: ['*'], roles: ['*'] } } },
        { deny: { impersonate: { users: ['jenkins'] } } },
      ),
      [role('jenkins')],
      false,
    ],
    [
      'a trait as user',
      set({ allow: { impersonate: { users: ['{{external.bots}}'], roles: ['*'] } } }),
      [role('jenkins')],
      false,
    ],
  ])('S18 %s', (_name, access, roles, allowed) => {
    expect(may(access, robot, roles)).toBe(allowed);
  });
});
