// Roles for databases and applications: the documented ones, and whose name one with create_db_user_mode grants, and where.
import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { decideTarget } from '#core/access/decide.ts';
import { parseResource } from '#core/kind.ts';
import { problemsOf } from '#test/kit/resources.ts';
import { accessRoleOf, roleKind } from './kind.ts';

const role = (
  name: string,
  allow: object,
  options: object = {},
  deny: object = {},
  version = 'v7',
): object => ({
  kind: 'role',
  version,
  metadata: { name },
  spec: { allow, deny, options },
});
const access = (...roles: readonly object[]): AccessSet =>
  compileAccess(
    roles.map((one) => accessRoleOf(parseResource(roleKind, one))),
    { name: 'joe', roles: [], traits: {} },
  );
const target = { name: 'orders', labels: { env: 'prod' } };
const may = (set: AccessSet, user: string, makesUsers = true, database: string | null = 'shop'): boolean =>
  decideTarget(set, { kind: 'db', target, user, database, makesUsers }).allowed;
const ANY = { db_labels: { '*': '*' }, db_names: ['*'] };

describe('accounts that are made', () => {
  it.each(['keep', 'best_effort_drop'])('ok: mode %s grants the own name, and no other', (mode) => {
    const set = access(role('maker', ANY, { create_db_user_mode: mode }));
    expect(may(set, 'joe')).toBe(true);
    expect(may(set, 'ann')).toBe(false);
    expect(may(set, 'Joe')).toBe(false);
    expect(may(set, 'joe', false)).toBe(false);
  });

  it('ok: the older switch is the same', () => {
    expect(may(access(role('maker', ANY, { create_db_user: true })), 'joe')).toBe(true);
  });

  it('refuses: where the mode is off, the labels or the database do not fit, or a role denies the name', () => {
    const on = { create_db_user_mode: 'keep' };
    expect(may(access(role('off', ANY, { create_db_user_mode: 'off' })), 'joe')).toBe(false);
    expect(may(access(role('off', ANY, { create_db_user_mode: '' })), 'joe')).toBe(false);
    expect(may(access(role('stage', { ...ANY, db_labels: { env: 'stage' } }, on)), 'joe')).toBe(false);
    expect(may(access(role('one', { ...ANY, db_names: ['other'] }, on)), 'joe')).toBe(false);
    expect(may(access(role('maker', ANY, on), role('no', {}, {}, { db_users: ['joe'] })), 'joe')).toBe(false);
    // The role that makes accounts must itself select the database.
    const elsewhere = role('maker', { ...ANY, db_labels: { env: 'stage' } }, on);
    expect(may(access(elsewhere, role('names', ANY)), 'joe')).toBe(false);
  });
});

describe('roles as documented', () => {
  it('ok: any account of any database, in the oldest version', () => {
    const db = { db_labels: { '*': '*' }, db_names: ['*'], db_users: ['*'] };
    expect(may(access(role('db', db, {}, {}, 'v3')), 'alice', false, 'postgres')).toBe(true);
  });

  it('ok: one role of AWS, spelled out', () => {
    const arn = 'arn:aws:iam::123456789012:role/ExampleReadOnlyAccess';
    const set = access(
      role('aws-ro-access', { app_labels: { '*': '*' }, aws_role_arns: [arn] }, {}, {}, 'v5'),
    );
    const console = { name: 'awsconsole', labels: {} };
    expect(decideTarget(set, { kind: 'aws', target: console, roleArn: arn }).allowed).toBe(true);
    expect(decideTarget(set, { kind: 'aws', target: console, roleArn: `${arn}2` }).allowed).toBe(false);
  });

  it.each(['*', 'arn:aws:iam::123456789012:role/*', 'arn:aws:iam::*:role/x', 'not-an-arn'])(
    'refuses: %s as a role of AWS',
    (arn) => {
      const [problem] = problemsOf(roleKind, role('r', { app_labels: { '*': '*' }, aws_role_arns: [arn] }));
      expect(problem).toContain('spec.allow.aws_role_arns[0]: ');
    },
  );
});
