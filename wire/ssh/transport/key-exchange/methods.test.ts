// All methods of key exchange, held by one suite: both halves get the same secret, and public values that would give it
// away are refused.
import {
  createHash,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  getDiffieHellman,
  type KeyObject,
} from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { KEX_ALGORITHMS } from '../algorithms.ts';
import { KEX_METHODS } from './all.ts';
import { MAX_PUBLIC_BYTES } from './method.ts';

function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return isCode(error) ? error.code : `another exception: ${String(error)}`;
  }
}

describe.each(KEX_ALGORITHMS)('%s', (name) => {
  const method = KEX_METHODS[name];

  test('ok: both ends have the same secret, and another one each time', () => {
    const secrets = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const offer = method.offer();
      const answer = method.answer(offer.message);
      expect(Buffer.from(offer.finish(answer.message))).toEqual(Buffer.from(answer.secret));
      expect(Math.max(offer.message.length, answer.message.length)).toBeLessThanOrEqual(MAX_PUBLIC_BYTES);
      secrets.add(Buffer.from(answer.secret).toString('hex'));
    }
    expect(secrets.size).toBe(3);
  });

  test('S31 refuses: values that are empty, cut, longer, or zero', () => {
    const { message } = method.offer();
    const bad = [new Uint8Array(0), message.subarray(0, -1), Buffer.concat([message, Uint8Array.of(0)])];
    bad.push(new Uint8Array(message.length));
    // A number that is a byte shorter or longer is a number all the same.
    for (const value of name.startsWith('diffie') ? [bad[0]!, bad[3]!] : bad) {
      expect(refusal(() => method.answer(value))).toBe('BAD_REQUEST');
      expect(refusal(() => method.offer().finish(value))).toBe('BAD_REQUEST');
    }
  });
});

// RFC 7748 6.1 and the usual list of points of small order.
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].map((hex) => Buffer.from(hex, 'hex'));

test('S31 refuses: points of small order, alone and in the hybrid', () => {
  const offer = Buffer.from(KEX_METHODS['mlkem768x25519-sha256'].offer().message);
  for (const point of SMALL_ORDER) {
    expect(refusal(() => KEX_METHODS['curve25519-sha256'].answer(point))).toBe('BAD_REQUEST');
    point.copy(offer, 1184);
    expect(refusal(() => KEX_METHODS['mlkem768x25519-sha256'].answer(offer))).toBe('BAD_REQUEST');
  }
});

test('S31 refuses: a key of ML-KEM whose coefficients are not reduced (FIPS 203 7.2)', () => {
  const offer = Buffer.from(KEX_METHODS['mlkem768x25519-sha256'].offer().message);
  offer.fill(0xff, 0, 3);
  expect(refusal(() => KEX_METHODS['mlkem768x25519-sha256'].answer(offer))).toBe('BAD_REQUEST');
});

// No other implementation of it is at hand in the tests, and two ends of ours would agree on any order and encoding.
test('ok: the hybrid as the draft has it: values and secrets of ML-KEM first, their SHA-256 as a string', () => {
  const method = KEX_METHODS['mlkem768x25519-sha256'];
  const kem = generateKeyPairSync('ml-kem-768');
  const curve = generateKeyPairSync('x25519');
  const rawX25519 = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' }).subarray(-32);
  const kemPublic = kem.publicKey.export({ format: 'der', type: 'spki' }).subarray(-1184);
  const answer = method.answer(Buffer.concat([kemPublic, rawX25519(curve.publicKey)]));
  expect(answer.message.length).toBe(1088 + 32);
  const theirs = createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(answer.message.subarray(1088)).toString('base64url') },
    format: 'jwk',
  });
  const kemSecret = decapsulate(kem.privateKey, answer.message.subarray(0, 1088));
  const curveSecret = diffieHellman({ privateKey: curve.privateKey, publicKey: theirs });
  const combined = createHash('sha256').update(kemSecret).update(curveSecret).digest();
  expect(Buffer.from(answer.secret)).toEqual(Buffer.concat([Buffer.from([0, 0, 0, 32]), combined]));
});

test('ok: a ciphertext of ML-KEM that was altered gives another secret, as FIPS 203 has it', () => {
  const method = KEX_METHODS['mlkem768x25519-sha256'];
  const offer = method.offer();
  const answer = method.answer(offer.message);
  const altered = Buffer.from(answer.message);
  altered[0] = (altered[0] ?? 0) ^ 1;
  expect(Buffer.from(offer.finish(altered))).not.toEqual(Buffer.from(answer.secret));
});

test('S31 refuses: points that are not on the curve, compressed, or infinite', () => {
  const method = KEX_METHODS['ecdh-sha2-nistp256'];
  const point = Buffer.from(method.offer().message);
  const offCurve = Buffer.from(point);
  offCurve[64] = (offCurve[64] ?? 0) ^ 1;
  const compressed = Buffer.concat([Uint8Array.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33)]);
  for (const value of [offCurve, compressed, Uint8Array.of(0)]) {
    expect(refusal(() => method.answer(value))).toBe('BAD_REQUEST');
  }
});

test.each([
  ['diffie-hellman-group14-sha256', 'modp14'],
  ['diffie-hellman-group16-sha512', 'modp16'],
] as const)('S31 refuses: numbers at the ends of %s', (name, group) => {
  const prime = getDiffieHellman(group).getPrime();
  const plus = (delta: number): Buffer => {
    const number = (BigInt(`0x${prime.toString('hex')}`) + BigInt(delta)).toString(16);
    return Buffer.concat([Uint8Array.of(0), Buffer.from(number, 'hex')]);
  };
  const bad = [
    Uint8Array.of(0),
    Uint8Array.of(1),
    Uint8Array.of(0x80),
    Uint8Array.of(0, 2),
    plus(-1),
    plus(0),
    plus(1),
  ];
  for (const value of bad) expect(refusal(() => KEX_METHODS[name].answer(value))).toBe('BAD_REQUEST');
  for (const value of [Uint8Array.of(2), plus(-2)])
    expect(refusal(() => KEX_METHODS[name].answer(value))).toBe('accepted');
});
