// What the reader and the writer of packets need of a cipher, and the packets before there is one. The two directions
// have nothing in common but the layout: length, padding length, payload, padding, tag (RFC 4253 6).
import { protocolError } from './failure.ts';
import { MAX_PACKET_BYTES, MAX_PLAIN_PACKET_BYTES } from '../limits.ts';

export interface Sealer {
  /** Packets are padded to a multiple of this, */
  readonly blockBytes: number;
  /** with or without the four bytes of the length. */
  readonly padsLength: boolean;
  /** Enciphers one packet that begins with its length. Adds what goes to the socket, in memory that nobody else uses. */
  seal(packet: Buffer, sequence: number, out: Buffer[]): void;
}

export interface Opener {
  /** So many bytes are needed to measure a packet. */
  readonly headerBytes: number;
  /**
   * The bytes of the packet that begins at `at`, with length and tag. Called once for each packet, in order. Throws
   * BAD_REQUEST when it is out of bounds.
   */
  measure(bytes: Buffer, at: number, sequence: number): number;
  /** The payload, at least one byte. Throws BAD_REQUEST when the packet is not authentic. */
  open(packet: Buffer, sequence: number): Buffer;
}

export const MIN_PADDING_BYTES = 4;
const PLAIN_BLOCK_BYTES = 8;

/** `length` is the field of the packet; `counted` the bytes that must be a multiple of `block`. */
export function requirePacketLength(
  length: number,
  counted: number,
  block: number,
  most = MAX_PACKET_BYTES,
): void {
  if (length > most || counted < 16 || counted % block !== 0) {
    throw protocolError('the length of a packet is out of bounds');
  }
}

/** The payload of a packet without its length field and tag. */
export function unpad(body: Buffer, start = 0): Buffer {
  const pad = body[start] ?? 0;
  const end = body.length - pad;
  if (pad < MIN_PADDING_BYTES || end <= start + 1)
    throw protocolError('the padding of a packet is out of bounds');
  return body.subarray(start + 1, end);
}

export const plainSealer: Sealer = {
  blockBytes: PLAIN_BLOCK_BYTES,
  padsLength: true,
  seal(packet, _sequence, out) {
    out.push(Buffer.from(packet));
  },
};

export const plainOpener: Opener = {
  headerBytes: 4,
  measure(bytes, at) {
    const length = bytes.readUInt32BE(at);
    requirePacketLength(length, length + 4, PLAIN_BLOCK_BYTES, MAX_PLAIN_PACKET_BYTES);
    return length + 4;
  },
  open: (packet) => unpad(packet, 4),
};
