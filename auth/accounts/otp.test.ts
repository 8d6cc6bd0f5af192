// One-time codes against the vectors of RFC 4226 and RFC 6238, with their window and replays; base32.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from './otp.fuzz.ts';
import { decodeOtpSecret, encodeBase32, matchOtp, newOtpSecret, otpCode, otpCounter, otpUri } from './otp.ts';

const SECRET = Buffer.from('12345678901234567890');
const NOW = 1_234_567_890_000;

describe('one-time codes', () => {
  // RFC 6238, appendix B.
  test.each([
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ])('ok: RFC 6238 at %i s', (seconds, code) => {
    expect(otpCode(SECRET, otpCounter(seconds * 1000), 8)).toBe(code);
    expect(otpCode(SECRET, otpCounter(seconds * 1000))).toBe(code.slice(2));
  });

  // RFC 4226, appendix D.
  test.each([
    '755224',
    '287082',
    '359152',
    '969429',
    '338314',
    '254676',
    '287922',
    '162583',
    '399871',
    '520489',
  ])('ok: RFC 4226 %s', (code) => {
    const all = Array.from({ length: 10 }, (_, counter) => otpCode(SECRET, counter));
    expect(all).toContain(code);
  });

  test.each([
    ['ok: this step', 0, true],
    ['ok: the step before, for a slow clock', -1, true],
    ['ok: the next step, for a fast clock', 1, true],
    ['refuses: two steps before', -2, false],
    ['refuses: two steps after', 2, false],
  ])('%s', (_title, skew, isTaken) => {
    const counter = otpCounter(NOW) + skew;
    const code = otpCode(SECRET, counter);
    expect(matchOtp(SECRET, code, NOW, 0)).toEqual(
      isTaken ? { counter, isReplay: false } : { isReplay: false },
    );
  });

  test.each([
    ['nothing', ''],
    ['five digits', '12345'],
    ['seven digits', '1234567'],
    ['letters', 'abcdef'],
    ['other digits', '١٢٣٤٥٦'],
    ['NULs', '\0\0\0\0\0\0'],
    ['sixteen characters', '0'.repeat(16)],
  ])('refuses: %s', (_title, code) => {
    expect(matchOtp(SECRET, code, NOW, 0)).toEqual({ isReplay: false });
  });

  test('ok: spaces and dashes, as apps show them', () => {
    const code = otpCode(SECRET, otpCounter(NOW));
    expect(matchOtp(SECRET, `${code.slice(0, 3)} ${code.slice(3)}`, NOW, 0).counter).toBe(otpCounter(NOW));
    expect(matchOtp(SECRET, `${code.slice(0, 3)}-${code.slice(3)}`, NOW, 0).counter).toBe(otpCounter(NOW));
  });

  test('refuses: a code of the last step that was taken, or of one before it', () => {
    const now = otpCounter(NOW);
    for (const skew of [-1, 0]) {
      expect(matchOtp(SECRET, otpCode(SECRET, now + skew), NOW, now)).toEqual({ isReplay: true });
    }
    expect(matchOtp(SECRET, otpCode(SECRET, now + 1), NOW, now)).toMatchObject({ counter: now + 1 });
  });

  test('ok: a code is good once, whatever the order of tries', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 40 }), (skews) => {
        let last = 0;
        const taken: number[] = [];
        for (const skew of skews) {
          const { counter } = matchOtp(SECRET, otpCode(SECRET, otpCounter(NOW) + skew), NOW, last);
          if (counter === undefined) continue;
          taken.push(counter);
          last = counter;
        }
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken).toEqual([...taken].sort((a, b) => a - b));
      }),
    );
  });
});

describe('secrets', () => {
  test('S7 new secrets are 160 random bits', () => {
    const secrets = Array.from({ length: 50 }, () => newOtpSecret().reveal());
    expect(new Set(secrets).size).toBe(50);
    for (const secret of secrets) expect(decodeOtpSecret(secret)).toHaveLength(20);
    expect(String(newOtpSecret())).toBe('[redacted]');
  });

  test('ok: base32 comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 10, maxLength: 100 }), (bytes) => {
        expect(decodeOtpSecret(encodeBase32(bytes))).toEqual(bytes);
        expect(decodeOtpSecret(encodeBase32(bytes).toLowerCase())).toEqual(bytes);
      }),
    );
    expect(encodeBase32(Buffer.from('foobar'))).toBe('MZXW6YTBOI');
  });

  test.each([
    ['nothing', ''],
    ['too short', 'MZXW6YTBOI'],
    ['letters that are none of base32', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1'],
    ['too long', 'A'.repeat(257)],
  ])('refuses: %s', (_title, text) => {
    expect(() => decodeOtpSecret(text)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });

  test('ok: the link that apps read', () => {
    const uri = new URL(otpUri('main.example.com', 'joe+x@example.com', 'GEZDGNBV'));
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(decodeURIComponent(uri.pathname)).toBe('/main.example.com:joe+x@example.com');
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: 'GEZDGNBV',
      issuer: 'main.example.com',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
  });

  test('ok: the seeds of the fuzz target', () => {
    expect(() => fuzz.run(fuzz.seeds[0]!)).not.toThrow();
  });
});
