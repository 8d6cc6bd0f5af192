// From the secret of an exchange to the ciphers of both directions (RFC 4253 7.2), and the hash that is signed (8).
import { createCipheriv, createDecipheriv, createHash, createSecretKey } from 'node:crypto';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { CtrSealer, EtmOpener, PlainMacOpener } from './cipher-ctr.ts';
import { GcmOpener, GcmSealer, type GcmName } from './cipher-gcm.ts';
import type { Direction } from './kex-init.ts';
import type { KexMethod } from './key-exchange/method.ts';
import type { Opener, Sealer } from './packet-cipher.ts';

export interface ExchangeTranscript {
  readonly clientVersion: string;
  readonly serverVersion: string;
  readonly clientInit: Uint8Array;
  readonly serverInit: Uint8Array;
  readonly hostKey: Uint8Array;
  readonly offer: Uint8Array;
  readonly answer: Uint8Array;
  /** Encoded. */
  readonly secret: Uint8Array;
}

export function hashExchange(hash: KexMethod['hash'], transcript: ExchangeTranscript): Buffer {
  const writer = new WireWriter(8192)
    .string(transcript.clientVersion)
    .string(transcript.serverVersion)
    .string(transcript.clientInit)
    .string(transcript.serverInit)
    .string(transcript.hostKey)
    .string(transcript.offer)
    .string(transcript.answer)
    .raw(transcript.secret);
  return createHash(hash).update(writer.view()).digest();
}

export interface KeyMaterial {
  readonly hash: KexMethod['hash'];
  readonly secret: Uint8Array;
  readonly exchangeHash: Uint8Array;
  readonly sessionId: Uint8Array;
}

type Way = 'toServer' | 'toClient';
const LETTERS = {
  toServer: { iv: 'A', key: 'C', mac: 'E' },
  toClient: { iv: 'B', key: 'D', mac: 'F' },
} as const;

export function makeSealer(material: KeyMaterial, way: Way, { cipher, mac }: Direction): Sealer {
  const letters = LETTERS[way];
  const key = createSecretKey(derive(material, letters.key, cipher.keyBytes));
  const iv = derive(material, letters.iv, cipher.ivBytes);
  if (mac === undefined) return new GcmSealer(gcmName(cipher.node), key, iv);
  const macKey = createSecretKey(derive(material, letters.mac, mac.bytes));
  return new CtrSealer(createCipheriv(cipher.node, key, iv), mac, macKey);
}

export function makeOpener(material: KeyMaterial, way: Way, { cipher, mac }: Direction): Opener {
  const letters = LETTERS[way];
  const key = createSecretKey(derive(material, letters.key, cipher.keyBytes));
  const iv = derive(material, letters.iv, cipher.ivBytes);
  if (mac === undefined) return new GcmOpener(gcmName(cipher.node), key, iv);
  const macKey = createSecretKey(derive(material, letters.mac, mac.bytes));
  const decipher = createDecipheriv(cipher.node, key, iv);
  return mac.isEtm ? new EtmOpener(decipher, mac, macKey) : new PlainMacOpener(decipher, mac, macKey);
}

function gcmName(name: Direction['cipher']['node']): GcmName {
  return name === 'aes-256-gcm' ? name : 'aes-128-gcm';
}

function derive(material: KeyMaterial, letter: string, bytes: number): Buffer {
  const { hash, secret, exchangeHash, sessionId } = material;
  let key = createHash(hash).update(secret).update(exchangeHash).update(letter).update(sessionId).digest();
  while (key.length < bytes) {
    const more = createHash(hash).update(secret).update(exchangeHash).update(key).digest();
    key = Buffer.concat([key, more]);
  }
  return key.subarray(0, bytes);
}
