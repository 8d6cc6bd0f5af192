// Fuzz target: packets of SFTP servers, cut and read.
import { isCode } from '#core/errors/error.ts';
import { PacketReader } from './packet-reader.ts';
import { readReply, readVersion } from './protocol.ts';

const packet = (...bytes: number[]): Uint8Array => Uint8Array.from([0, 0, 0, bytes.length, ...bytes]);
const seeds = [
  packet(2, 0, 0, 0, 3, 0, 0, 0, 1, 97, 0, 0, 0, 1, 49),
  packet(101, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 120, 0, 0, 0, 0),
  packet(102, 0, 0, 0, 1, 0, 0, 0, 4, 1, 2, 3, 4),
  packet(103, 0, 0, 0, 1, 0, 0, 0, 2, 104, 105),
  packet(104, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 129, 164),
  packet(105, 0, 0, 0, 1, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 129, 164, 0, 0, 0, 1, 0, 0, 0, 2),
];

export const fuzz = {
  name: 'sftp replies',
  seeds,
  run(input: Uint8Array): void {
    const reader = new PacketReader(4096);
    const bytes = Buffer.from(input);
    const middle = bytes.length >> 1;
    for (const part of [bytes.subarray(0, middle), bytes.subarray(middle)]) {
      for (const found of reader.push(part)) {
        tolerate(() => readVersion(found));
        tolerate(() => readReply(found));
      }
    }
  },
};

/** Packets that follow are read even when one is none. */
function tolerate(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!isCode(error)) throw error;
  }
}
