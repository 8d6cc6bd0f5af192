import { describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { until } from '#test/kit/until.ts';
import { acceptChannelStream, openChannelStream, type ChannelStream } from './channel-stream.ts';
import { connectedPair, type ConnectedPair } from './pair.ts';

const NOTHING = new Uint8Array();
const MIB = 1024 ** 2;

interface Ends {
  readonly pair: ConnectedPair;
  readonly near: ChannelStream;
  readonly far: ChannelStream;
}

async function ends(): Promise<Ends> {
  let far: ChannelStream | undefined;
  const pair = await connectedPair({
    clock: systemClock,
    server: {
      onChannel: (opening) => void (far = acceptChannelStream(opening, {}, Buffer.from('confirmed'))),
    },
  });
  const near = await openChannelStream(pair.client, 'test', NOTHING);
  return { pair, near, far: far! };
}

const all = async (stream: ChannelStream): Promise<Buffer> => Buffer.concat(await stream.toArray());

describe('a channel as a stream', () => {
  test('ok: carries bytes both ways, each with its own end', async () => {
    const { pair, near, far } = await ends();
    const up = Buffer.alloc(5 * MIB, 'up');
    const down = Buffer.alloc(3 * MIB, 'down');
    near.end(up);
    expect((await all(far)).equals(up)).toBe(true);
    far.end(down);
    expect((await all(near)).equals(down)).toBe(true);
    await until('both are closed', () => near.closed && far.closed && pair.client.channelCount === 0);
    expect([near.errored, far.errored]).toEqual([null, null]);
    await pair.close();
  });

  test('S33 ok: who does not read stops who writes, and reading lets it go on', async () => {
    const { pair, near, far } = await ends();
    let written = 0;
    const more = (): void => {
      // An end, because both ends in one process leave no time for anything else.
      for (let goesOn = written < 100; goesOn; written++) goesOn = near.write(Buffer.alloc(MIB / 4));
    };
    near.on('drain', more);
    more();
    let stalled = -1;
    await until('the writer is stopped', () => {
      const hasStopped = stalled === written;
      stalled = written;
      return hasStopped && written > 8;
    });
    // The window, and what waits at either end: not all that could be written.
    expect(written * (MIB / 4)).toBeLessThan(4 * MIB);
    let read = 0;
    far.on('data', (data: Buffer) => (read += data.length));
    await until('it goes on', () => read > 20 * MIB);
    near.destroy();
    await pair.close();
  });

  test('ok: errors and requests go to their hooks; without hooks they are dropped and refused', async () => {
    const said: string[] = [];
    let far: ChannelStream | undefined;
    const pair = await connectedPair({
      clock: systemClock,
      server: {
        onChannel: (opening) =>
          void (far = acceptChannelStream(opening, {
            onStderr: (data) => said.push(data.toString()),
            onRequest: (name) => name === 'known',
          })),
      },
    });
    const near = await openChannelStream(pair.client, 'test', NOTHING);
    near.channel.writeStderr(Buffer.from('oops'));
    expect([
      await near.channel.request('known', NOTHING),
      await near.channel.request('unknown', NOTHING),
      await far!.channel.request('known', NOTHING),
    ]).toEqual([true, false, false]);
    far!.channel.writeStderr(Buffer.alloc(5 * MIB));
    far!.end('done');
    expect((await all(near)).toString()).toBe('done');
    expect(said).toEqual(['oops']);
    await pair.close();
  });

  test('ok: destroying closes the channel, and the other end sees the end of both directions', async () => {
    const { pair, near, far } = await ends();
    far.resume();
    near.destroy();
    await until('both are closed', () => far.closed && pair.server.channelCount === 0);
    expect(far.errored).toBeNull();
    await pair.close();
  });

  test('ok: what was received before a close can still be read', async () => {
    const { pair, near, far } = await ends();
    far.write('last words');
    far.channel.close();
    await until('it is closed', () => !near.channel.isOpen && pair.client.channelCount === 0);
    expect((await all(near)).toString()).toBe('last words');
    await pair.close();
  });

  test('ok: what the peer did not take before it closed is lost without an error', async () => {
    const { pair, near, far } = await ends();
    near.resume();
    // More than the window, in several writes: they wait for each other.
    for (let at = 0; at < 20; at++) near.write(Buffer.alloc(MIB / 4));
    far.channel.close();
    await until('it is closed', () => near.closed);
    expect(near.errored).toBeNull();
    await pair.close();
  });

  test('ok: the end of the connection is the end of its streams', async () => {
    const { pair, near, far } = await ends();
    near.resume();
    far.resume();
    near.write(Buffer.alloc(MIB));
    pair.server.disconnect(11, 'bye');
    await until('both are closed', () => near.closed && far.closed);
  });

  test('refuses: a channel that the other end does not open', async () => {
    const pair = await connectedPair({ clock: systemClock });
    await expect(openChannelStream(pair.client, 'test', NOTHING)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      details: { reason: 3 },
    });
    await pair.close();
  });
});
