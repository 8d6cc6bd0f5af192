// Hand-made certificates, each properly signed and wrong in one point.
import { describe, expect, test } from 'vitest';
import { craftX509, HOUR, makeKeys, NOW, rawDer, refusalOf, type X509Fields } from '#test/kit/certs.ts';
import { refuseInput } from '../refusal.ts';
import {
  der,
  derBitString,
  derContext,
  derInteger,
  derOctetString,
  derSequence,
  DER_NULL,
  DER_TRUE,
  TAG,
} from './der.ts';
import { derExtension } from './extensions.ts';
import { derName } from './name.ts';
import { derOid, OID } from './oid.ts';
import { MAX_X509_BYTES, parseX509 } from './parse.ts';
import { algorithmDer } from './signature-algorithm.ts';
import { derTime } from './time.ts';

const key = makeKeys().p256;
const parsed = (fields: Partial<X509Fields>): string => refusalOf(() => parseX509(craftX509(key, fields)));
const extension = (oid: string, value: Uint8Array, critical = false): Uint8Array =>
  derExtension(derOid(oid), critical, value);
const withExtension = (oid: string, value: Uint8Array, critical = false): Partial<X509Fields> => ({
  extensions: [extension(oid, value, critical)],
});
const integer = (...bytes: number[]): Uint8Array => rawDer(TAG.integer, ...bytes);
const time = (ms: number): Uint8Array => derTime(ms, refuseInput);

