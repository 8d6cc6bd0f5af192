// Splices of real sockets on loopback, and of other streams: bytes, ends, errors and what a slow reader costs.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import { isAdoptable } from './adopted-socket.ts';
import { splice, type Splice, type SpliceOptions } from './splice.ts';

let server: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const keep = (socket: Socket): Socket => {
  sockets.push(socket);
  socket.on('error', () => {});
  return socket;
};

/** Two ends of one TCP connection: the far one is ours, the near one is to be spliced. */
async function pair(): Promise<{ far: Socket; near: Socket }> {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const far = keep(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  return { far, near: keep(await accepted) };
}

async function bridge(
  options: SpliceOptions = {},
): Promise<{ left: Socket; right: Socket; running: Splice }> {
  const [a, b] = [await pair(), await pair()];
  return { left: a.far, right: b.far, running: splice(a.near, b.near, options) };
}

/** Everything until the end, and its hash. */
function readAll(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  socket.on('data', (part: Buffer) => hash.update(part));
  return new Promise((resolve) => socket.once('end', () => resolve(hash.digest('hex'))));
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function passThroughPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: () => Duplex | undefined): Duplex =>
    new Duplex({
      allowHalfOpen: true,
      read() {},
      write(part: Buffer, _encoding, done) {
        other()?.push(part);
        done();
      },
      final(done) {
        other()?.push(null);
        done();
      },
    });
  ends.push(
    make(() => ends[1]),
    make(() => ends[0]),
  );
  return ends as [Duplex, Duplex];
}

describe('of two TCP sockets', () => {
  it('ok: a stream that was closed before the splice is the end of the other one', async () => {
    for (const isFirst of [true, false]) {
      const [gone, other] = [await pair(), await pair()];
      gone.near.destroy();
      await once(gone.near, 'close');
      const running = isFirst ? splice(gone.near, other.near) : splice(other.near, gone.near);
      await running.done;
      expect(other.near.destroyed).toBe(true);
    }
  });

  it('ok: what came with the end of a stream before the splice is passed on', async () => {
    const listener = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve));
    const { port } = listener.address() as AddressInfo;
    const client = keep(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
    const near = keep(await accepted);
    client.end('request');
    // As who looked at the first bytes leaves it: all was read, the end as well.
    near.once('readable', () => near.unshift(near.read() as Buffer));
    await until('it has ended', () => near.readableLength === 7);
    for (let turn = 0; turn < 20; turn++) await letOthersWork();
    const other = await pair();
    splice(near, other.near);
    expect(await readAll(other.far)).toBe(hashOf(Buffer.from('request')));
    listener.close();
  });

  it('ok: reads into memory of ours on this version of Node', async () => {
    const { near } = await pair();
    expect(isAdoptable(near)).toBe(true);
  });

  it('ok: 16 MiB each way at once arrive whole, and are counted', async () => {
    const { left, right, running } = await bridge();
    const [out, back] = [randomBytes(16 << 20), randomBytes(16 << 20)];
    const [atRight, atLeft] = [readAll(right), readAll(left)];
    left.end(out);
    right.end(back);
    expect(await atRight).toBe(hashOf(out));
    expect(await atLeft).toBe(hashOf(back));
    expect(await running.done).toEqual({});
    expect([running.aToB, running.bToA]).toEqual([out.length, back.length]);
  });

  it('ok: bytes that came before, also put back ones, go first; so does what still waits to be written', async () => {
    const [a, b] = [await pair(), await pair()];
    a.far.write('one ');
    const first = await new Promise<Buffer>((resolve) => a.near.once('data', resolve).resume());
    a.near.pause();
    a.near.unshift(first);
    const header = randomBytes(8 << 20);
    b.near.write(header);
    a.far.end('two');
    await letOthersWork();
    const atRight = readAll(b.far);
    const running = splice(a.near, b.near);
    expect(await atRight).toBe(hashOf(Buffer.concat([header, Buffer.from('one two')])));
    b.far.end();
    await running.done;
  });

  it('ok: one end may be closed for writing while the other goes on', async () => {
    const { left, right, running } = await bridge();
    const asked = readAll(right);
    left.end('question');
    expect(await asked).toBe(hashOf(Buffer.from('question')));
    const answered = readAll(left);
    right.write('an');
    await letOthersWork();
    right.end('swer');
    expect(await answered).toBe(hashOf(Buffer.from('answer')));
    expect(await running.done).toEqual({});
  });

  it('ok: an end that came before the splice is passed on', async () => {
    const [a, b] = [await pair(), await pair()];
    a.far.end();
    await letOthersWork();
    const atRight = readAll(b.far);
    splice(a.near, b.near);
    expect(await atRight).toBe(hashOf(Buffer.alloc(0)));
  });

  it('S33 a reader that does not read stops the writer, and takes no memory', async () => {
    const { left, running } = await bridge();
    left.write(Buffer.alloc(128 << 20));
    let held = -1;
    while (held !== running.aToB) {
      held = running.aToB;
      for (let moment = 0; moment < 10; moment++) await letOthersWork();
    }
    // What the kernel keeps for four sockets, and one read of ours.
    expect(held).toBeLessThan(32 << 20);
    running.destroy();
  });

  it('ok: a cut of one side ends the other, whoever does it', async () => {
    const first = await bridge();
    const rightClosed = new Promise((resolve) => first.right.once('close', resolve));
    first.right.on('end', () => first.right.end()).resume();
    first.left.resetAndDestroy();
    await rightClosed;
    expect((await first.running.done).error).toMatchObject({ code: 'ECONNRESET' });

    const [a, b] = [await pair(), await pair()];
    const running = splice(a.near, b.near);
    const closed = new Promise((resolve) => a.near.once('close', resolve));
    b.near.destroy();
    expect(await running.done).toEqual({});
    // The owner of a socket that was taken over hears of its end.
    await closed;
  });

  it('ok: nothing moving for the idle time ends it, moving bytes do not', async () => {
    const clock = new FakeClock();
    const { left, right, running } = await bridge({ idle: { clock, ms: 60_000 } });
    right.resume();
    for (let round = 0; round < 3; round++) {
      const before = running.aToB;
      left.write('x');
      await until('the byte', () => running.aToB > before);
      await clock.advance(60_000);
    }
    expect(right.destroyed).toBe(false);
    await clock.advance(60_000);
    expect((await running.done).error?.message).toContain('60 s');
  });

  it('ok: many small messages and large ones in turn keep their order', async () => {
    const { left, right } = await bridge();
    right.pipe(right);
    const sent: Buffer[] = [];
    const back = readAll(left);
    for (const size of [
      1,
      4096,
      1,
      300_000,
      ...Array.from({ length: 12 }, () => 9),
      500_000,
      2,
      2048,
      2048,
    ]) {
      const part = randomBytes(size);
      sent.push(part);
      left.write(part);
      await letOthersWork();
    }
    left.end();
    expect(await back).toBe(hashOf(Buffer.concat(sent)));
  });
});

