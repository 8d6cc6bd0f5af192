// aes128-gcm@openssh.com and aes256-gcm@openssh.com (RFC 5647 as OpenSSH speaks it): the length is clear but
// authenticated, and a counter in the nonce makes the sequence number.
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { DISCONNECT } from '../messages.ts';
import { failure } from './failure.ts';
import { requirePacketLength, unpad, type Opener, type Sealer } from './packet-cipher.ts';

const BLOCK_BYTES = 16;
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;
/** Up to here a packet is copied into one piece; above, three pieces are cheaper than the copy. */
const ONE_PIECE_BYTES = 4096;

export type GcmName = 'aes-128-gcm' | 'aes-256-gcm';

export class GcmSealer implements Sealer {
  readonly blockBytes = BLOCK_BYTES;
  readonly padsLength = false;
  readonly #name: GcmName;
  readonly #key: KeyObject;
  readonly #nonce: Buffer;

  constructor(name: GcmName, key: KeyObject, nonce: Buffer) {
    this.#name = name;
    this.#key = key;
    this.#nonce = nonce;
  }

  seal(packet: Buffer, _sequence: number, out: Buffer[]): void {
    const cipher = createCipheriv(this.#name, this.#key, this.#nonce, OPTIONS);
    cipher.setAAD(packet.subarray(0, 4));
    const body = cipher.update(packet.subarray(4));
    cipher.final();
    const tag = cipher.getAuthTag();
    countUp(this.#nonce);
    if (packet.length > ONE_PIECE_BYTES) {
      out.push(Buffer.from(packet.subarray(0, 4)), body, tag);
      return;
    }
    const whole = Buffer.allocUnsafe(packet.length + TAG_BYTES);
    packet.copy(whole, 0, 0, 4);
    body.copy(whole, 4);
    tag.copy(whole, packet.length);
    out.push(whole);
  }
}

export class GcmOpener implements Opener {
  readonly headerBytes = 4;
  readonly #name: GcmName;
  readonly #key: KeyObject;
  readonly #nonce: Buffer;

  constructor(name: GcmName, key: KeyObject, nonce: Buffer) {
    this.#name = name;
    this.#key = key;
    this.#nonce = nonce;
  }

  measure(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    requirePacketLength(length, length, BLOCK_BYTES);
    return 4 + length + TAG_BYTES;
  }

  open(packet: Buffer): Buffer {
    const end = packet.length - TAG_BYTES;
    const decipher = createDecipheriv(this.#name, this.#key, this.#nonce, OPTIONS);
    decipher.setAAD(packet.subarray(0, 4));
    decipher.setAuthTag(packet.subarray(end));
    const body = decipher.update(packet.subarray(4, end));
    try {
      decipher.final();
    } catch (cause) {
      throw failure('BAD_REQUEST', DISCONNECT.macError, 'a packet is not authentic', cause);
    }
    countUp(this.#nonce);
    return unpad(body);
  }
}

/** The last eight bytes are the counter, RFC 5647 7.1. */
function countUp(nonce: Buffer): void {
  for (let at = 11; at >= 4; at--) {
    const next = ((nonce[at] ?? 0) + 1) & 0xff;
    nonce[at] = next;
    if (next !== 0) return;
  }
}
