import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { craftX509, HOUR, makeKeys, NOW, refusalOf } from '#test/kit/certs.ts';
import { derSequence, DER_TRUE } from './der.ts';
import { derExtension } from './extensions.ts';
import { IDENTITY_OID, identityExtension, identityOfCertificate } from './identity.ts';
import { issueSelfSignedCa, issueX509, x509Issuer, type X509Request } from './issue.ts';
import { derOid, OID } from './oid.ts';
import { parseX509 } from './parse.ts';
import { verifySelfSignedCa, verifyX509 } from './verify.ts';

const keys = makeKeys();
const caKeys = makeKeys();
const subject = { commonName: 'cluster-1', organization: ['Gatehouse'] };
const caRequest = { subject, notBefore: NOW - HOUR, notAfter: NOW + 9000 * HOUR };
const makeCa = (privateKey = caKeys.p256): ReturnType<typeof parseX509> =>
  parseX509(issueSelfSignedCa({ ...caRequest, privateKey }));
const ca = makeCa();
const request: X509Request = {
  subject: { commonName: 'joe', organization: ['dev', 'ops'] },
  publicKey: keys.p256,
  notBefore: NOW,
  notAfter: NOW + HOUR,
  extKeyUsage: ['clientAuth'],
  dnsNames: ['joe.example.com'],
  ipAddresses: ['10.0.0.1', '2001:db8::1'],
  uris: ['spiffe://example.com/joe'],
  emails: ['joe@example.com'],
  extensions: [identityExtension({ kind: 'user' })],
  issuer: x509Issuer(ca, caKeys.p256),
};
const issued = (change: Partial<X509Request>): string =>
  refusalOf(() => issueX509({ ...request, ...change }));

