// A channel as a Node stream, over a real SSH connection in memory: bytes both ways with flow control, half-close, ends.
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { portStream } from './port-stream.ts';
import { ChannelPort } from './splice-channel.ts';
import { acceptChannelStream } from './ssh/channel-stream.ts';
import { connectedPair } from './ssh/pair.ts';

async function opened(): Promise<{ near: Duplex; far: Duplex }> {
  const far = Promise.withResolvers<Duplex>();
  const { client } = await connectedPair({
    clock: new FakeClock(),
    server: { onChannel: (opening) => far.resolve(acceptChannelStream(opening)) },
  });
  const port = new ChannelPort();
  port.bind(await client.open('dial@gatehouse.dev', new Uint8Array(), port));
  return { near: portStream(port), far: await far.promise };
}

async function readAll(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

it('ok: 16 MiB each way at once, and each end by itself', async () => {
  const { near, far } = await opened();
  const [there, back] = [randomBytes(16 * 1024 ** 2), randomBytes(16 * 1024 ** 2)];
  const heard = [readAll(near), readAll(far)] as const;
  near.end(there);
  far.end(back);
  expect((await heard[0]).equals(back)).toBe(true);
  expect((await heard[1]).equals(there)).toBe(true);
});

it('ok: who is not read waits, and goes on when it is', async () => {
  const { near, far } = await opened();
  let written = 0;
  const piece = Buffer.alloc(256 * 1024);
  const write = (): void => {
    while (written < 64 && near.write(piece)) written++;
  };
  near.on('drain', write);
  write();
  await until('it waits', () => near.writableNeedDrain);
  expect(written).toBeLessThan(64);
  far.resume();
  await until('it goes on', () => written === 64);
});

it('ok: one side ends, the other goes on; destroyed is closed for both', async () => {
  const { near, far } = await opened();
  near.end();
  await until('the end is there', () => {
    far.resume();
    return far.readableEnded;
  });
  far.write('still here');
  expect(String(await new Promise((resolve) => near.once('data', resolve)))).toBe('still here');
  far.destroy();
  near.resume();
  await finished(near);
  const other = await opened();
  other.near.destroy();
  other.far.resume();
  await until('it is told', () => other.far.readableEnded);
});
