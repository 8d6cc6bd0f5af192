import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { until } from '#test/kit/until.ts';
import { letGo } from './let-go.ts';
import type { Sealer } from './ssh/transport/packet-cipher.ts';
import { PacketWriter } from './ssh/transport/packet-writer.ts';

const KIB = 1024;

describe('memory that is given back', () => {
  it('ok: a whole buffer of some size has no bytes afterwards', () => {
    const large = Buffer.alloc(32 * KIB);
    letGo(large);
    expect(large.length).toBe(0);
  });
  it('ok: so has what came with it in the same packet', () => {
    const packet = Buffer.alloc(32 * KIB);
    letGo(packet.subarray(9, -12));
    expect(packet.length).toBe(0);
  });
  it('refuses: a part of another buffer, and what may be of a pool', () => {
    const large = Buffer.alloc(64 * KIB);
    letGo(large.subarray(0, 32 * KIB));
    const small = Buffer.from('pooled');
    letGo(small);
    expect([large.length, small.length]).toEqual([64 * KIB, 6]);
  });
});

/** Seals nothing, keeps what it gave, and remembers what was in it. */
function keeper() {
  const kept: Buffer[] = [];
  const hash = createHash('sha256');
  const sealer: Sealer = {
    blockBytes: 16,
    padsLength: false,
    seal(packet, _sequence, out) {
      const body = Buffer.from(new ArrayBuffer(packet.length));
      packet.copy(body);
      hash.update(body);
      kept.push(body);
      out.push(body);
    },
  };
  return { sealer, kept, hash };
}

async function tcpPair(): Promise<{ readonly near: Socket; readonly far: Socket; close(): void }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const far = await accepted;
  server.close();
  const close = (): void => [near, far].forEach((socket) => socket.destroy());
  return { near, far, close };
}

describe('sealed packets', () => {
  it('ok: through a socket every byte arrives, and the memory of what is out is given back', async () => {
    const { near, far, close } = await tcpPair();
    const { sealer, kept, hash } = keeper();
    const writer = new PacketWriter(near);
    writer.changeKeys(sealer, true);
    const arrived = createHash('sha256');
    far.on('data', (bytes: Buffer) => arrived.update(bytes));
    // Faster than it is read: the kernel takes a part, the rest waits.
    for (let count = 0; count < 400; count++) writer.sendData(Buffer.alloc(9), randomBytes(32 * KIB));
    writer.flush();
    near.end();
    await once(far, 'end');
    expect(arrived.digest('hex')).toBe(hash.digest('hex'));
    await until('all memory to be given back', () => kept.every(({ length }) => length === 0));
    close();
  });
  it('refuses: to give back what a stream passes on as it is', () => {
    const [near, far] = duplexPair();
    const { sealer, kept } = keeper();
    const writer = new PacketWriter(near);
    writer.changeKeys(sealer, true);
    writer.sendData(Buffer.alloc(9), Buffer.alloc(32 * KIB, 7));
    writer.flush();
    far.resume();
    expect(kept[0]?.length).toBeGreaterThan(32 * KIB);
  });
});
