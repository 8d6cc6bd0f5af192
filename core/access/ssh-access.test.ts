// The question of every login as a table: what refuses, in which order, with which words for the person and for admins.
import { describe, expect, it } from 'vitest';
import { RELAY_NODE_EXTENSION } from '../api/relay.ts';
import { compileAccess } from './compile.ts';
import type { RoleOptions } from './role.ts';
import type { SshGrant } from '../certs/ssh/verify.ts';
import type { UserIdentity } from '../identity.ts';
import { decideAccess, type AccessGround, type AccessQuestion } from './ssh-access.ts';
import { IDLE_MESSAGE } from './session-ground.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const ENDS = NOW + 3_600_000;
const identity: UserIdentity = {
  kind: 'user',
  cluster: 'test.example.com',
  name: 'joe',
  roles: ['dev'],
  traits: {},
  logins: [],
  session_expires: '2026-03-02T00:00:00Z',
};
const grantWith = (extensions: Record<string, string>): SshGrant =>
  ({
    certificate: {
      principals: ['deploy'],
      validBefore: ENDS,
      extensions: new Map(Object.entries(extensions)),
    },
  }) as unknown as SshGrant;
const grant = grantWith({});
const question: AccessQuestion = { identity, grant, login: 'deploy', remoteIp: '203.0.113.9' };

function accessWith(options: RoleOptions, logins = ['deploy']): AccessGround['access'] {
  const allow = { logins, node_labels: { env: ['test'] } };
  return compileAccess([{ name: 'dev', allow, deny: {}, options }], {
    name: 'joe',
    roles: ['dev'],
    traits: {},
  });
}

const ground: AccessGround = {
  hostId: 'node-1',
  clusterName: 'test.example.com',
  labels: { env: 'test' },
  now: NOW,
  access: accessWith({}),
  locks: [],
  locksAsOf: NOW,
  preference: { require_session_mfa: false, locking_mode: 'best_effort', disconnect_expired_cert: false },
  networking: { client_idle_timeout: '0s' },
};

describe('allowed', () => {
  it('ok: with the options of the roles and no end by time', () => {
    expect(decideAccess(question, ground)).toMatchObject({
      allowed: true,
      roles: ['dev'],
      lockMode: 'best_effort',
      idleMessage: IDLE_MESSAGE,
    });
    expect(decideAccess(question, ground)).not.toHaveProperty('endsAt');
    expect(decideAccess(question, ground)).not.toHaveProperty('idleMs');
  });

  it('S13 ok: what a proxy relays ends with the certificate of the person, not with its own short one', () => {
    const ends = new Date(NOW + 7_200_000).toISOString();
    const relayed = {
      ...question,
      identity: { ...question.identity, session_expires: ends },
      grant: grantWith({ [RELAY_NODE_EXTENSION]: 'node-1' }),
    };
    const endless = { ...ground, access: accessWith({ disconnect_expired_cert: true }) };
    expect(decideAccess(relayed, endless)).toMatchObject({ endsAt: NOW + 7_200_000 });
  });

  it.each<[string, Partial<AccessGround>, object]>([
    [
      'the role ends it with the certificate',
      { access: accessWith({ disconnect_expired_cert: true }) },
      { endsAt: ENDS },
    ],
    [
      'the cluster ends it with the certificate',
      { preference: { ...ground.preference, disconnect_expired_cert: true } },
      { endsAt: ENDS },
    ],
    ['the cluster ends idle ones', { networking: { client_idle_timeout: '10m' } }, { idleMs: 600_000 }],
    [
      'the role ends idle ones, whatever the cluster says',
      { access: accessWith({ client_idle_timeout: '1h' }), networking: { client_idle_timeout: '10m' } },
      { idleMs: 3_600_000 },
    ],
    [
      'the message of the cluster',
      { networking: { client_idle_timeout: '1m', client_idle_timeout_message: 'bye' } },
      { idleMessage: 'bye' },
    ],
    ['the role minds locks', { access: accessWith({ lock: 'strict' }) }, { lockMode: 'strict' }],
    ['locks on others', { locks: [{ name: 'l', target: { user: 'ada' } }] }, { allowed: true }],
    ['old locks in best-effort mode', { locksAsOf: 0 }, { allowed: true }],
  ])('ok: %s', (_, more, expected) => {
    expect(decideAccess(question, { ...ground, ...more })).toMatchObject(expected);
  });
});

describe('refused', () => {
  const cases: readonly [string, Partial<AccessQuestion>, Partial<AccessGround>, string, RegExp | string][] =
    [
      [
        'S11 another cluster',
        { identity: { ...identity, cluster: 'other' } },
        {},
        'ACCESS_DENIED',
        /"other"/,
      ],
      [
        'S8 a certificate for databases',
        { identity: { ...identity, usage: 'db' } },
        {},
        'ACCESS_DENIED',
        /only.*db/,
      ],
      [
        'S13 another address than the pinned one',
        { identity: { ...identity, pinned_ip: '198.51.100.7' } },
        {},
        'ACCESS_DENIED',
        /pinned to "198.51.100.7"/,
      ],
      ['a lock', {}, { locks: [{ name: 'l7', target: { user: 'joe' }, message: 'no' }] }, 'LOCKED', /"l7"/],
      [
        'a lock on whoever asked for the certificate',
        { identity: { ...identity, impersonator: 'boss' } },
        { locks: [{ name: 'l7', target: { user: 'boss' } }] },
        'LOCKED',
        /"l7"/,
      ],
      [
        'S1 a login that is not in the certificate',
        { login: 'root' },
        {},
        'ACCESS_DENIED',
        /not for the login "root"/,
      ],
      [
        'a login that the roles do not give, though the certificate does',
        {},
        { access: accessWith({}, ['other']) },
        'ACCESS_DENIED',
        /nothing allows/,
      ],
      ['labels that no role selects', {}, { labels: { env: 'prod' } }, 'ACCESS_DENIED', /nothing allows/],
      [
        'roles that cannot be used',
        {},
        { access: { unusable: 'role dev is broken' } },
        'ACCESS_DENIED',
        /broken/,
      ],
      [
        'S16 old locks in strict mode',
        {},
        { locksAsOf: NOW - 300_001, preference: { ...ground.preference, locking_mode: 'strict' } },
        'UNAVAILABLE',
        /not up to date/,
      ],
      [
        'a second factor for each session, by a role',
        {},
        { access: accessWith({ require_session_mfa: true }) },
        'NOT_SUPPORTED',
        /require_session_mfa/,
      ],
      [
        'a second factor for each session, by the cluster',
        {},
        { preference: { ...ground.preference, require_session_mfa: 'hardware_key' } },
        'NOT_SUPPORTED',
        /require_session_mfa/,
      ],
      [
        'trusted devices only',
        {},
        { access: accessWith({ device_trust_mode: 'required' }) },
        'NOT_SUPPORTED',
        /device_trust/,
      ],
    ];
  it.each(cases)('refuses: %s', (_, asked, more, code, reason) => {
    const verdict = decideAccess({ ...question, ...asked }, { ...ground, ...more });
    if (verdict.allowed) throw new Error('it was allowed');
    expect(verdict.code).toBe(code);
    expect(verdict.reasons.join('; ')).toMatch(reason);
    // Reasons are for admins, except where the person can do something about it.
    if (code === 'ACCESS_DENIED') expect(verdict.message).toBe('access denied');
  });

  it('ok: a lock that has expired holds nobody', () => {
    const locks = [{ name: 'l', target: { user: 'joe' }, expires: NOW }];
    expect(decideAccess(question, { ...ground, locks }).allowed).toBe(true);
  });
});
