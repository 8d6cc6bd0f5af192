// The first packet of a database client: a request to cancel is taken, everything else is left as it came.
import { duplexPair, type Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { cancelRequest, startupPacket } from '#wire/postgres/write.ts';
import { takeCancel } from './first-packet.ts';

const clock = new FakeClock();
const STARTUP = startupPacket([['user', 'alice']]);

async function readAll(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

it.each([1, 7, 100])('ok: cut in pieces of %i bytes', async (size) => {
  for (const [packet, key] of [
    [STARTUP, undefined],
    [cancelRequest(0x8000_0001, 0xffff_ffff), { processId: 0x8000_0001, secret: 0xffff_ffff }],
  ] as const) {
    const [near, far] = duplexPair();
    const taking = takeCancel(far, clock);
    for (let at = 0; at < packet.length; at += size) near.write(packet.subarray(at, at + size));
    expect(await taking).toEqual(key);
    near.end('more');
    if (key === undefined) expect(await readAll(far)).toEqual(Buffer.concat([STARTUP, Buffer.from('more')]));
  }
});

it('ok: what only looks like a request to cancel is left to the agent', async () => {
  const packet = Buffer.from(cancelRequest(1, 2));
  packet.writeUInt32BE(20, 0);
  const [near, far] = duplexPair();
  near.end(packet);
  expect(await takeCancel(far, clock)).toBeUndefined();
  expect(await readAll(far)).toEqual(packet);
});

it('S32 refuses: clients that say nothing or too little, and that end', async () => {
  for (const bytes of [0, 1, 7]) {
    const [near, far] = duplexPair();
    near.write(STARTUP.subarray(0, bytes));
    const refused = expect(takeCancel(far, clock)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await clock.advance(10_000);
    await refused;
    const [ending, ended] = duplexPair();
    ending.end(STARTUP.subarray(0, bytes));
    await expect(takeCancel(ended, clock)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  }
});
