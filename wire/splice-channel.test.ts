// Channels joined to sockets and to each other: every byte in order, both directions, slow readers, half-close, and ends
// of all kinds.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import { ChannelPort, spliceChannel, spliceChannels } from './splice-channel.ts';
import { openChannelStream, type ChannelStream } from './ssh/channel-stream.ts';
import { connectedPair, type ConnectedPair } from './ssh/pair.ts';

const clock = new FakeClock();
const MIB = 1024 ** 2;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function tcpPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const taken = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const far = await taken;
  server.close();
  for (const socket of [near, far]) socket.on('error', () => {});
  closing.push(() => [near, far].forEach((socket) => socket.destroy()));
  return [near, far];
}

/** The client's end of a channel whose server end is this port. */
async function openPort(): Promise<{ stream: ChannelStream; port: ChannelPort; pair: ConnectedPair }> {
  const port = new ChannelPort();
  const pair = await connectedPair({
    clock,
    server: { onChannel: (opening) => void port.bind(opening.accept(port)) },
  });
  closing.push(() => pair.close());
  const stream = await openChannelStream(pair.client, 'session', new Uint8Array());
  stream.on('error', () => {});
  return { stream, port, pair };
}

type Joined = { a: Duplex; b: Duplex; pair: ConnectedPair };

/** Two ends that are to be the ends of one pipe. */
const WAYS: Record<string, () => Promise<Joined>> = {
  async 'a channel and a TCP socket'() {
    const { stream, port, pair } = await openPort();
    const [near, far] = await tcpPair();
    spliceChannel(port, near, clock);
    return { a: stream, b: far, pair };
  },
  async 'a channel and another stream'() {
    const { stream, port, pair } = await openPort();
    const [near, far] = duplexPair();
    spliceChannel(port, near, clock);
    return { a: stream, b: far, pair };
  },
  async 'two channels'() {
    const one = await openPort();
    const other = await openPort();
    spliceChannels(one.port, other.port);
    return { a: one.stream, b: other.stream, pair: one.pair };
  },
};

/** Writes all of it in odd pieces, as fast as the stream takes it, and ends. */
async function send(stream: Duplex, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + 1 + randomInt(200_000));
    at += piece.length;
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  stream.end();
}

async function receive(stream: Duplex, isSlow: boolean): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of stream) {
    hash.update(piece as Buffer);
    if (isSlow && randomInt(8) === 0) await letOthersWork();
  }
  return hash.digest('hex');
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe.each(Object.entries(WAYS))('%s', (_, join) => {
  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('ok: all bytes arrive in order, both ways at once (slow readers: %s, %s)', async (slowA, slowB) => {
    const { a, b } = await join();
    const [there, back] = [randomBytes(6 * MIB), randomBytes(5 * MIB)];
    const [atB, atA] = await Promise.all([
      receive(b, slowB),
      receive(a, slowA),
      send(a, there),
      send(b, back),
    ]);
    expect([atB, atA]).toEqual([hashOf(there), hashOf(back)]);
  });

  it('ok: one direction ends, the other goes on', async () => {
    const { a, b } = await join();
    a.end('question');
    expect(await receive(b, false)).toBe(hashOf(Buffer.from('question')));
    const answer = receive(a, false);
    b.end('a long answer');
    expect(await answer).toBe(hashOf(Buffer.from('a long answer')));
  });

  it('ok: what one end throws away ends the other', async () => {
    const isOver = (stream: Duplex): boolean => stream.readableEnded || stream.destroyed;
    const first = await join();
    first.b.resume();
    first.a.destroy();
    await until('b heard of it', () => isOver(first.b));
    const second = await join();
    second.a.resume();
    second.b.destroy();
    await until('a heard of it', () => isOver(second.a));
  });

  it('ok: the end of the SSH connection is the end of it', async () => {
    const { a, b, pair } = await join();
    b.resume();
    const isOver = new Promise((resolve) => b.once('end', resolve).once('close', resolve));
    a.write('x');
    pair.client.disconnect(11, 'bye');
    await isOver;
  });

  it('S33 a reader that stops holds up the writer, and little is kept in between', async () => {
    const { a, b } = await join();
    b.pause();
    let written = 0;
    const piece = Buffer.alloc(64 * 1024);
    let isHeld = false;
    while (!isHeld && written < 64 * MIB) {
      written += piece.length;
      if (!a.write(piece)) {
        const drained = new Promise<boolean>((resolve) => a.once('drain', () => resolve(true)));
        let rounds = 0;
        const tired = until('enough', () => ++rounds > 100).then(() => false);
        isHeld = !(await Promise.race([drained, tired]));
      }
    }
    expect(isHeld).toBe(true);
    expect(written).toBeLessThan(24 * MIB);
  });
});

it('ok: what comes before the splice is not lost, nor is an end', async () => {
  const { stream, port } = await openPort();
  stream.end('early');
  await until('it is there', () => stream.writableFinished);
  const [near, far] = await tcpPair();
  spliceChannel(port, near, clock);
  expect(await receive(far, false)).toBe(hashOf(Buffer.from('early')));
});

it('ok: a channel that is gone already closes what it is joined to', async () => {
  const { port, pair } = await openPort();
  pair.client.disconnect(11, 'bye');
  await pair.server.closed;
  const [near, far] = await tcpPair();
  const isOver = new Promise((resolve) => far.once('end', resolve));
  far.resume();
  spliceChannel(port, near, clock);
  await isOver;
});

it('S32 a socket that takes nothing more is not kept for ever', async () => {
  const { stream, port, pair } = await openPort();
  const [near, far] = await tcpPair();
  far.pause();
  spliceChannel(port, near, clock);
  stream.write(Buffer.alloc(8 * MIB));
  await until('it is stuck', async () => {
    const before = near.bytesWritten;
    await letOthersWork();
    return stream.writableLength > 0 && near.bytesWritten === before;
  });
  pair.client.disconnect(11, 'bye');
  await pair.server.closed;
  let waited = 0;
  await until('it is gone', async () => {
    await clock.advance(1000);
    waited++;
    return near.destroyed;
  });
  expect(waited).toBeGreaterThanOrEqual(10);
});
