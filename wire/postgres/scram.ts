// SCRAM-SHA-256 (RFC 5802, RFC 7677) from the side of the client, for databases that ask for a password. Without channel
// binding: the certificate of the server is verified before, and a password is only used where that is so.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { GatehouseError } from '#core/errors/error.ts';
import { malformed } from './malformed.ts';

export const SCRAM_MECHANISM = 'SCRAM-SHA-256';

const NONCE_BYTES = 18;
/** A server must not keep this process busy. */
const MAX_ITERATIONS = 1_000_000;
const HASH_BYTES = 32;
const HEADER = 'n,,';
const derive = promisify(pbkdf2);

export interface ScramExchange {
  /** The first answer, which begins the exchange. */
  readonly first: string;
  /** Answers the challenge of the server; BAD_REQUEST when it is none. */
  respond(challenge: string): Promise<string>;
  /** UNAUTHENTICATED unless the server proved that it knows the password too. */
  verify(final: string): void;
}

/** `nonce` is for tests. */
export function beginScram(
  password: string,
  nonce = randomBytes(NONCE_BYTES).toString('base64'),
): ScramExchange {
  const bare = `n=,r=${nonce}`;
  let expected: Buffer | undefined;
  return {
    first: HEADER + bare,
    async respond(challenge) {
      const { r = '', s = '', i = '' } = attributes(challenge);
      const iterations = /^\d{1,7}$/.test(i) ? Number(i) : 0;
      if (!r.startsWith(nonce) || r === nonce) throw malformed('the nonce of SCRAM is not ours');
      if (iterations < 1 || iterations > MAX_ITERATIONS) throw malformed('SCRAM wants too many iterations');
      const normal = password.normalize('NFKC');
      const salted = await derive(normal, Buffer.from(s, 'base64'), iterations, HASH_BYTES, 'sha256');
      const clientKey = hmac(salted, 'Client Key');
      const storedKey = createHash('sha256').update(clientKey).digest();
      const withoutProof = `c=${Buffer.from(HEADER).toString('base64')},r=${r}`;
      const exchanged = `${bare},${challenge},${withoutProof}`;
      const signature = hmac(storedKey, exchanged);
      const proof = clientKey.map((byte, n) => byte ^ (signature[n] ?? 0));
      expected = hmac(hmac(salted, 'Server Key'), exchanged);
      return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
    },
    verify(final) {
      const given = Buffer.from(attributes(final)['v'] ?? '', 'base64');
      if (expected !== undefined && given.length === expected.length && timingSafeEqual(given, expected))
        return;
      throw new GatehouseError('UNAUTHENTICATED', 'the database did not prove that it knows the password');
    },
  };
}

function attributes(text: string): Record<string, string> {
  return Object.fromEntries(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
