import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp, isInNetwork, parseIp, parseNetwork } from './ip-address.ts';

const almostAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefG:./%'), maxLength: 45 }),
);

describe('addresses', () => {
  test('ok: agrees with node on what an address is', () => {
    fc.assert(
      fc.property(almostAddress, (text) => {
        const family = text.includes('%') ? 0 : isIP(text);
        expect(parseIp(text)?.length, text).toBe(family === 4 ? 4 : family === 6 ? 16 : undefined);
      }),
      { numRuns: 3000 },
    );
  });

  test('ok: what is printed is read back as the same bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    const check = fc.property(bytes, (address) => {
      expect(parseIp(formatIp(address))).toEqual(address);
    });
    fc.assert(check, { numRuns: 1000 });
  });

  test.each([
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ])('ok: %s is printed as %s', (text, printed) => {
    expect(formatIp(parseIp(text)!)).toBe(printed);
  });
});

describe('networks', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '2001:db8::1', false],
    ['0.0.0.0/0', '1.2.3.4', true],
    ['0.0.0.0/0', '::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
  ])('ok: %s holds %s: %s', (network, address, expected) => {
    expect(isInNetwork(parseIp(address)!, parseNetwork(network)!)).toBe(expected);
  });

  test.each([
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '::/129',
    '',
    '/8',
    '1.2.3/8',
    'x',
  ])('refuses: %s', (text) => expect(parseNetwork(text)).toBeUndefined());
});
