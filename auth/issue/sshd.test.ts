// Host certificates for plain sshd: good for their names, and for nothing else.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAuthorizedKey, parseLine } from '#core/certs/ssh/lines.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { readSshIdentity } from '#core/ssh-identity.ts';
import { CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource } from '#test/kit/state.ts';
import { issueSshd, MAX_SSHD_TTL_MS, type SshdRequest } from './sshd.ts';

const HOUR = 3_600_000;
let test: TestAuth;
beforeEach(async () => {
  test = await startTestAuth();
});
afterEach(() => test.close());
const issue = (more: Partial<SshdRequest> = {}) =>
  issueSshd(test.context, {
    sshPublicKey: makeKeyTexts().ssh_public_key,
    hosts: ['Bastion.example.org', '192.0.2.9'],
    ttlMs: HOUR,
    requestedBy: 'amy',
    ...more,
  });

describe('sshd', () => {
  it('ok: clients that trust the host authority take it for its names, also with the name of the cluster', async () => {
    const { ssh_certificate, ssh_user_authorities } = await issue();
    const { blob } = parseLine(ssh_certificate, 16_384, refuseInput);
    const authorities = test.authorities
      .publicPart('host')
      .sshPublicKeys.map((line) => parseAuthorizedKey(line).key);
    const verify = (principal: string, now = test.clock.now()) =>
      verifySshCertificate(blob, { type: 'host', authorities, principal, now }).certificate;
    for (const name of ['bastion.example.org', `bastion.example.org.${CLUSTER}`, '192.0.2.9'])
      expect(verify(name).keyId).toBe('sshd bastion.example.org');
    expect(() => verify('other.example.org')).toThrow();
    expect(() => verify('192.0.2.9', test.clock.now() + HOUR)).toThrow(/expired/);
    expect(ssh_user_authorities).toEqual(test.authorities.publicPart('user').sshPublicKeys);
    expect(test.events).toMatchObject([
      { event: 'cert.create', cert_type: 'host', method: 'sign', user: 'amy' },
    ]);
  });

  it('S18 it is no member: no identity for tunnels, relays or the API', async () => {
    const { blob } = parseLine((await issue()).ssh_certificate, 16_384, refuseInput);
    const authorities = test.authorities
      .publicPart('host')
      .sshPublicKeys.map((line) => parseAuthorizedKey(line).key);
    const { certificate } = verifySshCertificate(blob, {
      type: 'host',
      authorities,
      principal: null,
      now: test.clock.now(),
    });
    expect(certificate.extensions.size).toBe(0);
    expect(() => readSshIdentity(certificate.extensions)).toThrow(/no identity/);
  });

  it.each<[string, Partial<SshdRequest>]>([
    ['no name', { hosts: [] }],
    ['a wildcard', { hosts: ['*.example.org'] }],
    ['two in one', { hosts: ['a.example.org,b.example.org'] }],
    ['S18 the name of an agent', { hosts: ['Web-1'] }],
    ['S18 the full name of an agent', { hosts: [`web-1.${CLUSTER}`] }],
    ['S18 the id of a host', { hosts: ['11111111-2222-4333-8444-555555555555'] }],
    ['S18 the cluster', { hosts: [CLUSTER] }],
    ['S18 a door', { hosts: ['auth'] }],
    ['S18 a door among others', { hosts: ['a.example.org', 'auth.internal.example.com'] }],
    ['a time too long', { ttlMs: MAX_SSHD_TTL_MS + HOUR }],
    ['S1 a certificate as key', { sshPublicKey: 'ssh-ed25519-cert-v01@openssh.com AAAA' }],
  ])('refuses: %s', async (_name, more) => {
    const agent = makeResource('node', 'n1', { hostname: 'web-1', addr: '10.0.0.1:3022' });
    await test.state.write([{ do: 'put', resource: agent }]);
    await expect(issue(more)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(test.events).toEqual([]);
  });

  it('S1 refuses: the key of an authority', async () => {
    const [own = ''] = test.authorities.publicPart('user').sshPublicKeys;
    await expect(issue({ sshPublicKey: own })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
});
