import { describe, expect, it } from 'vitest';
import { compileAccess } from './compile.ts';
import { explainAccess } from './explain.ts';
import type { AccessRole } from './role.ts';

const ANY = { '*': ['*'] };
const role = (name: string, allow: AccessRole['allow'], deny: AccessRole['deny'] = {}): AccessRole => ({
  name,
  allow,
  deny,
  options: {},
});
const set = compileAccess(
  [
    role('silent', { node_labels: { env: ['dev'] }, logins: ['joe'] }),
    role('grants', { node_labels: ANY, logins: ['joe'], rules: [{ resources: ['role'], verbs: ['read'] }] }),
    role('denies', {}, { node_labels: { env: ['prod'] }, rules: [{ resources: ['user'], verbs: ['*'] }] }),
  ],
  { name: 'joe', roles: ['silent', 'grants', 'denies'], traits: {} },
);
const prod = { name: 'web-1', labels: { env: 'prod' } };
const stage = { name: 'web-2', labels: { env: 'stage' } };

describe('R20 explaining', () => {
  it('ok: a denial lists every role, who decided first', () => {
    const found = explainAccess(set, { access: { target: { kind: 'node', target: prod, login: 'joe' } } });
    expect(found.allowed).toBe(false);
    expect(found.summary).toBe('role denies denies the server "web-1" by its labels (deny.node_labels: env)');
    expect(found.roles.map(({ role, outcome }) => [role, outcome])).toEqual([
      ['denies', 'denies'],
      ['grants', 'allows'],
      ['silent', 'silent'],
    ]);
    expect(found.reasons.map(({ role }) => role)).toEqual(['denies', 'grants', 'silent']);
  });

  it('ok: an allow carries the options and the silent roles', () => {
    const found = explainAccess(set, { access: { target: { kind: 'node', target: stage, login: 'joe' } } });
    expect(found).toMatchObject({ allowed: true, options: { forwardAgent: false } });
    expect(found.summary).toContain('role grants allows the server "web-2"');
    expect(found.reasons).toHaveLength(3);
  });

  it('ok: rules', () => {
    const ask = (kind: string) => explainAccess(set, { access: { resource: { kind, verb: 'read' } } });
    expect(ask('role')).toMatchObject({
      allowed: true,
      summary: 'role grants allows read on role (allow.rules[0])',
    });
    expect(ask('user')).toMatchObject({
      allowed: false,
      summary: 'role denies denies read on user (deny.rules[0])',
    });
    expect(ask('token').roles.map(({ outcome }) => outcome)).toEqual(['silent', 'silent', 'silent']);
  });

  it('ok: a lock comes before everything', () => {
    const found = explainAccess(set, {
      access: { target: { kind: 'node', target: stage, login: 'joe' } },
      locks: {
        all: [{ name: 'l-1', target: { user: 'joe' }, message: 'gone' }],
        subject: { user: 'joe' },
        now: 0,
      },
    });
    expect(found).toMatchObject({ allowed: false, summary: 'the lock l-1 is in force: gone' });
    expect(found.reasons[0]).toMatchObject({ field: 'lock', on: 'l-1' });
    expect(found.reasons.length).toBeGreaterThan(1);
  });
});
