import { describe, expect, test } from 'vitest';
import { HOUR, makeKeys, NOW, refusalOf } from '#test/kit/certs.ts';
import { identityExtension } from './identity.ts';
import { issueSelfSignedCa, issueX509, x509Issuer, type X509Request } from './issue.ts';
import { parseX509, type ParsedCertificate } from './parse.ts';
import { verifyX509, type X509Context } from './verify.ts';

const keys = makeKeys();
const otherKeys = makeKeys();
const subject = { commonName: 'cluster-1' };
const makeCa = (privateKey = keys.p256, change: object = {}): ParsedCertificate =>
  parseX509(
    issueSelfSignedCa({ subject, privateKey, notBefore: NOW - HOUR, notAfter: NOW + 100 * HOUR, ...change }),
  );
const ca = makeCa();
const request: X509Request = {
  subject: { commonName: 'joe' },
  publicKey: otherKeys.p256,
  notBefore: NOW,
  notAfter: NOW + HOUR,
  extKeyUsage: ['clientAuth'],
  extensions: [identityExtension({ kind: 'user', name: 'joe' } as { kind: string })],
  issuer: x509Issuer(ca, keys.p256),
};
const context: X509Context = { authorities: [ca], purpose: 'clientAuth', now: NOW };
const outcome = (change: Partial<X509Request>, at: Partial<X509Context> = {}): string =>
  refusalOf(() => verifyX509(issueX509({ ...request, ...change }), { ...context, ...at }));
const { extKeyUsage: _, ...withoutUsage } = request;

describe('verifying', () => {
  test('ok: at its first and last moment', () => {
    expect(outcome({})).toBe('accepted');
    expect(outcome({}, { now: NOW + HOUR + 999 })).toBe('accepted');
  });

  test.each<[string, Partial<X509Request>, Partial<X509Context>, string]>([
    ['one millisecond early', {}, { now: NOW - 1 }, 'not-yet-valid'],
    ['after its last second', {}, { now: NOW + HOUR + 1000 }, 'expired'],
    ['a clock that is no number', {}, { now: Number.NaN }, 'validity-bounds'],
    ['another use', {}, { purpose: 'serverAuth' }, 'key-usage'],
    ['not for signatures', { keyUsage: ['keyAgreement'] }, {}, 'key-usage'],
    ['no authority', {}, { authorities: [] }, 'issuer-mismatch'],
    [
      'an authority of another name',
      {},
      { authorities: [makeCa(keys.p384, { subject: { commonName: 'x' } })] },
      'issuer-mismatch',
    ],
    [
      'an authority of the same name with another key',
      {},
      { authorities: [makeCa(keys.p384)] },
      'unknown-authority',
    ],
    [
      'an authority that has expired',
      {},
      { authorities: [makeCa(keys.p256, { notAfter: NOW - 1 })] },
      'expired',
    ],
    ['an authority as a peer', { isCa: true }, {}, 'wrong-type'],
  ])('refuses: %s', (_, change, at, reason) => {
    expect(outcome(change, at)).toBe(`CERTIFICATE_INVALID ${reason}`);
  });

  test('refuses: no extended key usage at all', () => {
    expect(refusalOf(() => verifyX509(issueX509(withoutUsage), context))).toBe(
      'CERTIFICATE_INVALID key-usage',
    );
  });

  test('ok: while an authority is rotated, both keys are found', () => {
    const next = makeCa(keys.ed25519);
    const authorities = [next, ca];
    expect(outcome({}, { authorities })).toBe('accepted');
    expect(outcome({ issuer: x509Issuer(next, keys.ed25519) }, { authorities })).toBe('accepted');
  });

  test('refuses: a leaf that plays authority, even when it is given as one', () => {
    const leaf = parseX509(issueX509({ ...request, subject }));
    const issuer = { ...x509Issuer(ca, keys.p256), keyId: leaf.subjectKeyId!, privateKey: otherKeys.p256 };
    expect(outcome({ issuer })).toBe('CERTIFICATE_INVALID unknown-authority');
    expect(outcome({ issuer }, { authorities: [ca, leaf] })).toBe('CERTIFICATE_INVALID not-an-authority');
  });

  test('refuses: signed by another key in the name of the authority', () => {
    const thief = { ...x509Issuer(ca, keys.p256), privateKey: otherKeys.p256 };
    expect(outcome({ issuer: thief })).toBe('CERTIFICATE_INVALID bad-signature');
    const other = { ...thief, privateKey: otherKeys.rsa, algorithm: 'rsa-sha256' } as const;
    expect(outcome({ issuer: other })).toBe('CERTIFICATE_INVALID bad-signature');
  });
});

describe('mutations', () => {
  test.each(Object.entries(keys))('refuses: every byte of a certificate by %s changed', (_, key) => {
    const authority = makeCa(key);
    const der = issueX509({ ...request, issuer: x509Issuer(authority, key), dnsNames: ['a.example.com'] });
    const at = { ...context, authorities: [authority] };
    expect(refusalOf(() => verifyX509(der, at))).toBe('accepted');
    for (let bit = 0; bit < der.length * 8; bit += 7) {
      const mutant = Uint8Array.from(der);
      mutant[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        refusalOf(() => verifyX509(mutant, at)),
        `bit ${bit}`,
      ).toMatch(/^CERTIFICATE_INVALID /);
    }
  });
});
