// The real openssl as judge: its verifier in strict mode takes what we issue and refuses what we would refuse, and we
// read what it issues. Needs openssl; slow because each question is a process.
import { execFile } from 'node:child_process';
import { X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { HOUR, makeKeys, NOW, refusalOf } from '#test/kit/certs.ts';
import { identityExtension } from './identity.ts';
import { issueSelfSignedCa, issueX509, x509Issuer, type X509Request } from './issue.ts';
import { parseX509, type ParsedCertificate } from './parse.ts';
import { certificateToPem, derFromPem } from './pem.ts';
import { caPin } from './pin.ts';
import { verifySelfSignedCa, verifyX509 } from './verify.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-openssl-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);
const write = (name: string, der: Uint8Array): string => {
  writeFileSync(path(name), certificateToPem(der));
  return path(name);
};
const run = promisify(execFile);
const openssl = async (...args: readonly string[]): Promise<string> => {
  try {
    const { stdout, stderr } = await run('openssl', args);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `failed: ${stdout}${stderr}`;
  }
};

const keys = makeKeys();
const caKeys = makeKeys();
const makeCa = (privateKey: KeyObject): ParsedCertificate =>
  parseX509(
    issueSelfSignedCa({
      subject: { commonName: 'cluster-1', organization: ['Gatehouse Zürich'], country: 'CH' },
      privateKey,
      notBefore: NOW - HOUR,
      notAfter: Date.parse('2055-01-01T00:00:00Z'),
    }),
  );
const leafOf = (ca: ParsedCertificate, caKey: KeyObject, change: Partial<X509Request> = {}): Uint8Array =>
  issueX509({
    subject: { commonName: 'joe@example.com', organization: ['dev', 'ops'] },
    publicKey: keys.p256,
    notBefore: NOW,
    notAfter: NOW + HOUR,
    extKeyUsage: ['clientAuth', 'serverAuth'],
    dnsNames: ['web.example.com', '*.apps.example.com'],
    ipAddresses: ['10.0.0.1', '2001:db8::1'],
    extensions: [identityExtension({ kind: 'user' })],
    issuer: x509Issuer(ca, caKey),
    ...change,
  });
const at = ['-attime', String(NOW / 1000 + 60)];

describe('openssl reads what we issue', () => {
  test.each(Object.keys(caKeys) as (keyof typeof caKeys)[])(
    'ok: verify -x509_strict with a %s authority',
    async (name) => {
      const ca = makeCa(caKeys[name]);
      const caFile = write(`ca-${name}.pem`, ca.der);
      const strict = ['verify', '-x509_strict', '-check_ss_sig', '-CAfile', caFile, ...at];
      expect(await openssl(...strict, caFile)).toBe(`${caFile}: OK\n`);
      for (const [subject, key] of Object.entries(keys)) {
        const leaf = write(`leaf-${name}-${subject}.pem`, leafOf(ca, caKeys[name], { publicKey: key }));
        for (const purpose of ['sslclient', 'sslserver']) {
          expect(await openssl(...strict, '-purpose', purpose, leaf)).toBe(`${leaf}: OK\n`);
        }
      }
    },
  );

  const ca = makeCa(caKeys.p256);
  const caFile = write('ca.pem', ca.der);
  const strict = ['verify', '-x509_strict', '-CAfile', caFile];

  test('ok: host names and addresses, GeneralizedTime, no subject, a path of two', async () => {
    const leaf = write('names.pem', leafOf(ca, caKeys.p256));
    for (const name of ['web.example.com', 'a.apps.example.com']) {
      expect(await openssl(...strict, ...at, '-verify_hostname', name, leaf)).toContain(': OK');
    }
    expect(await openssl(...strict, ...at, '-verify_ip', '2001:db8::1', leaf)).toContain(': OK');
    expect(await openssl(...strict, ...at, '-verify_hostname', 'b.a.apps.example.com', leaf)).toContain(
      'failed',
    );
    const late = write('late.pem', leafOf(ca, caKeys.p256, { notAfter: Date.parse('2052-01-01T00:00:00Z') }));
    expect(
      await openssl(...strict, '-attime', String(Date.parse('2051-06-01T00:00:00Z') / 1000), late),
    ).toContain(': OK');
    const nameless = write('nameless.pem', leafOf(ca, caKeys.p256, { subject: {} }));
    expect(await openssl(...strict, ...at, nameless)).toContain(': OK');
    const { publicKey } = new X509Certificate(makeCa(caKeys.rsa).der);
    const middleDer = issueX509({
      subject: { commonName: 'middle' },
      publicKey,
      isCa: true,
      pathLen: 0,
      notBefore: NOW,
      notAfter: NOW + HOUR,
      issuer: x509Issuer(ca, caKeys.p256),
    });
    const middle = write('middle.pem', middleDer);
    const below = write('below.pem', leafOf(parseX509(middleDer), caKeys.rsa));
    expect(await openssl(...strict, ...at, '-untrusted', middle, below)).toContain(': OK');
  });

  test('refuses, as we do: expired, too early, another use, another authority', async () => {
    const der = leafOf(ca, caKeys.p256, { extKeyUsage: ['clientAuth'] });
    const leaf = write('refused.pem', der);
    const context = { authorities: [ca], purpose: 'clientAuth', now: NOW } as const;
    const late = NOW + 2 * HOUR;
    expect(await openssl(...strict, '-attime', String(late / 1000), leaf)).toContain(
      'certificate has expired',
    );
    expect(refusalOf(() => verifyX509(der, { ...context, now: late }))).toContain('expired');
    expect(await openssl(...strict, '-attime', String(NOW / 1000 - 60), leaf)).toContain('not yet valid');
    expect(refusalOf(() => verifyX509(der, { ...context, now: NOW - 60_000 }))).toContain('not-yet-valid');
    expect(await openssl(...strict, ...at, '-purpose', 'sslserver', leaf)).toMatch(
      /unsuitable certificate purpose|unsupported/,
    );
    expect(refusalOf(() => verifyX509(der, { ...context, purpose: 'serverAuth' }))).toContain('key-usage');
    const other = write('other.pem', makeCa(caKeys.p384).der);
    expect(await openssl('verify', '-x509_strict', '-CAfile', other, ...at, leaf)).toContain('failed');
    expect(refusalOf(() => verifyX509(der, { ...context, authorities: [makeCa(caKeys.p384)] }))).toContain(
      'unknown-authority',
    );
  });

  test('ok: asn1parse and x509 -text are clean', async () => {
    for (const der of [ca.der, leafOf(ca, caKeys.p256), leafOf(ca, caKeys.p256, { publicKey: keys.rsa })]) {
      const file = write('parse.pem', der);
      const listing = await openssl('asn1parse', '-in', file);
      expect(listing).not.toMatch(/^failed|Error in encoding|BAD (OBJECT|INTEGER|BOOLEAN)/);
      expect(await openssl('x509', '-in', file, '-noout', '-text')).toMatch(/Version: 3 \(0x2\)/);
    }
    const text = await openssl(
      'x509',
      '-in',
      write('parse.pem', ca.der),
      '-noout',
      '-text',
      '-nameopt',
      'utf8',
    );
    expect(text).toContain(
      'C=CH, O=Gatehouse Zürich, CN=cluster-1'.replaceAll('=', text.includes('C = CH') ? ' = ' : '='),
    );
    expect(text).toContain('CA:TRUE');
    expect(text).toContain('Certificate Sign, CRL Sign');
    expect(text).toMatch(/Not After : Jan {2}1 00:00:00 2055 GMT/);
  });

  test('ok: the pin is what openssl and sha256 make of it', async () => {
    const spki = path('spki.der');
    await openssl('x509', '-in', caFile, '-noout', '-pubkey', '-out', path('spki.pem'));
    await openssl('pkey', '-pubin', '-in', path('spki.pem'), '-outform', 'DER', '-out', spki);
    const digest = await openssl('dgst', '-sha256', '-r', spki);
    expect(caPin(ca)).toBe(`sha256:${digest.slice(0, 64)}`);
  });
});

describe('we read what openssl issues', () => {
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature,keyAgreement',
    'extendedKeyUsage=clientAuth,1.3.6.1.4.1.311.20.2.2',
    'subjectAltName=DNS:a.example.com,IP:10.0.0.1,IP:2001:db8::7,URI:https://a.example.com/x?y=z,email:joe@example.com',
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid,issuer',
    '2.25.1234567890123456789012345678901234567890.1=ASN1:UTF8String:hello',
  ];
  test.each([
    ['rsa:2048', '-sha256'],
    ['rsa:3072', '-sha512'],
    ['ec:P-256', '-sha256'],
    ['ec:P-384', '-sha384'],
    ['ec:P-521', '-sha512'],
    ['ed25519', ''],
  ])('ok: %s %s', async (kind, digest) => {
    const [type, size = ''] = kind.split(':');
    const newKey =
      type === 'ec'
        ? ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${size}`]
        : ['-newkey', size ? kind : kind];
    const algorithm = digest === '' ? [] : [digest];
    const [ca, caKey, leaf, leafKey, request] = ['ca.pem', 'ca.key', 'leaf.pem', 'leaf.key', 'leaf.csr'].map(
      (name) => path(`${type}${size}-${name}`),
    );
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    await openssl(
      'req',
      '-x509',
      ...newKey,
      '-nodes',
      ...algorithm,
      '-keyout',
      caKey!,
      '-out',
      ca!,
      '-days',
      '30',
      '-subj',
      '/C=DE/O=Test/CN=Root & Co.',
      ...usage,
    );
    await openssl(
      'req',
      '-new',
      ...newKey,
      '-nodes',
      ...algorithm,
      '-keyout',
      leafKey!,
      '-out',
      request!,
      '-utf8',
      '-subj',
      '/O=dev/OU=Züge/CN=joe/emailAddress=joe@example.com',
    );
    writeFileSync(path('ext.cnf'), `${extensions.join('\n')}\n`);
    await openssl(
      'x509',
      '-req',
      '-in',
      request!,
      '-CA',
      ca!,
      '-CAkey',
      caKey!,
      ...algorithm,
      '-days',
      '1',
      '-extfile',
      path('ext.cnf'),
      '-out',
      leaf!,
    );
    const der = derFromPem(readFileSync(leaf!, 'utf8'));
    const now = Date.now();
    const authority = verifySelfSignedCa(derFromPem(readFileSync(ca!, 'utf8')), now);
    const ours = verifyX509(der, { authorities: [authority], purpose: 'clientAuth', now });
    const theirs = new X509Certificate(der);
    expect(ours.serial).toBe(BigInt(`0x${theirs.serialNumber}`));
    expect([ours.notBefore, ours.notAfter]).toEqual([
      theirs.validFromDate.getTime(),
      theirs.validToDate.getTime(),
    ]);
    expect(ours.publicKey.key.equals(theirs.publicKey)).toBe(true);
    expect(ours.subject).toMatchObject({
      commonName: 'joe',
      organization: ['dev'],
      organizationalUnit: ['Züge'],
    });
    expect(ours.subject.other).toEqual([{ oid: '1.2.840.113549.1.9.1', value: 'joe@example.com' }]);
    expect(authority.subject).toMatchObject({ country: 'DE', commonName: 'Root & Co.' });
    expect(ours.keyUsage).toEqual(['digitalSignature', 'keyAgreement']);
    expect(ours.extKeyUsage).toEqual(['clientAuth', '1.3.6.1.4.1.311.20.2.2']);
    expect(theirs.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.4.1.311.20.2.2']);
    expect(ours).toMatchObject({
      dnsNames: ['a.example.com'],
      ipAddresses: ['10.0.0.1', '2001:db8::7'],
      uris: ['https://a.example.com/x?y=z'],
      emails: ['joe@example.com'],
    });
  });

  test('refuses: SHA-1, weak keys, an unknown critical extension', async () => {
    const make = async (...args: readonly string[]): Promise<string> => {
      const out = path('bad.pem');
      rmSync(out, { force: true });
      const printed = await openssl(
        'req',
        '-x509',
        '-nodes',
        '-keyout',
        path('bad.key'),
        '-out',
        out,
        '-subj',
        '/CN=x',
        ...args,
      );
      expect(printed).not.toContain('failed');
      return refusalOf(() => parseX509(derFromPem(readFileSync(out, 'utf8'))));
    };
    expect(await make('-newkey', 'rsa:2048', '-sha1')).toBe('CERTIFICATE_INVALID signature-algorithm');
    expect(await make('-newkey', 'rsa:1024', '-sha256')).toBe('CERTIFICATE_INVALID weak-key');
    expect(await make('-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss')).toBe(
      'CERTIFICATE_INVALID signature-algorithm',
    );
    expect(await make('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1')).toBe(
      'CERTIFICATE_INVALID unsupported-key',
    );
    expect(
      await make('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'),
    ).toMatch(/^CERTIFICATE_INVALID (bad-key|unsupported-key)$/);
    expect(await make('-newkey', 'rsa:2048', '-addext', '1.2.3.4=critical,ASN1:NULL')).toBe(
      'CERTIFICATE_INVALID unknown-critical-extension',
    );
  });
});
