import { describe, expect, test } from 'vitest';
import { rawDer, refusalOf } from '#test/kit/certs.ts';
import { refuseCertificate, refuseInput } from '../refusal.ts';
import { derAlternativeNames, NO_ALTERNATIVE_NAMES, readAlternativeNames } from './alternative-names.ts';
import { der, derSequence, derString, TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { derName, readName, type DistinguishedName } from './name.ts';
import { derOid, OID } from './oid.ts';

const read = (bytes: Uint8Array): unknown =>
  readName(new DerReader(bytes, refuseCertificate), refuseCertificate);
const attribute = (oid: string, tag: number, text: string): Uint8Array =>
  der(TAG.set, derSequence(derOid(oid), derString(tag, text)));

describe('distinguished names', () => {
  test('ok: all fields, written and read back', () => {
    const name: DistinguishedName = {
      country: 'DE',
      province: 'Berlin',
      locality: 'Berlin',
      organization: ['ops', 'system:masters'],
      organizationalUnit: ['Züge'],
      commonName: 'joe@example.com',
      serialNumber: '4711',
    };
    expect(read(derName(name))).toMatchObject({ ...name, other: [], der: derName(name) });
  });

  test('ok: other types of attributes and of strings', () => {
    const name = derSequence(
      attribute('0.9.2342.19200300.100.1.25', TAG.ia5String, 'example'),
      attribute(OID.commonName, TAG.printableString, "Joe's CA (1)"),
    );
    const expected = {
      other: [{ oid: '0.9.2342.19200300.100.1.25', value: 'example' }],
      commonName: "Joe's CA (1)",
    };
    expect(read(name)).toMatchObject(expected);
  });

  test.each<[string, DistinguishedName]>([
    ['an empty value', { commonName: '' }],
    ['a NUL', { commonName: 'a.com\0.evil.com' }],
    ['a line break', { organization: ['a\nb'] }],
    ['a bidi override', { commonName: 'a\u202eb' }],
    ['space at the end', { commonName: 'a ' }],
    ['more than 256 bytes', { commonName: 'x'.repeat(257) }],
    ['a country of three letters', { country: 'DEU' }],
    ['a country in small letters', { country: 'de' }],
    ['a serial number that is not printable', { serialNumber: 'ä' }],
    ['more than 64 attributes', { organization: Array.from({ length: 65 }, (_, i) => `o${i}`) }],
  ])('refuses to write: %s', (_, name) => {
    expect(refusalOf(() => derName(name))).toBe('BAD_REQUEST name');
  });

  const cn = (tag: number, ...bytes: number[]): Uint8Array =>
    derSequence(der(TAG.set, derSequence(derOid(OID.commonName), rawDer(tag, ...bytes))));
  test.each<[string, Uint8Array, string]>([
    ['a NUL', cn(TAG.utf8String, 0x61, 0, 0x62), 'name'],
    ['bytes that are not UTF-8', cn(TAG.utf8String, 0xff), 'malformed'],
    ['an empty value', cn(TAG.utf8String), 'name'],
    ['a BMPString', cn(0x1e, 0, 0x61), 'name'],
    ['a T61String', cn(0x14, 0x61), 'name'],
    ['a PrintableString with @', cn(TAG.printableString, 0x40), 'name'],
    ['an IA5String beyond ASCII', cn(TAG.ia5String, 0xc3, 0xa4), 'name'],
    [
      'two common names',
      derSequence(attribute(OID.commonName, 12, 'a'), attribute(OID.commonName, 12, 'b')),
      'name',
    ],
    [
      'two attributes in one set',
      derSequence(der(TAG.set, derSequence(derOid('2.5.4.3'), derString(12, 'a')), derSequence())),
      'trailing-bytes',
    ],
    ['an empty set', derSequence(der(TAG.set)), 'malformed'],
    [
      'S33 too many attributes',
      derSequence(...Array.from({ length: 65 }, () => attribute(OID.organization, 12, 'o'))),
      'name',
    ],
  ])('refuses to read: %s', (_, bytes, reason) => {
    expect(refusalOf(() => read(bytes))).toBe(`CERTIFICATE_INVALID ${reason}`);
  });
});

describe('alternative names', () => {
  test('ok: all types, written and read back', () => {
    const names = {
      dnsNames: ['example.com', '*.example.com', 'a_b.local', 'xn--bcher-kva.example', '4f6e.cluster-1'],
      ipAddresses: ['10.0.0.1', '2001:db8::1'],
      uris: ['spiffe://example.com/a?b=c#d', 'urn:uuid:72b70e29'],
      emails: ['joe+x@example.com'],
    };
    const value = derAlternativeNames(names, refuseInput);
    expect(readAlternativeNames(value, refuseCertificate)).toEqual(names);
  });

  test.each<[Partial<typeof NO_ALTERNATIVE_NAMES>]>([
    ...[
      '',
      'a..b',
      '-a.b',
      'a-.b',
      'a*.b',
      '*',
      '*.',
      'a.*.b',
      'a b',
      'a\0.b',
      'bücher.de',
      `${'a'.repeat(64)}.b`,
      'a.'.repeat(127) + 'aa',
    ].map((name) => [{ dnsNames: [name] }] as [Partial<typeof NO_ALTERNATIVE_NAMES>]),
    ...['', '10.0.0', '10.0.0.0/8', '010.0.0.1', 'fe80::1%eth0', 'localhost'].map(
      (ip) => [{ ipAddresses: [ip] }] as [Partial<typeof NO_ALTERNATIVE_NAMES>],
    ),
    ...[
      '',
      'example.com',
      'http:',
      'http://a b',
      'http://a\n',
      'http://ü',
      `a:${'b'.repeat(2048)}`,
      'a:<b>',
      'a:"',
    ].map((uri) => [{ uris: [uri] }] as [Partial<typeof NO_ALTERNATIVE_NAMES>]),
    [{ emails: ['joe'] }],
    [{ emails: ['a b@c'] }],
    [{ emails: ['jöe@example.com'] }],
    [{ dnsNames: Array.from({ length: 513 }, (_, i) => `n${i}`) }],
  ])('refuses both sides: %j', (names) => {
    const all = { ...NO_ALTERNATIVE_NAMES, ...names };
    expect(refusalOf(() => derAlternativeNames(all, refuseInput))).toBe('BAD_REQUEST alternative-name');
    const raw = (tag: number, list: readonly string[]): Uint8Array[] =>
      list.map((text) => rawDer(tag, ...Buffer.from(text)));
    const value = derSequence(
      ...raw(0x82, all.dnsNames),
      ...raw(0x87, all.ipAddresses),
      ...raw(0x86, all.uris),
      ...raw(0x81, all.emails),
    );
    const outcome = refusalOf(() => readAlternativeNames(value, refuseCertificate));
    expect(outcome).toMatch(/^CERTIFICATE_INVALID (alternative-name|malformed)$/);
  });

  test.each([0xa0, 0xa4, 0x88, 0x83])('refuses: another type of name, tag %d', (tag) => {
    const value = derSequence(rawDer(tag, 1));
    expect(refusalOf(() => readAlternativeNames(value, refuseCertificate))).toBe(
      'CERTIFICATE_INVALID alternative-name',
    );
  });
});
