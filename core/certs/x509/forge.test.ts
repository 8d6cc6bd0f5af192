// node-forge as a second reader of RSA certificates, in both directions: an implementation that shares no code with
// ours, nor with OpenSSL.
import forge from 'node-forge';
import { describe, expect, test } from 'vitest';
import { generateKeyPair, privateKeyPem, publicKeyPem } from './keys.ts';
import { HOUR, NOW } from '#test/kit/certs.ts';
import { issueSelfSignedCa, issueX509, x509Issuer } from './issue.ts';
import { parseX509 } from './parse.ts';
import { certificateToPem, derFromPem } from './pem.ts';
import { verifyX509 } from './verify.ts';

const caKeys = generateKeyPair('rsa-2048');
const leafKeys = generateKeyPair('rsa-2048');
const subject = { commonName: 'cluster-1', organization: ['Gatehouse'] };
const caDer = issueSelfSignedCa({
  subject,
  privateKey: caKeys.privateKey,
  notBefore: NOW - HOUR,
  notAfter: NOW + 900 * HOUR,
});
const ca = parseX509(caDer);

describe('node-forge', () => {
  test('ok: reads and verifies what we issue', () => {
    const der = issueX509({
      subject: { commonName: 'joe', organization: ['dev', 'ops'] },
      publicKey: leafKeys.publicKey,
      notBefore: NOW,
      notAfter: NOW + HOUR,
      serial: 0x1234n,
      extKeyUsage: ['clientAuth', 'serverAuth'],
      dnsNames: ['a.example.com'],
      ipAddresses: ['10.0.0.1'],
      issuer: x509Issuer(ca, caKeys.privateKey, 'rsa-sha512'),
    });
    const theirs = forge.pki.certificateFromPem(certificateToPem(der));
    const theirCa = forge.pki.certificateFromPem(certificateToPem(caDer));
    expect(theirCa.verify(theirs)).toBe(true);
    expect(theirCa.verify(theirCa)).toBe(true);
    expect(theirs.serialNumber).toBe('1234');
    expect(theirs.validity.notBefore.getTime()).toBe(NOW);
    expect(theirs.validity.notAfter.getTime()).toBe(NOW + HOUR);
    expect(theirs.subject.attributes.map(({ shortName, value }) => [shortName, value])).toEqual([
      ['O', 'dev'],
      ['O', 'ops'],
      ['CN', 'joe'],
    ]);
    expect(theirs.getExtension('basicConstraints')).toMatchObject({ cA: false, critical: true });
    expect(theirCa.getExtension('basicConstraints')).toMatchObject({ cA: true, critical: true });
    expect(theirs.getExtension('keyUsage')).toMatchObject({
      digitalSignature: true,
      keyEncipherment: true,
      keyCertSign: false,
    });
    expect(theirs.getExtension('extKeyUsage')).toMatchObject({ clientAuth: true, serverAuth: true });
    expect(theirs.getExtension('subjectAltName')).toMatchObject({
      altNames: [
        { type: 2, value: 'a.example.com' },
        { type: 7, ip: '10.0.0.1' },
      ],
    });
  });

  test('ok: we read and verify what it issues', () => {
    const made = forge.pki.createCertificate();
    made.publicKey = forge.pki.publicKeyFromPem(publicKeyPem(leafKeys.publicKey));
    made.serialNumber = '0fab';
    made.validity.notBefore = new Date(NOW);
    made.validity.notAfter = new Date(NOW + HOUR);
    made.setSubject([{ name: 'commonName', value: 'joe' }]);
    made.setIssuer([
      { name: 'organizationName', value: 'Gatehouse', valueTagClass: 12 as never },
      { name: 'commonName', value: 'cluster-1', valueTagClass: 12 as never },
    ]);
    made.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', clientAuth: true, codeSigning: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'a.example.com' },
          { type: 7, ip: '10.0.0.1' },
          { type: 6, value: 'urn:a' },
        ],
      },
      { name: 'subjectKeyIdentifier' },
      { name: 'authorityKeyIdentifier', keyIdentifier: Buffer.from(ca.subjectKeyId!).toString('latin1') },
    ]);
    made.sign(
      forge.pki.privateKeyFromPem(privateKeyPem(caKeys.privateKey).reveal()),
      forge.md.sha256.create(),
    );
    const der = derFromPem(forge.pki.certificateToPem(made));
    const read = parseX509(der);
    expect(read).toMatchObject({
      serial: 0x0fabn,
      subject: { commonName: 'joe' },
      notBefore: NOW,
      notAfter: NOW + HOUR,
      isCa: false,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extKeyUsage: ['clientAuth', 'codeSigning'],
      dnsNames: ['a.example.com'],
      ipAddresses: ['10.0.0.1'],
      uris: ['urn:a'],
    });
    // forge writes other string types in the issuer, so bytes are compared only when it kept ours.
    const sameIssuer = Buffer.from(read.issuer.der).equals(ca.subject.der);
    const verified = (): unknown => verifyX509(der, { authorities: [ca], purpose: 'clientAuth', now: NOW });
    if (sameIssuer) expect(verified()).toBeDefined();
    else expect(verified).toThrow('not issued by a trusted authority');
  });
});
