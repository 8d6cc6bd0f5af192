// The two halves of a cookie and what is kept of them. The id is public and finds the record without comparing secrets;
// the secret is compared with its hash in a time that tells nothing (S12).
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const ID_BYTES = 16;
const SECRET_BYTES = 32;

export interface Halves {
  readonly id: string;
  readonly secret: string;
}

/** 128 random bits in hex, and 256 in base64url. */
export function newHalves(): Halves {
  return {
    id: randomBytes(ID_BYTES).toString('hex'),
    secret: randomBytes(SECRET_BYTES).toString('base64url'),
  };
}

/** SHA-256, base64url. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

export function isSecret(secret: string, hash: string | undefined): boolean {
  if (hash === undefined) return false;
  const [own, kept] = [Buffer.from(hashOf(secret)), Buffer.from(hash)];
  return own.length === kept.length && timingSafeEqual(own, kept);
}

/** The name of a launch: the code itself is kept nowhere. */
export function launchName(code: string): string {
  return createHash('sha256').update(code).digest('hex');
}
