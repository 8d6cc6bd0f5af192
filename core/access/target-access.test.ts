// Who may reach a target, with everything else that can refuse: certificates for something else, locks, age of locks, what
// cannot be checked.
import { describe, expect, it } from 'vitest';
import type { UserIdentity } from '../identity.ts';
import { compileAccess } from './compile.ts';
import type { SessionGround } from './session-ground.ts';
import {
  decideTargetAccess,
  targetMisuse,
  type RoutedRequest,
  type TargetQuestion,
} from './target-access.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;
const identity: UserIdentity = {
  kind: 'user',
  cluster: 'test.example.com',
  name: 'joe',
  roles: ['dba'],
  traits: {},
  logins: [],
  session_expires: '2026-01-01T08:00:00Z',
  usage: 'db',
  route_to_database: { service: 'orders', protocol: 'postgres' },
};
const request: RoutedRequest = {
  kind: 'db',
  target: { name: 'orders', labels: { env: 'test' } },
  user: 'alice',
  database: 'main',
};
const role = {
  name: 'dba',
  allow: {
    db_labels: { env: ['test'] },
    db_users: ['alice', 'bob'],
    db_names: ['main'],
    app_labels: { env: ['test'] },
    aws_role_arns: ['arn:aws:iam::123456789012:role/reader'],
  },
  deny: {},
  options: {},
};
const access = (more: object = {}): SessionGround['access'] =>
  compileAccess([{ ...role, ...more }], { name: 'joe', roles: ['dba'], traits: {} });
const ground = (more: Partial<SessionGround> = {}): SessionGround => ({
  hostId: 'host-1',
  clusterName: 'test.example.com',
  now: NOW,
  access: access(),
  locks: [],
  locksAsOf: NOW,
  preference: { require_session_mfa: false, locking_mode: 'best_effort', disconnect_expired_cert: false },
  networking: { client_idle_timeout: 'never' },
  ...more,
});
const question = (more: Partial<TargetQuestion> = {}): TargetQuestion => ({
  identity,
  request,
  remoteIp: '192.0.2.7',
  validBefore: NOW + HOUR,
  ...more,
});
const withRoute = (more: object): UserIdentity => ({ ...identity, ...more });

describe('admission', () => {
  it('S16 ok: it ends with the certificate, whatever the settings say of SSH', () => {
    expect(decideTargetAccess(question(), ground())).toMatchObject({
      allowed: true,
      roles: ['dba'],
      endsAt: NOW + HOUR,
    });
  });

  it('ok: the idle time of the cluster, or of a role', () => {
    const networking = { client_idle_timeout: '10m', client_idle_timeout_message: 'go on' };
    const cluster = decideTargetAccess(question(), ground({ networking }));
    expect(cluster).toMatchObject({ idleMs: 600_000, idleMessage: 'go on' });
    const own = ground({ networking, access: access({ options: { client_idle_timeout: '1m' } }) });
    expect(decideTargetAccess(question(), own)).toMatchObject({ idleMs: 60_000 });
  });

  it('ok: a role of AWS that the certificate is for', () => {
    const roleArn = 'arn:aws:iam::123456789012:role/reader';
    const app = withRoute({
      usage: 'app',
      route_to_database: undefined,
      route_to_app: { name: 'aws', public_addr: '', session_id: 'x', aws_role_arn: roleArn },
    });
    const aws: RoutedRequest = { kind: 'aws', target: { name: 'aws', labels: { env: 'test' } }, roleArn };
    expect(decideTargetAccess(question({ identity: app, request: aws }), ground()).allowed).toBe(true);
    const other = { ...aws, roleArn: 'arn:aws:iam::123456789012:role/admin' };
    expect(decideTargetAccess(question({ identity: app, request: other }), ground())).toMatchObject({
      code: 'ACCESS_DENIED',
      reasons: [expect.stringContaining('for the AWS role')],
    });
  });
});

