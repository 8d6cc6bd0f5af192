import { describe, expect, test } from 'vitest';
import { rawDer, refusalOf } from '#test/kit/certs.ts';
import { refuseInput } from '../refusal.ts';
import { der, derInteger, derSequence, TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { decodeOid, derOid, isOid } from './oid.ts';
import { derTime, readTime } from './time.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const read = (text: string): DerReader => new DerReader(hex(text), refuseInput);

describe('encoding', () => {
  test.each([
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_536, '0483010000'],
  ])('ok: a length of %d', (length, header) => {
    const element = der(TAG.octetString, new Uint8Array(length));
    expect(toHex(element).startsWith(header)).toBe(true);
    const reader = new DerReader(element, refuseInput);
    expect(reader.content(TAG.octetString, 'x').length).toBe(length);
    reader.end('x');
  });

  test.each([
    ['', '020100'],
    ['00', '020100'],
    ['7f', '02017f'],
    ['80', '02020080'],
    ['0080', '02020080'],
    ['000001', '020101'],
  ])('ok: integer %s', (magnitude, expected) => {
    expect(toHex(derInteger(hex(magnitude)))).toBe(expected);
  });
});

describe('reading', () => {
  test.each([
    ['nothing', ''],
    ['a cut length', '04'],
    ['a cut body', '0405000000'],
    ['an indefinite length', '04800000'],
    ['a length of four bytes', '048400000001ff'],
    ['a length that could be shorter', '048101ff'],
    ['a length with a leading zero', `04820080${'00'.repeat(128)}`],
    ['a long tag', '1f810100'],
    ['another tag', '0500'],
  ])('refuses: %s', (_, bytes) => {
    expect(refusalOf(() => read(bytes).content(TAG.octetString, 'x'))).toBe('BAD_REQUEST malformed');
  });

  test.each(['0200', '020180', '0202007f', '02020000'])('refuses: the integer %s', (bytes) => {
    expect(refusalOf(() => read(bytes).unsigned('x', 4))).toBe('BAD_REQUEST malformed');
  });

  test.each(['0100', '010100', '010101', '0102ffff'])('refuses: the boolean %s', (bytes) => {
    expect(refusalOf(() => read(bytes).defaultFalse('x'))).toBe('BAD_REQUEST malformed');
  });

  test.each(['0300', '030100', '03020101', '03020800'])('refuses: the bit string %s', (bytes) => {
    expect(refusalOf(() => read(bytes).wholeBits('x'))).toBe('BAD_REQUEST malformed');
  });

  test('refuses: bytes after the end', () => {
    expect(refusalOf(() => read('0500').end('x'))).toBe('BAD_REQUEST trailing-bytes');
  });
});

describe('object identifiers', () => {
  test.each([
    '1.2.840.113549.1.1.11',
    '2.5.4.3',
    '0.39',
    '1.0',
    '2.999',
    '2.25.340282366920938463463374607431768211455.1',
  ])('ok: %s', (oid) => {
    expect(isOid(oid)).toBe(true);
    expect(new DerReader(derOid(oid), refuseInput).oid('x')).toBe(oid);
  });

  test.each(['', '1', '3.1', '1.40', '1.2.', '1.02', 'a.b', '1.2.-3', `2.${'9'.repeat(190)}`])(
    'refuses: %s as text',
    (oid) => {
      expect(isOid(oid)).toBe(false);
    },
  );

  test.each(['', '80', '8001', '2a8001', '2a81', 'ff'.repeat(64) + '7f'])('refuses: %s as bytes', (bytes) => {
    expect(refusalOf(() => decodeOid(hex(bytes), refuseInput))).toBe('BAD_REQUEST malformed');
  });
});

describe('times', () => {
  const roundTrip = (iso: string): number => {
    const reader = new DerReader(derTime(Date.parse(iso), refuseInput), refuseInput);
    return readTime(reader, refuseInput);
  };
  test.each([
    ['1950-01-01T00:00:00Z', TAG.utcTime],
    ['2049-12-31T23:59:59Z', TAG.utcTime],
    ['2050-01-01T00:00:00Z', TAG.generalizedTime],
    ['9999-12-31T23:59:59Z', TAG.generalizedTime],
  ])('ok: %s', (iso, tag) => {
    expect(roundTrip(iso)).toBe(Date.parse(iso));
    expect(derTime(Date.parse(iso), refuseInput)[0]).toBe(tag);
  });

  test.each([Number.NaN, Infinity, Date.UTC(1949, 11, 31), Date.UTC(10_000, 0, 1)])(
    'refuses: to write %d',
    (ms) => {
      expect(refusalOf(() => derTime(ms, refuseInput))).toBe('BAD_REQUEST validity-bounds');
    },
  );

  test.each([
    [TAG.utcTime, '2601010000Z'],
    [TAG.utcTime, '260101000000+0000'],
    [TAG.utcTime, '260631000000Z'],
    [TAG.utcTime, '260101240000Z'],
    [TAG.utcTime, '260101000060Z'],
    [TAG.utcTime, '20500101000000Z'],
    [TAG.generalizedTime, '20490101000000Z'],
    [TAG.generalizedTime, '20500101000000.5Z'],
    [TAG.generalizedTime, '20500229000000Z'],
    [TAG.octetString, '260101000000Z'],
  ])('refuses: to read tag %d %s', (tag, text) => {
    const element = rawDer(tag, ...Buffer.from(text));
    expect(refusalOf(() => readTime(new DerReader(element, refuseInput), refuseInput))).toBe(
      'BAD_REQUEST malformed',
    );
  });

  test('ok: an empty sequence', () => expect(toHex(derSequence())).toBe('3000'));
});