describe('issuing', () => {
  test('ok: what was put in is read back', () => {
    const read = parseX509(issueX509(request));
    expect(read).toMatchObject({
      subject: { commonName: 'joe', organization: ['dev', 'ops'] },
      issuer: subject,
      notBefore: NOW,
      notAfter: NOW + HOUR,
      isCa: false,
      keyUsage: ['digitalSignature'],
      extKeyUsage: ['clientAuth'],
      dnsNames: ['joe.example.com'],
      ipAddresses: ['10.0.0.1', '2001:db8::1'],
      uris: ['spiffe://example.com/joe'],
      emails: ['joe@example.com'],
      authorityKeyId: ca.subjectKeyId,
      signatureAlgorithm: 'ecdsa-sha256',
    });
    expect(read.pathLen).toBeUndefined();
    expect(read.extensions.find(({ oid }) => oid === IDENTITY_OID)?.critical).toBe(false);
    expect(identityOfCertificate(read)).toEqual({ kind: 'user' });
  });

  const matrix = Object.entries(keys).flatMap(([subjectName, key]) =>
    Object.entries(caKeys).map(([caName, caKey]) => [subjectName, caName, key, caKey] as const),
  );
  test.each(matrix)('ok: a %s key issued by %s; node:crypto agrees', (_, _ca, key, caKey) => {
    const authority = makeCa(caKey);
    const der = issueX509({ ...request, publicKey: key, issuer: x509Issuer(authority, caKey) });
    const ours = verifyX509(der, { authorities: [authority], purpose: 'clientAuth', now: NOW });
    const theirs = new X509Certificate(der);
    const theirCa = new X509Certificate(authority.der);
    expect(theirs.verify(theirCa.publicKey)).toBe(true);
    expect(theirs.checkIssued(theirCa)).toBe(true);
    expect(theirs.ca).toBe(false);
    expect(theirCa.ca).toBe(true);
    expect(theirs.subject).toBe('O=dev\nO=ops\nCN=joe');
    expect(theirs.serialNumber.toLowerCase()).toBe(ours.serial.toString(16).padStart(32, '0'));
    expect(theirs.validFromDate.getTime()).toBe(ours.notBefore);
    expect(theirs.validToDate.getTime()).toBe(ours.notAfter);
    expect(theirs.subjectAltName).toBe(
      'DNS:joe.example.com, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, URI:spiffe://example.com/joe, email:joe@example.com',
    );
    expect(theirs.publicKey.equals(ours.publicKey.key)).toBe(true);
  });

  test('ok: serials are positive, of 127 bits and differ', () => {
    const serials = Array.from({ length: 200 }, () => parseX509(issueX509(request)).serial);
    expect(new Set(serials).size).toBe(200);
    expect(serials.every((serial) => serial > 0n && serial < 2n ** 127n && serial >= 2n ** 126n)).toBe(true);
    expect(parseX509(issueX509({ ...request, serial: 1n })).serial).toBe(1n);
    expect(parseX509(issueX509({ ...request, serial: 0x80n })).serial).toBe(0x80n);
  });

  test('ok: beyond 2049, without subject, RSA with SHA-512, an intermediate authority', () => {
    const late = Date.parse('2061-01-01T00:00:00Z');
    expect(parseX509(issueX509({ ...request, notAfter: late })).notAfter).toBe(late);
    const nameless = parseX509(issueX509({ ...request, subject: {} }));
    expect(nameless.extensions.find(({ oid }) => oid === '2.5.29.17')?.critical).toBe(true);
    const rsaCa = parseX509(
      issueSelfSignedCa({ ...caRequest, privateKey: caKeys.rsa, algorithm: 'rsa-sha512' }),
    );
    const byRsa = issueX509({ ...request, issuer: x509Issuer(rsaCa, caKeys.rsa, 'rsa-sha512') });
    expect(parseX509(byRsa).signatureAlgorithm).toBe('rsa-sha512');
    const root = parseX509(issueSelfSignedCa({ ...caRequest, privateKey: caKeys.p256, pathLen: 1 }));
    const { extKeyUsage: _, ...caLeaf } = request;
    const below = issueX509({ ...caLeaf, isCa: true, pathLen: 0, issuer: x509Issuer(root, caKeys.p256) });
    expect(parseX509(below)).toMatchObject({ isCa: true, pathLen: 0, keyUsage: ['keyCertSign', 'cRLSign'] });
  });

  test.each<[string, Partial<X509Request>, string]>([
    ['a validity that ends before it begins', { notAfter: NOW - HOUR }, 'validity-bounds'],
    ['a validity below one second', { notAfter: NOW + 999 }, 'validity-bounds'],
    ['a time that is no number', { notBefore: Number.NaN }, 'validity-bounds'],
    ['the year 10000', { notAfter: Date.UTC(10_000, 1, 1) }, 'validity-bounds'],
    ['serial zero', { serial: 0n }, 'serial'],
    ['a negative serial', { serial: -1n }, 'serial'],
    ['a serial of 128 bits', { serial: 2n ** 127n }, 'serial'],
    [
      'neither subject nor alternative names',
      { subject: {}, dnsNames: [], ipAddresses: [], uris: [], emails: [] },
      'name',
    ],
    ['an authority without subject', { subject: {}, isCa: true }, 'name'],
    ['a bad name', { subject: { commonName: 'a\0b' } }, 'name'],
    ['a bad DNS name', { dnsNames: ['a b'] }, 'alternative-name'],
    ['keyCertSign for a leaf', { keyUsage: ['digitalSignature', 'keyCertSign'] }, 'key-usage'],
    ['an authority without keyCertSign', { isCa: true, keyUsage: ['digitalSignature'] }, 'key-usage'],
    ['no key usage', { keyUsage: [] }, 'key-usage'],
    ['an unknown key usage', { keyUsage: ['other' as never] }, 'key-usage'],
    ['no extended key usage', { extKeyUsage: [] }, 'key-usage'],
    ['an unknown extended key usage', { extKeyUsage: ['other'] }, 'key-usage'],
    ['a path length for a leaf', { pathLen: 0 }, 'path-length'],
    ['a path length that is too long', { isCa: true, pathLen: 17 }, 'path-length'],
    [
      'a standard extension as an extra',
      { extensions: [{ oid: '2.5.29.19', critical: true, value: new Uint8Array() }] },
      'extension',
    ],
    [
      'an extra twice',
      { extensions: [identityExtension({ kind: 'a' }), identityExtension({ kind: 'b' })] },
      'extension',
    ],
    [
      'an extra without a good OID',
      { extensions: [{ oid: '1', critical: true, value: new Uint8Array() }] },
      'extension',
    ],
    [
      'S33 more than 64 KiB',
      { extensions: [{ oid: '1.2.3', critical: false, value: new Uint8Array(65_536) }] },
      'too-large',
    ],
  ])('refuses: %s', (_, change, reason) => {
    expect(issued(change)).toBe(`BAD_REQUEST ${reason}`);
  });

  test('refuses: a signer that is no authority, has another key, or may not have authorities below', () => {
    const leaf = parseX509(issueX509(request));
    expect(refusalOf(() => x509Issuer(leaf, keys.p256))).toBe('BAD_REQUEST not-an-authority');
    const flagOnly = craftX509(keys.p256, {
      extensions: [derExtension(derOid(OID.basicConstraints), true, derSequence(DER_TRUE))],
    });
    expect(refusalOf(() => x509Issuer(parseX509(flagOnly), keys.p256))).toBe('BAD_REQUEST not-an-authority');
    expect(refusalOf(() => x509Issuer(ca, keys.p256))).toBe('BAD_REQUEST bad-key');
    expect(refusalOf(() => x509Issuer(ca, caKeys.p256, 'rsa-sha256'))).toBe(
      'BAD_REQUEST signature-algorithm',
    );
    const narrow = parseX509(issueSelfSignedCa({ ...caRequest, privateKey: caKeys.p256, pathLen: 0 }));
    const issuer = x509Issuer(narrow, caKeys.p256);
    expect(issued({ isCa: true, issuer })).toBe('BAD_REQUEST path-length');
    expect(issued({ isCa: true, pathLen: 0, issuer })).toBe('BAD_REQUEST path-length');
  });

  test('ok: a self-signed authority verifies as one', () => {
    expect(verifySelfSignedCa(ca.der, NOW).subject.commonName).toBe('cluster-1');
    expect(refusalOf(() => verifySelfSignedCa(ca.der, NOW + 9001 * HOUR))).toBe(
      'CERTIFICATE_INVALID expired',
    );
    const leaf = issueX509(request);
    expect(refusalOf(() => verifySelfSignedCa(leaf, NOW))).toBe('CERTIFICATE_INVALID not-an-authority');
    const { extKeyUsage: _, ...plain } = request;
    const other = issueX509({ ...plain, isCa: true });
    expect(refusalOf(() => verifySelfSignedCa(other, NOW))).toBe('CERTIFICATE_INVALID issuer-mismatch');
    const sameName = issueX509({ ...plain, isCa: true, subject });
    expect(refusalOf(() => verifySelfSignedCa(sameName, NOW))).toBe('CERTIFICATE_INVALID bad-signature');
  });
});