/** A TLS connection: the client's end, and the server's as the proxy has it. */
async function tlsPair(): Promise<{ far: TLSSocket; near: TLSSocket }> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const certificate = selfSignedServer({
    privateKey,
    commonName: 'proxy',
    dnsNames: ['proxy'],
    ipAddresses: [],
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + 3_600_000,
  });
  const { far, near } = await pair();
  const server = new TLSSocket(near, {
    isServer: true,
    key: privateKeyPem(privateKey).reveal(),
    cert: certificateToPem(certificate),
  });
  const client = connectTls({ socket: far, rejectUnauthorized: false });
  await Promise.all([once(server, 'secure'), once(client, 'secureConnect')]);
  return { far: client, near: server };
}

describe('of TLS and a TCP socket', () => {
  it('ok: 32 MiB each way at once arrive whole: memory that is lent to TLS is enciphered before it is used again', async () => {
    const [a, b] = [await tlsPair(), await pair()];
    const running = splice(a.near, b.near);
    const [out, back] = [randomBytes(32 << 20), randomBytes(32 << 20)];
    const [atServer, atClient] = [readAll(b.far), readAll(a.far)];
    a.far.end(out);
    b.far.end(back);
    expect(await atServer).toBe(hashOf(out));
    expect(await atClient).toBe(hashOf(back));
    expect([running.aToB, running.bToA]).toEqual([out.length, back.length]);
    a.far.destroy();
  });

  it('ok: also in parts of every size, to a client that reads now and then', async () => {
    const [a, b] = [await tlsPair(), await pair()];
    splice(a.near, b.near);
    const hash = createHash('sha256');
    const read = createHash('sha256');
    a.far.on('data', (part: Buffer) => {
      read.update(part);
      a.far.pause();
      setImmediate(() => a.far.resume());
    });
    for (const size of [1, 17, 2047, 2048, 2049, 65_536, 1, 300_000, 262_144, 5, 4_000_000]) {
      const part = randomBytes(size);
      hash.update(part);
      b.far.write(part);
      await letOthersWork();
    }
    b.far.end();
    await once(a.far, 'end');
    expect(read.digest('hex')).toBe(hash.digest('hex'));
    a.far.destroy();
  });

  it('S33 ok: a client that does not read stops the server, and takes no memory', async () => {
    const [a, b] = [await tlsPair(), await pair()];
    const running = splice(a.near, b.near);
    b.far.write(Buffer.alloc(128 << 20));
    let held = -1;
    while (held !== running.bToA) {
      held = running.bToA;
      for (let moment = 0; moment < 10; moment++) await letOthersWork();
    }
    expect(held).toBeLessThan(32 << 20);
    running.destroy();
    a.far.destroy();
  });
});

describe('of other streams', () => {
  it('ok: a duplex and a socket, both ways, with ends', async () => {
    const [ours, theirs] = passThroughPair();
    const { far, near } = await pair();
    const running = splice(theirs, near);
    const out = randomBytes(3 << 20);
    const atFar = readAll(far);
    ours.end(out);
    expect(await atFar).toBe(hashOf(out));
    const parts: Buffer[] = [];
    ours.on('data', (part: Buffer) => parts.push(part));
    const ended = new Promise((resolve) => ours.once('end', resolve));
    far.end('back');
    await ended;
    expect(Buffer.concat(parts).toString()).toBe('back');
    expect(await running.done).toEqual({});
    expect(theirs.destroyed).toBe(true);
  });

  it('ok: an error of one is the end of both', async () => {
    const [, theirs] = passThroughPair();
    const { near } = await pair();
    const running = splice(theirs, near);
    theirs.destroy(new Error('broken'));
    expect((await running.done).error?.message).toBe('broken');
    expect(near.destroyed).toBe(true);
  });
});
