import { describe, expect, test } from 'vitest';
import {
  craftSshCertificate,
  HOUR,
  makeKeys,
  makeSshAuthority,
  makeSshKey,
  NOW,
  refusalOf,
} from '#test/kit/certs.ts';
import { parseSshCertificate } from './certificate.ts';
import { issueSshCertificate, sshAuthority, type SshCertificateRequest } from './issue.ts';
import { signSsh } from './signature.ts';
import { verifySshCertificate, type SshCertificateContext } from './verify.ts';

const authority = makeSshAuthority();
const request: SshCertificateRequest = {
  subject: makeSshKey(),
  type: 'user',
  keyId: 'joe',
  principals: ['joe', 'root'],
  validAfter: NOW,
  validBefore: NOW + HOUR,
  extensions: { 'permit-pty': '' },
  authority,
};
const context: SshCertificateContext = {
  type: 'user',
  authorities: [makeSshAuthority().publicKey, authority.publicKey],
  principal: 'joe',
  now: NOW + 1000,
};
const outcome = (change: Partial<SshCertificateRequest>, at: Partial<SshCertificateContext> = {}): string =>
  refusalOf(() =>
    verifySshCertificate(issueSshCertificate({ ...request, ...change }), { ...context, ...at }),
  );

describe('verifying', () => {
  test('ok: the grant says what is permitted', () => {
    const blob = issueSshCertificate({ ...request, criticalOptions: { 'force-command': 'id' } });
    const grant = verifySshCertificate(blob, context);
    expect(grant).toMatchObject({
      forceCommand: 'id',
      permitPty: true,
      permitPortForwarding: false,
      permitAgentForwarding: false,
      permitX11Forwarding: false,
      permitUserRc: false,
    });
    expect(grant.certificate.keyId).toBe('joe');
  });

  test('ok: a host certificate', () => {
    const host = { type: 'host', principals: ['web-1'], extensions: {} } as const;
    expect(outcome(host, { type: 'host', principal: 'web-1' })).toBe('accepted');
    expect(outcome(host, { type: 'host', principal: 'web-2' })).toBe(
      'CERTIFICATE_INVALID principal-not-listed',
    );
  });

  test.each<[string, Partial<SshCertificateRequest>, Partial<SshCertificateContext>, string]>([
    ['another authority', {}, { authorities: [makeSshAuthority().publicKey] }, 'unknown-authority'],
    ['no authority', {}, { authorities: [] }, 'unknown-authority'],
    ['a host certificate as a user', { type: 'host', extensions: {} }, {}, 'wrong-type'],
    ['a user certificate as a host', {}, { type: 'host' }, 'wrong-type'],
    ['one millisecond early', {}, { now: NOW - 1 }, 'not-yet-valid'],
    ['at its end', {}, { now: NOW + HOUR }, 'expired'],
    ['long after', {}, { now: NOW * 2 }, 'expired'],
    ['a clock that is no number', {}, { now: Number.NaN }, 'validity-bounds'],
    ['another principal', {}, { principal: 'admin' }, 'principal-not-listed'],
    ['a principal in other case', {}, { principal: 'Root' }, 'principal-not-listed'],
    ['an empty principal', {}, { principal: '' }, 'principal-not-listed'],
    ['a principal that is the joined list', {}, { principal: 'joe,root' }, 'principal-not-listed'],
  ])('refuses: %s', (_, change, at, reason) => {
    expect(outcome(change, at)).toBe(`CERTIFICATE_INVALID ${reason}`);
  });

  test('ok: at its first and last millisecond, and with any principal when the caller compares itself', () => {
    expect(outcome({}, { now: NOW })).toBe('accepted');
    expect(outcome({}, { now: NOW + HOUR - 1 })).toBe('accepted');
    expect(outcome({}, { principal: null })).toBe('accepted');
  });

  test('S13 a certificate bound to addresses is refused from elsewhere, and when the address is not known', () => {
    const pinned = { criticalOptions: { 'source-address': '192.0.2.0/24,2001:db8::7' } };
    const from = (sourceAddress: string): string => outcome(pinned, { sourceAddress });
    expect(from('192.0.2.9')).toBe('accepted');
    expect(from('::ffff:192.0.2.9')).toBe('accepted');
    expect(from('2001:db8::7')).toBe('accepted');
    for (const address of ['192.0.3.1', '2001:db8::8', '', 'localhost', '192.0.2.9%eth0']) {
      expect(from(address)).toBe('CERTIFICATE_INVALID source-address');
    }
    expect(outcome(pinned)).toBe('CERTIFICATE_INVALID source-address');
  });

  test('S1 a leaf of the trusted authority cannot act as authority', () => {
    const leaf = makeKeys().ed25519;
    const signed = issueSshCertificate({ ...request, subject: sshAuthority(leaf).publicKey });
    const byLeaf = issueSshCertificate({ ...request, authority: sshAuthority(leaf) });
    expect(refusalOf(() => verifySshCertificate(byLeaf, context))).toBe(
      'CERTIFICATE_INVALID unknown-authority',
    );
    const nested = craftSshCertificate(sshAuthority(leaf), { authorityBlob: signed });
    const reason = refusalOf(() => verifySshCertificate(nested, context));
    expect(reason).toBe('CERTIFICATE_INVALID authority-is-certificate');
  });

  test('S2 a certificate that names the authority but is signed by another key is refused', () => {
    const thief = makeSshAuthority();
    const forged = craftSshCertificate(authority, {
      signature: (signed) => signSsh(thief.privateKey, thief.algorithm, signed),
    });
    const at = { ...context, principal: null };
    expect(refusalOf(() => verifySshCertificate(forged, at))).toBe('CERTIFICATE_INVALID bad-signature');
  });

  test('S2 the signature of another certificate is refused', () => {
    const other = parseSshCertificate(issueSshCertificate(request));
    const forged = craftSshCertificate(authority, { signature: () => other.signature });
    const at = { ...context, principal: null };
    expect(refusalOf(() => verifySshCertificate(forged, at))).toBe('CERTIFICATE_INVALID bad-signature');
  });
});

describe('mutations', () => {
  const keys = makeKeys();
  const authorities = [keys.ed25519, keys.p256, keys.p521, keys.rsa].map((key) => sshAuthority(key));
  test.each(authorities.map((own) => [own.algorithm, own] as const))(
    'refuses: every byte of a certificate of %s changed',
    (_, own) => {
      const blob = issueSshCertificate({
        ...request,
        authority: own,
        criticalOptions: { 'source-address': '::/0' },
      });
      const at = { ...context, authorities: [own.publicKey], sourceAddress: '::1' };
      expect(refusalOf(() => verifySshCertificate(blob, at))).toBe('accepted');
      for (let bit = 0; bit < blob.length * 8; bit += own.algorithm === 'ssh-ed25519' ? 1 : 7) {
        const mutant = Uint8Array.from(blob);
        mutant[bit >> 3]! ^= 1 << (bit & 7);
        expect(
          refusalOf(() => verifySshCertificate(mutant, at)),
          `bit ${bit}`,
        ).toMatch(/^CERTIFICATE_INVALID /);
      }
    },
  );
});
