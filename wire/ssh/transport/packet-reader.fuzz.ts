// Fuzz target: bytes of a stranger as packets, without a cipher and under each kind of cipher. The first byte chooses
// the kind, the second how the rest is cut into chunks; what comes out must not depend on that.
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { CIPHERS, MACS } from './algorithms.ts';
import type { Direction } from './kex-init.ts';
import { PacketReader } from './packet-reader.ts';
import { PacketWriter } from './packet-writer.ts';
import { makeOpener, makeSealer } from './session-keys.ts';

const digest = createHash('sha256').update('fuzz').digest();
const material = { hash: 'sha256', secret: digest, exchangeHash: digest, sessionId: digest } as const;
const [gcm, , ctr] = CIPHERS;
const [etm, , plain] = MACS;
const DIRECTIONS: readonly (Direction | undefined)[] = [
  undefined,
  gcm && { cipher: gcm, mac: undefined },
  ctr && { cipher: ctr, mac: etm },
  ctr && { cipher: ctr, mac: plain },
];

function seed(kind: number, ...payloads: readonly Uint8Array[]): Uint8Array {
  const socket = new PassThrough({ highWaterMark: 1e6 });
  const writer = new PacketWriter(socket);
  const direction = DIRECTIONS[kind];
  if (direction !== undefined) writer.changeKeys(makeSealer(material, 'toServer', direction), true);
  for (const payload of payloads) writer.send([payload]);
  writer.flush();
  return Buffer.concat([Uint8Array.of(kind, 5), (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
}

function read(
  kind: number,
  bytes: Buffer,
  size: number,
): { readonly seen: string; readonly error?: GatehouseError } {
  const reader = new PacketReader();
  const direction = DIRECTIONS[kind];
  if (direction !== undefined) reader.changeKeys(makeOpener(material, 'toServer', direction), true);
  const seen: string[] = [];
  try {
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size));
      for (let payload = reader.next(); payload !== undefined; payload = reader.next()) {
        if (payload.length === 0) throw new Error('a message is empty');
        seen.push(payload.toString('hex'));
      }
    }
  } catch (error) {
    if (!isCode(error)) throw error;
    return { seen: [...seen, error.message].join(), error };
  }
  return { seen: seen.join() };
}

export const fuzz = {
  name: 'ssh packets',
  seeds: DIRECTIONS.map((_, kind) => seed(kind, Buffer.from('one'), Buffer.alloc(40, 7), Buffer.from([1]))),
  run(input: Uint8Array): void {
    const kind = (input[0] ?? 0) % DIRECTIONS.length;
    const bytes = Buffer.from(input.subarray(2));
    const whole = read(kind, bytes, Math.max(bytes.length, 1));
    const pieces = read(kind, bytes, (input[1] ?? 0) + 1);
    if (whole.seen !== pieces.seen) throw new Error('the same bytes in other chunks are other messages');
    if (whole.error !== undefined) throw whole.error;
  },
};