describe('parsing', () => {
  test('ok: the crafted certificate is good as it is', () => expect(parsed({})).toBe('accepted'));

  test.each<[string, Partial<X509Fields>, string]>([
    ['version 1', { version: new Uint8Array() }, 'malformed'],
    ['version 2', { version: derContext(0, true, derInteger(Uint8Array.of(1))) }, 'malformed'],
    [
      'a version with more in it',
      { version: derContext(0, true, derInteger(Uint8Array.of(2)), DER_NULL) },
      'trailing-bytes',
    ],
    ['serial zero', { serial: integer(0) }, 'serial'],
    ['a negative serial', { serial: integer(0x80) }, 'malformed'],
    ['a padded serial', { serial: integer(0, 1) }, 'malformed'],
    ['a serial of 21 bytes', { serial: integer(...Array<number>(21).fill(1)) }, 'malformed'],
    ['different algorithms', { innerAlgorithm: algorithmDer('ecdsa-sha384') }, 'signature-algorithm'],
    ['SHA-1', { innerAlgorithm: rsa(5), outerAlgorithm: rsa(5) }, 'signature-algorithm'],
    ['MD5', { innerAlgorithm: rsa(4), outerAlgorithm: rsa(4) }, 'signature-algorithm'],
    ['RSA-PSS', { innerAlgorithm: rsa(10), outerAlgorithm: rsa(10) }, 'signature-algorithm'],
    [
      'ECDSA with NULL parameters',
      { outerAlgorithm: derSequence(derOid('1.2.840.10045.4.3.2'), DER_NULL) },
      'signature-algorithm',
    ],
    [
      'a signature that is not of whole bytes',
      { signature: () => derBitString(Uint8Array.of(1, 2), 3) },
      'malformed',
    ],
    ['an empty signature', { signature: () => derBitString(new Uint8Array()) }, 'malformed'],
    [
      'a validity the wrong way round',
      { validity: derSequence(time(NOW), time(NOW - HOUR)) },
      'validity-bounds',
    ],
    [
      'a validity with three times',
      { validity: derSequence(time(NOW), time(NOW), time(NOW)) },
      'trailing-bytes',
    ],
    ['an empty subject without alternative names', { subject: derSequence() }, 'name'],
    ['a bad issuer', { issuer: derSequence(DER_NULL) }, 'malformed'],
    ['no key', { publicKey: derSequence() }, 'bad-key'],
    [
      'an issuer unique id',
      { extensions: [], afterExtensions: derContext(1, false, Uint8Array.of(0)) },
      'trailing-bytes',
    ],
    [
      'S33 33 extensions',
      { extensions: Array.from({ length: 33 }, (_, i) => extension(`1.2.3.${i}`, DER_NULL)) },
      'extension',
    ],
    [
      'an extension twice',
      { extensions: [extension('1.2.3', DER_NULL), extension('1.2.3', DER_NULL)] },
      'extension',
    ],
    [
      'basic constraints twice',
      {
        extensions: [
          extension(OID.basicConstraints, derSequence()),
          extension(OID.basicConstraints, derSequence(DER_TRUE)),
        ],
      },
      'extension',
    ],
    ['an unknown critical extension', withExtension('1.2.3', DER_NULL, true), 'unknown-critical-extension'],
    [
      'critical name constraints',
      withExtension('2.5.29.30', derSequence(), true),
      'unknown-critical-extension',
    ],
    [
      'a critical flag that says FALSE',
      { extensions: [derSequence(derOid('1.2.3'), rawDer(TAG.boolean, 0), derOctetString(DER_NULL))] },
      'malformed',
    ],
    [
      'a critical flag that is 1',
      { extensions: [derSequence(derOid('1.2.3'), rawDer(TAG.boolean, 1), derOctetString(DER_NULL))] },
      'malformed',
    ],
    [
      'an extension with more in it',
      { extensions: [derSequence(derOid('1.2.3'), derOctetString(DER_NULL), DER_NULL)] },
      'trailing-bytes',
    ],
    [
      'a path length without CA flag',
      withExtension(OID.basicConstraints, derSequence(integer(0))),
      'path-length',
    ],
    [
      'a path length of 17',
      withExtension(OID.basicConstraints, derSequence(DER_TRUE, integer(17))),
      'path-length',
    ],
    [
      'basic constraints with more behind',
      withExtension(OID.basicConstraints, Buffer.concat([derSequence(), DER_NULL])),
      'trailing-bytes',
    ],
    ['an empty key usage', withExtension(OID.keyUsage, rawDer(TAG.bitString, 0)), 'malformed'],
    ['a key usage without bits', withExtension(OID.keyUsage, rawDer(TAG.bitString, 0, 0)), 'malformed'],
    [
      'a key usage with wrong padding',
      withExtension(OID.keyUsage, rawDer(TAG.bitString, 0, 0x80)),
      'malformed',
    ],
    [
      'a key usage with unknown bits',
      withExtension(OID.keyUsage, rawDer(TAG.bitString, 0, 0x80, 1)),
      'malformed',
    ],
    ['an empty extended key usage', withExtension(OID.extKeyUsage, derSequence()), 'malformed'],
    [
      'S33 33 extended key usages',
      withExtension(OID.extKeyUsage, derSequence(...Array.from({ length: 33 }, () => derOid('1.2.3')))),
      'key-usage',
    ],
    ['a key id that is no octet string', withExtension(OID.subjectKeyId, DER_NULL), 'malformed'],
    [
      'an authority key id of another form',
      withExtension(OID.authorityKeyId, derSequence(DER_NULL)),
      'trailing-bytes',
    ],
    [
      'alternative names with a NUL',
      withExtension(OID.subjectAltName, derSequence(rawDer(0x82, 0x61, 0, 0x62))),
      'alternative-name',
    ],
  ])('refuses: %s', (_, fields, reason) => {
    expect(parsed(fields)).toBe(`CERTIFICATE_INVALID ${reason}`);
  });

  test('ok: a critical extension that the caller understands', () => {
    const bytes = craftX509(key, withExtension('1.2.3', DER_NULL, true));
    expect(parseX509(bytes, { understood: ['1.2.3'] }).extensions).toHaveLength(1);
  });

  test('ok: the result does not change with the buffer it was read from', () => {
    const bytes = Buffer.from(craftX509(key));
    const read = parseX509(bytes);
    const name = Buffer.from(read.subject.der).toString('hex');
    bytes.fill(0);
    expect(Buffer.from(read.subject.der).toString('hex')).toBe(name);
  });

  test('refuses: bytes behind, bytes inside, too many bytes, every cut', () => {
    const good = craftX509(key);
    expect(refusalOf(() => parseX509(Buffer.concat([good, Uint8Array.of(0)])))).toBe(
      'CERTIFICATE_INVALID trailing-bytes',
    );
    const more = der(TAG.sequence, good.subarray(4), DER_NULL);
    expect(refusalOf(() => parseX509(more))).toBe('CERTIFICATE_INVALID trailing-bytes');
    expect(refusalOf(() => parseX509(new Uint8Array(MAX_X509_BYTES + 1)))).toBe(
      'CERTIFICATE_INVALID too-large',
    );
    for (let length = 0; length < good.length; length++) {
      expect(refusalOf(() => parseX509(good.subarray(0, length)))).toBe('CERTIFICATE_INVALID malformed');
    }
  });

  test('refuses: a name with a NUL, as subject and as issuer', () => {
    const name = derSequence(
      der(TAG.set, derSequence(derOid(OID.commonName), rawDer(TAG.utf8String, 0x61, 0, 0x62))),
    );
    expect(parsed({ subject: name })).toBe('CERTIFICATE_INVALID name');
    expect(parsed({ issuer: name })).toBe('CERTIFICATE_INVALID name');
    expect(parsed({ issuer: derName({ commonName: 'x' }) })).toBe('accepted');
  });
});

/** PKCS #1 algorithm identifiers by their last arc. */
function rsa(arc: number): Uint8Array {
  return derSequence(derOid(`1.2.840.113549.1.1.${arc}`), DER_NULL);
}
