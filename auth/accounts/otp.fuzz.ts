// Fuzz target: secrets of one-time codes as a restored cluster brings them, and codes as people type them.
import { decodeOtpSecret, encodeBase32, matchOtp, otpCode, otpCounter } from './otp.ts';

const NOW = 1_800_000_000_000;
const SEEDS = ['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n287082', 'JBSWY3DPEHPK3PXP====\n 12 34-56', 'a\n'];

export const fuzz = {
  name: 'one-time-code',
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  run(input: Uint8Array): void {
    const [secretText = '', code = ''] = Buffer.from(input).toString('utf8').split('\n', 2);
    const secret = decodeOtpSecret(secretText);
    if (Buffer.compare(decodeOtpSecret(encodeBase32(secret)), secret) !== 0)
      throw new Error('base32 does not come back');
    const { counter } = matchOtp(secret, code, NOW, 0);
    if (counter === undefined) return;
    if (Math.abs(counter - otpCounter(NOW)) > 1 || otpCode(secret, counter) !== code.replaceAll(/[ -]/g, ''))
      throw new Error('a code that is not of its time was taken');
  },
};
