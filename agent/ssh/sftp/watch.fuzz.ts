// Fuzz target: SFTP as it goes by, from either side; and the packets as our own server would take them apart. Nothing of
// it reaches a file.
import { readAttributes } from './attributes.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { packet, PacketReader } from '#wire/sftp/packets.ts';
import { OPEN, REPLY, REQUEST } from '#wire/sftp/protocol.ts';
import { SftpWatch, type SftpAction } from '#wire/sftp/watch.ts';

const MAX_ADDED = 64 * 1024;

const seeds = [
  Buffer.concat([
    packet(REQUEST.init, 3),
    packet(REQUEST.open, 1, 'a', OPEN.write, 0),
    packet(REQUEST.write, 2, 'h', 0n, 'data'),
  ]),
  Buffer.concat([packet(REPLY.version, 3), packet(REPLY.handle, 1, 'h'), packet(REPLY.status, 2, 0, '', '')]),
  packet(REQUEST.rename, 1, 'a', 'b'),
];

export const fuzz = {
  name: 'sftp packets',
  seeds: seeds.map((seed) => new Uint8Array(seed)),
  run(input: Uint8Array): void {
    const data = Buffer.from(input);
    const told: SftpAction[] = [];
    const watch = new SftpWatch((action) => told.push(action));
    for (const half of [data.subarray(0, data.length >> 1), data.subarray(data.length >> 1)]) {
      watch.input(half);
      watch.output(half);
    }
    watch.end();
    if (told.some(({ path }) => path.length > 4096)) throw new Error('a path is longer than it may be');
    const packets = new PacketBuffer();
    packets.add(data.subarray(0, MAX_ADDED));
    for (let next = packets.next(); next !== undefined; next = packets.next()) {
      const reader = new PacketReader(next.subarray(1));
      reader.uint32();
      reader.string();
      readAttributes(reader);
    }
  },
};