describe('S8 certificates for something else', () => {
  it.each([
    ['no usage', { usage: undefined }, 'not for targets'],
    ['another usage', { usage: 'kube' }, 'only be used for kube'],
    [
      'an application',
      { usage: 'app', route_to_app: { name: 'orders', public_addr: '', session_id: 'x' } },
      'only be used for app',
    ],
    ['no route', { route_to_database: undefined }, 'for "nothing"'],
    ['another database', { route_to_database: { service: 'stock', protocol: 'postgres' } }, 'for "stock"'],
    [
      'another account',
      { route_to_database: { service: 'orders', protocol: 'postgres', username: 'bob' } },
      'database user "bob"',
    ],
    [
      'another case of it',
      { route_to_database: { service: 'orders', protocol: 'postgres', username: 'Alice' } },
      'database user "Alice"',
    ],
    [
      'another database in it',
      { route_to_database: { service: 'orders', protocol: 'postgres', database: 'x' } },
      'the database "x"',
    ],
    ['another cluster', { cluster: 'other' }, 'of the cluster "other"'],
    ['another address', { pinned_ip: '192.0.2.8' }, 'pinned to "192.0.2.8"'],
  ])('S8 refuses: %s', (_, more, reason) => {
    const verdict = decideTargetAccess(question({ identity: withRoute(more) }), ground());
    expect(verdict).toMatchObject({ allowed: false, code: 'ACCESS_DENIED', message: 'access denied' });
    expect(verdict).toHaveProperty('reasons', [expect.stringContaining(reason)]);
  });

  it('S8 refuses: a certificate whose time is over, to the millisecond', () => {
    expect(decideTargetAccess(question({ validBefore: NOW }), ground()).allowed).toBe(false);
    expect(decideTargetAccess(question({ validBefore: NOW + 1 }), ground()).allowed).toBe(true);
  });

  it('ok: a proxy asks by the name alone', () => {
    expect(targetMisuse(identity, 'db', 'orders')).toBeUndefined();
    expect(targetMisuse(identity, 'db', 'Orders')).toContain('not for "Orders"');
    expect(targetMisuse(identity, 'app', 'orders')).toContain('only be used for db');
  });
});

describe('refusals', () => {
  it.each([
    [{ user: 'joe' }],
    [{ role: 'dba' }],
    [{ login: 'alice' }],
    [{ server_id: 'host-1' }],
    [{ user: 'joe', login: 'alice' }],
  ])('S16 refuses: a lock on %j', (target) => {
    const locks = [{ name: 'l', target, message: 'on leave' }];
    expect(decideTargetAccess(question(), ground({ locks }))).toMatchObject({
      code: 'LOCKED',
      message: 'on leave',
    });
  });

  it('refuses: what no role grants, and says why to admins alone', () => {
    const asked = { ...request, user: 'root' } as RoutedRequest;
    const verdict = decideTargetAccess(question({ request: asked }), ground());
    expect(verdict).toMatchObject({ code: 'ACCESS_DENIED', message: 'access denied' });
    const broken = ground({ access: { unusable: 'role dba is broken' } });
    expect(decideTargetAccess(question(), broken)).toMatchObject({ reasons: ['role dba is broken'] });
  });

  it('refuses: old locks where they count, and what cannot be checked', () => {
    const old = ground({ locksAsOf: NOW - HOUR });
    expect(decideTargetAccess(question(), old).allowed).toBe(true);
    const strict = { ...old, preference: { ...old.preference, locking_mode: 'strict' as const } };
    expect(decideTargetAccess(question(), strict)).toMatchObject({ code: 'UNAVAILABLE' });
    const mfa = ground({ access: access({ options: { require_session_mfa: true } }) });
    expect(decideTargetAccess(question(), mfa)).toMatchObject({ code: 'NOT_SUPPORTED' });
    const device = ground({ access: access({ options: { device_trust_mode: 'required' } }) });
    expect(decideTargetAccess(question(), device)).toMatchObject({ code: 'NOT_SUPPORTED' });
  });
});
