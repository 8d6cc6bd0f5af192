// One-time codes by time (RFC 6238: SHA-1, six digits, 30 seconds), which every authenticator app speaks. Pure but for
// the making of a secret; who has used which code is kept by the caller.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';

const STEP_MS = 30_000;
const DIGITS = 6;
/** The length of the hash, as RFC 4226 recommends. */
const SECRET_BYTES = 20;
/** Clocks of phones are allowed to be one step off, both ways. */
const SKEW = [1, 0, -1] as const;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const MAX_BASE32_LENGTH = 256;
/** 80 bits, the least that authenticator apps were ever given. */
const MIN_SECRET_BYTES = 10;

/** Base32, for the record and the authenticator app. */
export function newOtpSecret(): Secret {
  return new Secret(encodeBase32(randomBytes(SECRET_BYTES)));
}

/** What an authenticator app reads from a QR code. */
export function otpUri(issuer: string, user: string, secret: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(user)}`;
  const query = `secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${DIGITS}&period=30`;
  return `otpauth://totp/${label}?${query}`;
}

/** The code of one time step (RFC 4226, 5.3). */
export function otpCode(secret: Uint8Array, counter: number, digits: number = DIGITS): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', secret).update(message).digest();
  const offset = (mac.at(-1) ?? 0) & 0x0f;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** `now` in milliseconds since the epoch. */
export const otpCounter = (now: number): number => Math.floor(now / STEP_MS);

/**
 * The newest time step around `now` that the code is of; undefined when it is of none, or of none after
 * `lastCounter`: a code counts once. Takes the same time whatever the code is. `isReplay` tells the two apart.
 */
export function matchOtp(
  secret: Uint8Array,
  code: string,
  now: number,
  lastCounter: number,
): { readonly counter?: number; readonly isReplay: boolean } {
  const given = Buffer.alloc(DIGITS);
  const digits = code.replaceAll(/[ -]/g, '');
  const isCode = /^[0-9]{6}$/.test(digits);
  given.write(isCode ? digits : '', 'latin1');
  const matches = SKEW.map((skew) => Math.max(0, otpCounter(now) + skew)).filter((counter) =>
    timingSafeEqual(Buffer.from(otpCode(secret, counter), 'latin1'), given),
  );
  const counter = isCode ? matches.find((match) => match > lastCounter) : undefined;
  return counter === undefined ? { isReplay: isCode && matches.length > 0 } : { counter, isReplay: false };
}

export function encodeBase32(bytes: Uint8Array): string {
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(value >>> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31];
}

/** CORRUPT when it is not base32 (with padding or without) of at least ten bytes. The message holds none of it. */
export function decodeOtpSecret(text: string): Uint8Array {
  const bytes = text.length > MAX_BASE32_LENGTH ? undefined : decodeBase32(text);
  if (bytes !== undefined && bytes.byteLength >= MIN_SECRET_BYTES) return bytes;
  throw new GatehouseError(
    'CORRUPT',
    'a stored secret of one-time codes cannot be used; reset the credentials of the user with `gatectl users reset`',
  );
}

function decodeBase32(text: string): Uint8Array | undefined {
  const letters = text.toUpperCase().replace(/={1,6}$/, '');
  if (!/^[A-Z2-7]+$/.test(letters)) return undefined;
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of letters) {
    value = ((value << 5) | ALPHABET.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
    }
  }
  return Uint8Array.from(bytes);
}
