import { describe, expect, test } from 'vitest';
import { refusalOf } from '#test/kit/certs.ts';
import { refuseInput } from '../refusal.ts';
import { WireReader, WireWriter } from './wire.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const read = (text: string): WireReader => new WireReader(hex(text), refuseInput);

describe('writing', () => {
  test('ok: all types, beyond the size that was expected', () => {
    const writer = new WireWriter(1)
      .uint32(1)
      .uint64(2n ** 64n - 1n)
      .string('é')
      .string(Uint8Array.of(9))
      .nested((inner) => inner.string('').nested((deep) => deep.raw(Uint8Array.of(7))))
      .nested(() => {});
    const expected =
      '00000001' +
      'ffffffffffffffff' +
      '00000002c3a9' +
      '0000000109' +
      '000000090000000000000001' +
      '07' +
      '00000000';
    expect(toHex(writer.finish())).toBe(expected);
  });

  test.each([
    ['', '00000000'],
    ['00', '00000000'],
    ['7f', '000000017f'],
    ['80', '000000020080'],
    ['0000ff', '0000000200ff'],
  ])('ok: mpint %s', (magnitude, expected) => {
    expect(toHex(new WireWriter().mpint(hex(magnitude)).finish())).toBe(expected);
  });

  test('ok: what is finished does not change when the writer goes on', () => {
    const writer = new WireWriter(64).string('a');
    const done = writer.finish();
    writer.string('b');
    expect(toHex(done)).toBe('0000000161');
    expect(done.buffer.byteLength).toBe(done.length);
  });
});

describe('reading', () => {
  test('ok: all types', () => {
    const reader = read('00000001ffffffffffffffff00000002c3a90000000200800102');
    expect(reader.uint32('x')).toBe(1);
    expect(reader.uint64('x')).toBe(2n ** 64n - 1n);
    expect(reader.text('x', 2)).toBe('é');
    expect(toHex(reader.mpint('x', 1))).toBe('80');
    expect(toHex(reader.raw(2, 'x'))).toBe('0102');
    expect(reader.isDone).toBe(true);
    reader.end('x');
  });

  test.each<[string, string, (reader: WireReader) => unknown, string]>([
    ['a cut number', '000000', (reader) => reader.uint32('x'), 'malformed'],
    ['a cut long number', '00000000000000', (reader) => reader.uint64('x'), 'malformed'],
    [
      'S33 a string longer than what is left',
      '7fffffff00',
      (reader) => reader.bytes('x', 2 ** 31),
      'malformed',
    ],
    ['S33 a string above its limit', '00000003616263', (reader) => reader.bytes('x', 2), 'too-large'],
    ['text that is not UTF-8', '00000001ff', (reader) => reader.text('x', 9), 'malformed'],
    ['a negative mpint', '0000000180', (reader) => reader.mpint('x', 9), 'malformed'],
    ['an empty mpint', '00000000', (reader) => reader.mpint('x', 9), 'malformed'],
    ['a zero mpint', '0000000100', (reader) => reader.mpint('x', 9), 'malformed'],
    ['a padded mpint', '00000002007f', (reader) => reader.mpint('x', 9), 'malformed'],
    ['bytes left over', '00', (reader) => reader.end('x'), 'trailing-bytes'],
  ])('refuses: %s', (_, bytes, call, reason) => {
    expect(refusalOf(() => call(read(bytes)))).toBe(`BAD_REQUEST ${reason}`);
  });
});
