import { describe, expect, it } from 'vitest';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import {
  BACKDATE_MS,
  forDatabase,
  forUser,
  pinnedTo,
  validUntil,
  withLogins,
  withPermits,
  withRoleExtensions,
  withSshIdentity,
} from './modifiers.ts';
import { makePlan, startPlan, type CertificatePlan, type Modifier, type Validator } from './plan.ts';
import {
  requireFittingAuthority,
  requireForeignKey,
  requirePrincipals,
  requireTtlWithin,
} from './validators.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;
const start = startPlan('user', { tls: generateKeyPair('ecdsa-p256').publicKey }, NOW);
const joe: UserIdentity = {
  kind: 'user',
  cluster: 'c',
  name: 'joe',
  roles: Array.from({ length: 40 }, (_, index) => `r${index}`),
  traits: {},
  logins: [],
  session_expires: '2026-01-01T12:00:00Z',
};
const off = { forwardAgent: false, portForwarding: { local: false, remote: false }, x11Forwarding: false };

describe('modifiers', () => {
  it.each<[string, Modifier, Partial<CertificatePlan>]>([
    [
      'validity begins a minute ago',
      validUntil(NOW + MINUTE),
      { validAfter: NOW - BACKDATE_MS, validBefore: NOW + MINUTE },
    ],
    [
      'a user is named in both, with a bounded list of roles',
      forUser(joe),
      { keyId: 'joe', commonName: 'joe', organization: joe.roles.slice(0, 32), usage: 'client' },
    ],
    ['logins are principals', withLogins(['a', 'b'], 'x'), { principals: ['a', 'b'] }],
    ['no login is an unusable principal', withLogins([], 'x'), { principals: ['-gatehouse-nologin-x'] }],
    ['a shell is always permitted', withPermits(off), { extensions: { 'permit-pty': '' } }],
    [
      'one direction of forwarding is enough for the permit',
      withPermits({ ...off, portForwarding: { local: false, remote: true } }),
      { extensions: { 'permit-pty': '', 'permit-port-forwarding': '' } },
    ],
    [
      'agent and X11 as permitted',
      withPermits({ ...off, forwardAgent: true, x11Forwarding: true }),
      { extensions: { 'permit-pty': '', 'permit-agent-forwarding': '', 'permit-X11-forwarding': '' } },
    ],
    [
      'a pin is a source address in its plain spelling',
      pinnedTo('2001:DB8:0:0::1'),
      { criticalOptions: { 'source-address': '2001:db8::1' } },
    ],
    ['no pin is nothing', pinnedTo(undefined), { criticalOptions: {} }],
    [
      "extensions of roles cannot be ours or OpenSSH's",
      withRoleExtensions(
        new Map([
          ['login@github.com', 'joe'],
          ['permit-pty', ''],
          ['gatehouse-identity@gatehouse.dev', 'x'],
        ]),
      ),
      { extensions: { 'login@github.com': 'joe' } },
    ],
    [
      'the identity is an extension',
      withSshIdentity(joe),
      { extensions: { 'gatehouse-identity@gatehouse.dev': JSON.stringify(joe) } },
    ],
    [
      'a database is named as its first host',
      forDatabase({ dnsNames: ['db'], ipAddresses: ['10.0.0.1'] }, 'c'),
      { commonName: 'db', organization: ['c'], usage: 'server' },
    ],
  ])('ok: %s', (_title, modify, expected) => {
    const before = structuredClone({ ...start, keys: undefined });
    expect(modify(start)).toMatchObject(expected);
    expect({ ...start, keys: undefined }).toEqual(before);
  });
});

describe('validators', () => {
  const withTtl = (ms: number): CertificatePlan => ({ ...start, validBefore: NOW + ms });
  const named = (...principals: string[]): CertificatePlan => ({ ...start, principals });
  const anyKey = { isOwnKey: () => true };
  const noKey = { isOwnKey: () => false };
  it.each<[string, Validator, CertificatePlan, string]>([
    ['ok: a minute', requireTtlWithin(2 * MINUTE), withTtl(MINUTE), 'ok'],
    ['ok: the longest', requireTtlWithin(2 * MINUTE), withTtl(2 * MINUTE), 'ok'],
    ['ok: a minute, rounded down to a second', requireTtlWithin(2 * MINUTE), withTtl(MINUTE - 999), 'ok'],
    ['refuses: less than a minute', requireTtlWithin(2 * MINUTE), withTtl(MINUTE - 1000), 'BAD_REQUEST'],
    ['refuses: more than the longest', requireTtlWithin(2 * MINUTE), withTtl(2 * MINUTE + 1), 'BAD_REQUEST'],
    ['refuses: a time in the past', requireTtlWithin(2 * MINUTE), withTtl(-1), 'BAD_REQUEST'],
    ['refuses: not a number', requireTtlWithin(2 * MINUTE), withTtl(Number.NaN), 'BAD_REQUEST'],
    ['ok: S3 sound principals', requirePrincipals, named('root', '-gatehouse-nologin-x'), 'ok'],
    ['refuses: S3 no principal', requirePrincipals, named(), 'BAD_REQUEST'],
    ['refuses: S3 a comma', requirePrincipals, named('root,admin'), 'BAD_REQUEST'],
    ['refuses: S3 a space', requirePrincipals, named('root admin'), 'BAD_REQUEST'],
    ['refuses: S3 a NUL', requirePrincipals, named('root\u0000'), 'BAD_REQUEST'],
    ['refuses: S3 Unicode', requirePrincipals, named('rооt'), 'BAD_REQUEST'],
    ['refuses: S3 the same twice', requirePrincipals, named('a', 'a'), 'BAD_REQUEST'],
    [
      'refuses: S3 too many',
      requirePrincipals,
      named(...Array.from({ length: 257 }, (_, i) => `u${i}`)),
      'BAD_REQUEST',
    ],
    ['ok: a key of somebody else', requireForeignKey(noKey), start, 'ok'],
    ['refuses: S1 the key of an authority', requireForeignKey(anyKey), start, 'BAD_REQUEST'],
    ['ok: a user of the user authority', requireFittingAuthority, { ...start, identity: joe }, 'ok'],
    [
      'refuses: a user of the host authority',
      requireFittingAuthority,
      { ...start, authority: 'host', identity: joe },
      'INTERNAL',
    ],
    [
      'refuses: a user of the database authority',
      requireFittingAuthority,
      { ...start, authority: 'db', identity: joe },
      'INTERNAL',
    ],
    ['refuses: nobody of the user authority', requireFittingAuthority, start, 'INTERNAL'],
    [
      'refuses: a host of the user authority',
      requireFittingAuthority,
      { ...start, identity: { kind: 'host', cluster: 'c', host_id: 'h', name: 'h', roles: [] } },
      'INTERNAL',
    ],
  ])('%s', (_title, validate, plan, expected) => {
    let outcome = 'ok';
    try {
      makePlan(plan, [], [validate]);
    } catch (error) {
      outcome = isCode(error) ? error.code : String(error);
    }
    expect(outcome).toBe(expected);
  });
});
