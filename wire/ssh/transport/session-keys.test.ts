// Keys as RFC 4253 7.2 has them, derived a second time here: two ends of ours would also agree on wrong ones.
import { createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CIPHERS, MACS } from './algorithms.ts';
import type { Direction } from './kex-init.ts';
import { makeOpener, makeSealer, type KeyMaterial } from './session-keys.ts';

// Unlike each other, as they are in every exchange but the first.
const exchangeHash = Buffer.alloc(32, 0xe5);
const sessionId = Buffer.alloc(32, 0x1d);
const secret = Buffer.from('0000000300abcd', 'hex');

/** K1 = HASH(K || H || X || session_id), K2 = HASH(K || H || K1), K3 = HASH(K || H || K1 || K2). */
function keyOf(hash: string, letter: string, bytes: number): Buffer {
  const digest = (...parts: readonly (Buffer | string)[]): Buffer => {
    const made = createHash(hash);
    for (const part of parts) made.update(part);
    return made.digest();
  };
  const one = digest(secret, exchangeHash, letter, sessionId);
  const two = digest(secret, exchangeHash, one);
  const three = digest(secret, exchangeHash, one, two);
  return Buffer.concat([one, two, three]).subarray(0, bytes);
}

const LETTERS = { toServer: ['A', 'C', 'E'], toClient: ['B', 'D', 'F'] } as const;
const payload = Buffer.alloc(20, 'payload');
/** Length, padding length, payload, padding. Whole blocks with the length, or, for GCM, without. */
function packetOf(bytes: number): Buffer {
  const packet = randomBytes(bytes);
  packet.writeUInt32BE(bytes - 4, 0);
  packet[4] = bytes - 5 - payload.length;
  payload.copy(packet, 5);
  return packet;
}

interface Sealed {
  readonly packet: Buffer;
  readonly bytes: Buffer;
}

/** Packet number 7, which the opener of the same direction opens. */
function sealed(material: KeyMaterial, way: 'toServer' | 'toClient', direction: Direction): Sealed {
  const packet = packetOf(direction.mac === undefined ? 52 : 48);
  const out: Buffer[] = [];
  makeSealer(material, way, direction).seal(Buffer.from(packet), 7, out);
  const bytes = Buffer.concat(out);
  const opener = makeOpener(material, way, direction);
  expect(opener.measure(bytes, 0, 7)).toBe(bytes.length);
  expect(opener.open(Buffer.from(bytes), 7)).toEqual(payload);
  return { packet, bytes };
}

describe.each(['toServer', 'toClient'] as const)('%s', (way) => {
  test.each(['sha256', 'sha384', 'sha512'] as const)(
    'ok: keys of a later exchange are bound to the session, %s',
    (hash) => {
      const material: KeyMaterial = { hash, secret, exchangeHash, sessionId };
      const [iv = '', key = '', mac = ''] = LETTERS[way];
      for (const cipher of CIPHERS) {
        const keyBytes = keyOf(hash, key, cipher.keyBytes);
        const ivBytes = keyOf(hash, iv, cipher.ivBytes);
        if (cipher.mode === 'gcm') {
          const { packet, bytes } = sealed(material, way, { cipher, mac: undefined });
          const decipher = createDecipheriv(cipher.node as 'aes-128-gcm', keyBytes, ivBytes);
          decipher.setAAD(bytes.subarray(0, 4)).setAuthTag(bytes.subarray(-16));
          const plain = Buffer.concat([decipher.update(bytes.subarray(4, -16)), decipher.final()]);
          expect(plain).toEqual(packet.subarray(4));
          continue;
        }
        for (const algorithm of MACS.filter(({ isEtm }) => !isEtm)) {
          const { packet, bytes } = sealed(material, way, { cipher, mac: algorithm });
          const body = bytes.subarray(0, -algorithm.bytes);
          expect(createDecipheriv(cipher.node, keyBytes, ivBytes).update(body)).toEqual(packet);
          const hmac = createHmac(algorithm.hash, keyOf(hash, mac, algorithm.bytes));
          expect(
            hmac
              .update(Buffer.from([0, 0, 0, 7]))
              .update(packet)
              .digest(),
          ).toEqual(bytes.subarray(-algorithm.bytes));
        }
      }
    },
  );
});
