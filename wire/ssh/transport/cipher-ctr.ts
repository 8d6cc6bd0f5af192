// AES in counter mode with an HMAC, for clients without GCM: over the ciphertext (*-etm@openssh.com) or, the old way,
// over the plaintext (RFC 4344, RFC 6668). Both ciphers are streams that live as long as the keys.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Cipheriv, Decipheriv, KeyObject } from 'node:crypto';
import { DISCONNECT } from '../messages.ts';
import type { MacAlgorithm } from './algorithms.ts';
import { failure } from './failure.ts';
import { requirePacketLength, unpad, type Opener, type Sealer } from './packet-cipher.ts';

const BLOCK_BYTES = 16;

export class CtrSealer implements Sealer {
  readonly blockBytes = BLOCK_BYTES;
  readonly padsLength: boolean;
  readonly #cipher: Cipheriv;
  readonly #mac: MacAlgorithm;
  readonly #macKey: KeyObject;

  constructor(cipher: Cipheriv, mac: MacAlgorithm, macKey: KeyObject) {
    this.padsLength = !mac.isEtm;
    this.#cipher = cipher;
    this.#mac = mac;
    this.#macKey = macKey;
  }

  seal(packet: Buffer, sequence: number, out: Buffer[]): void {
    if (this.#mac.isEtm) {
      const length = Buffer.from(packet.subarray(0, 4));
      const body = this.#cipher.update(packet.subarray(4));
      out.push(length, body, tagOf(this.#mac, this.#macKey, sequence, length, body));
    } else {
      const tag = tagOf(this.#mac, this.#macKey, sequence, packet);
      out.push(this.#cipher.update(packet), tag);
    }
  }
}

export class EtmOpener implements Opener {
  readonly headerBytes = 4;
  readonly #cipher: Decipheriv;
  readonly #mac: MacAlgorithm;
  readonly #macKey: KeyObject;

  constructor(cipher: Decipheriv, mac: MacAlgorithm, macKey: KeyObject) {
    this.#cipher = cipher;
    this.#mac = mac;
    this.#macKey = macKey;
  }

  measure(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    requirePacketLength(length, length, BLOCK_BYTES);
    return 4 + length + this.#mac.bytes;
  }

  open(packet: Buffer, sequence: number): Buffer {
    const end = packet.length - this.#mac.bytes;
    requireTag(tagOf(this.#mac, this.#macKey, sequence, packet.subarray(0, end)), packet.subarray(end));
    return unpad(this.#cipher.update(packet.subarray(4, end)));
  }
}

/** Encrypt-and-MAC: the length is enciphered, so the first block is opened to measure. */
export class PlainMacOpener implements Opener {
  readonly headerBytes = BLOCK_BYTES;
  readonly #cipher: Decipheriv;
  readonly #mac: MacAlgorithm;
  readonly #macKey: KeyObject;
  #first: Buffer = Buffer.alloc(0);

  constructor(cipher: Decipheriv, mac: MacAlgorithm, macKey: KeyObject) {
    this.#cipher = cipher;
    this.#mac = mac;
    this.#macKey = macKey;
  }

  measure(bytes: Buffer, at: number): number {
    this.#first = this.#cipher.update(bytes.subarray(at, at + BLOCK_BYTES));
    const length = this.#first.readUInt32BE(0);
    requirePacketLength(length, length + 4, BLOCK_BYTES);
    return 4 + length + this.#mac.bytes;
  }

  open(packet: Buffer, sequence: number): Buffer {
    const end = packet.length - this.#mac.bytes;
    const rest = this.#cipher.update(packet.subarray(BLOCK_BYTES, end));
    const plain = Buffer.concat([this.#first, rest], end);
    requireTag(tagOf(this.#mac, this.#macKey, sequence, plain), packet.subarray(end));
    return unpad(plain, 4);
  }
}

function tagOf(mac: MacAlgorithm, key: KeyObject, sequence: number, bytes: Buffer, more?: Buffer): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(sequence);
  const hmac = createHmac(mac.hash, key).update(head).update(bytes);
  return (more === undefined ? hmac : hmac.update(more)).digest();
}

function requireTag(computed: Buffer, given: Buffer): void {
  if (timingSafeEqual(computed, given)) return;
  throw failure('BAD_REQUEST', DISCONNECT.macError, 'a packet is not authentic');
}
