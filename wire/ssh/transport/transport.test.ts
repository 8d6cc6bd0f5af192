import { duplexPair, PassThrough, Duplex } from 'node:stream';
import { createServer, createConnection, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeKeys } from '#test/kit/certs.ts';
import { openAgainstRaw, openEnd, openEnds, settle, type End } from '#test/kit/ssh-transport.ts';
import { until } from '#test/kit/until.ts';
import { MAX_BYTES_BEFORE_LOGIN } from '../limits.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import { encodeDisconnect } from './disconnect.ts';
import { encodeKexInit, ownLists, parseKexInit } from './kex-init.ts';

const DATA = MSG.channelData;
const keys = makeKeys();

async function openedEnds(...options: Parameters<typeof openEnds>): ReturnType<typeof openEnds> {
  const ends = await openEnds(...options);
  ends.server.transport.authenticated();
  ends.client.transport.authenticated();
  return ends;
}

test('ok: over TCP, from the first byte to the last word', async () => {
  const ends: End[] = [];
  const listener = createServer((socket) => ends.push(openEnd('server', socket, systemClock)));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const client = openEnd('client', createConnection(port, '127.0.0.1'), systemClock);
  await until('both ends are ready', () => client.isReady && ends[0]?.isReady === true);
  client.transport.send(Uint8Array.of(MSG.serviceRequest, 1), Uint8Array.of(2));
  await until('a message', () => ends[0]?.messages.length === 1);
  expect(ends[0]?.messages).toEqual([Buffer.from([MSG.serviceRequest, 1, 2])]);
  expect(client.transport.sessionId).toEqual(ends[0]?.transport.sessionId);
  expect(client.transport.peerVersion).toBe('SSH-2.0-Gatehouse');
  client.transport.disconnect(DISCONNECT.byApplication, 'done');
  await until('both ends are closed', () => client.isClosed && ends[0]?.isClosed === true);
  expect([client.error, ends[0]?.error]).toEqual([undefined, undefined]);
  listener.close();
});

test.each(Object.entries(keys))('ok: a host key of %s', async (_, privateKey) => {
  const { server, client } = await openEnds({ server: { hostKeys: [{ privateKey }] } });
  expect([server.isReady, client.isReady]).toEqual([true, true]);
});

test('S30 refuses: a host that the client does not believe, and does not tell why', async () => {
  const offered: string[] = [];
  const verifyHost = ({ algorithm }: { algorithm: string }): void => {
    offered.push(algorithm);
    throw new GatehouseError('CERTIFICATE_INVALID', 'this host is called otherwise in secret.example');
  };
  const { server, client } = await openEnds({ client: { verifyHost } });
  expect(offered).toEqual(['ssh-ed25519']);
  expect(client).toMatchObject({
    isReady: false,
    error: { message: expect.stringContaining('otherwise') as string },
  });
  expect(server).toMatchObject({ isReady: false, error: { code: 'UNAVAILABLE', details: { reason: 9 } } });
  expect(String(server.error)).not.toContain('secret.example');
});

test('S30 refuses: a client without anybody to judge the host', async () => {
  const { client } = await openEnds({ client: { verifyHost: undefined as never } });
  expect(client).toMatchObject({ isReady: false, error: { code: 'CERTIFICATE_INVALID' } });
});

test('refuses: host keys of which the client takes none', async () => {
  const { client } = await openEnds({ client: { hostAlgorithms: ['ssh-ed25519-cert-v01@openssh.com'] } });
  expect(client).toMatchObject({ isReady: false, error: { code: 'NOT_SUPPORTED' } });
});

test('refuses: a server without a host key', () => {
  expect(() => openEnd('server', duplexPair()[0], new FakeClock(), { hostKeys: [] })).toThrow(
    'needs a host key',
  );
});

test('ok: the client learns which signatures the server takes, if it asked', async () => {
  const { client } = await openEnds();
  expect(client.transport.peerSignatureAlgorithms).toContain('rsa-sha2-256');
  const { peer } = await openAgainstRaw('server');
  expect(peer.numbers).toEqual([MSG.extInfo]);
});

test('ok: a client that did not ask for extensions is not sent any', async () => {
  const bytesOf = async (alter: (payload: Uint8Array) => readonly Uint8Array[]): Promise<number> => {
    return (await openAgainstRaw('server', { alter })).peer.bytesIn;
  };
  const withExtensions = await bytesOf((payload) => [payload]);
  const without = await bytesOf((payload) => [withoutMarker(payload)]);
  expect(withExtensions - without).toBeGreaterThan(100);
});

function withoutMarker(payload: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(payload).toString('latin1').replace('ext-info-c', 'ext-none-c'), 'latin1');
}

test('ok: pings are answered after the login, unknown messages by their number', async () => {
  const { clock, end, peer } = await openAgainstRaw('server');
  end.transport.authenticated();
  peer.send(Buffer.from([MSG.ping, 0, 0, 0, 2, 7, 8]));
  peer.send(Uint8Array.of(222));
  peer.send(Uint8Array.of(223));
  await settle(clock);
  expect(peer.received.slice(1)).toEqual([
    Buffer.from([MSG.pong, 0, 0, 0, 2, 7, 8]),
    Buffer.from([MSG.unimplemented, 0, 0, 0, 1]),
    Buffer.from([MSG.unimplemented, 0, 0, 0, 2]),
  ]);
});

test('S32 refuses: a peer that is not logged in when its time is over, however busy it is', async () => {
  for (const stopBefore of [MSG.kexInit, MSG.newKeys, undefined]) {
    const { clock, end, peer } = await openAgainstRaw(
      'server',
      stopBefore === undefined ? {} : { stopBefore },
    );
    for (let second = 0; second < 29; second++) {
      await clock.advance(1000);
      if (stopBefore === undefined) peer.send(Uint8Array.of(MSG.ignore, 0, 0, 0, 0));
    }
    expect(end.isClosed).toBe(false);
    await clock.advance(1000);
    await settle(clock);
    expect(end).toMatchObject({
      isClosed: true,
      error: { code: 'UNAVAILABLE', message: 'no login within 30 s' },
    });
  }
});

test('S32 refuses: a peer that sends its version line a byte at a time', async () => {
  const clock = new FakeClock();
  const [near, far] = duplexPair();
  const end = openEnd('server', near, clock);
  for (const byte of 'SSH-2.0-slow-and-slow-and-slow-and-slow') {
    far.write(byte);
    await clock.advance(1000);
  }
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { message: 'no login within 30 s' } });
});

test('ok: after the login there is no such limit', async () => {
  const { clock, server } = await openedEnds();
  await clock.advance(3_600_000 - 1);
  expect(server.isClosed).toBe(false);
});

test('S33 refuses: more bytes before the login than any login needs', async () => {
  const { clock, end, peer } = await openAgainstRaw('server');
  const chatter = Buffer.concat([Uint8Array.of(MSG.ignore), Buffer.alloc(30_000)]);
  for (let sent = 0; sent < MAX_BYTES_BEFORE_LOGIN; sent += chatter.length) peer.send(chatter);
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'LIMIT_EXCEEDED' } });
});

test('ok: nothing comes while paused, also what had arrived; then all of it in order', async () => {
  const { clock, server, client } = await openedEnds({
    server: { onMessage: (_, end) => void (end.messages.length === 2 && end.transport.pause()) },
  });
  for (let at = 0; at < 50; at++) client.transport.send(Uint8Array.of(DATA, at));
  await settle(clock);
  expect(server.messages.length).toBe(2);
  client.transport.disconnect(DISCONNECT.byApplication, 'done');
  await settle(clock);
  expect([server.messages.length, server.isClosed]).toEqual([2, false]);
  server.transport.resume();
  await settle(clock);
  expect(server.messages.map((message) => message[1])).toEqual(Array.from({ length: 50 }, (_, at) => at));
  expect(server).toMatchObject({ isClosed: true, error: undefined });
});

test('ok: nothing of a chunk comes either when the first message of it pauses', async () => {
  let inbound: Socket | undefined;
  let server: End | undefined;
  const onMessage = (): void => server?.transport.pause();
  const listener = createServer((socket) => {
    inbound = socket;
    server = openEnd('server', socket, systemClock, { onMessage });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const outbound = createConnection((listener.address() as AddressInfo).port, '127.0.0.1');
  const client = openEnd('client', outbound, systemClock);
  await until('both ends are ready', () => client.isReady && server?.isReady === true);
  server?.transport.authenticated();
  for (let at = 0; at < 50; at++) client.transport.send(Uint8Array.of(DATA, at));
  await until(
    'all to arrive',
    () => server?.messages.length !== 0 && inbound?.bytesRead === outbound.bytesWritten,
  );
  for (let count = 1; count <= 50; count++) {
    await until('the next one', () => server?.messages.length === count);
    server?.transport.resume();
  }
  client.transport.destroy();
  listener.close();
});

test('ok: a handler may pause and resume in one breath', async () => {
  const { clock, server, client } = await openedEnds({
    server: {
      onMessage(_, end) {
        end.transport.pause();
        end.transport.resume();
      },
    },
  });
  for (let at = 0; at < 50; at++) client.transport.send(Uint8Array.of(DATA, at));
  await settle(clock);
  expect(server.messages.map((message) => message[1])).toEqual(Array.from({ length: 50 }, (_, at) => at));
});

test('refuses: what a handler throws at ends the connection, once', async () => {
  const onMessage = (): void => {
    throw new TypeError('a bug');
  };
  const { clock, server, client } = await openedEnds({ server: { onMessage } });
  client.transport.send(Uint8Array.of(DATA, 1));
  client.transport.send(Uint8Array.of(DATA, 2));
  await settle(clock);
  expect(server).toMatchObject({ isClosed: true, error: { code: 'INTERNAL' } });
  expect(server.messages.length).toBe(1);
  expect(String(client.error)).not.toContain('a bug');
});

test('ok: words of the other end are an error unless it ends in order, and are fit to be printed', async () => {
  const { clock, end, peer } = await openAgainstRaw('client');
  peer.send(encodeDisconnect(DISCONNECT.tooManyConnections, `full\u001b[2J\r\n${'x'.repeat(500)}`));
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'UNAVAILABLE', details: { reason: 12 } } });
  const { message } = end.error as GatehouseError;
  expect(message).toMatch(/^the other end disconnected: full \[2J x+$/);
  expect(message.length).toBeLessThan(250);
  const inOrder = await openAgainstRaw('client');
  inOrder.peer.send(encodeDisconnect(DISCONNECT.byApplication, 'bye'));
  await settle(inOrder.clock);
  expect(inOrder.end).toMatchObject({ isClosed: true, error: undefined });
});

test('ok: an end that gives a reason other than order has it as its own error', async () => {
  const { clock, server, client } = await openedEnds();
  server.transport.disconnect(DISCONNECT.serviceNotAvailable, 'draining');
  await settle(clock);
  expect(server).toMatchObject({ isClosed: true, error: { code: 'UNAVAILABLE', message: 'draining' } });
  expect(client).toMatchObject({ isClosed: true, error: { details: { reason: 7 } } });
});

test('ok: what was sent before the last words arrives before them, and nothing sent after', async () => {
  const { clock, server, client } = await openedEnds();
  for (let at = 0; at < 30; at++) client.transport.sendData(Uint8Array.of(DATA), Buffer.alloc(30_000, at));
  client.transport.disconnect(DISCONNECT.byApplication, 'done');
  expect(client.transport.send(Uint8Array.of(DATA, 99))).toBe(false);
  await settle(clock, 60);
  expect(server.messages.length).toBe(30);
  expect([server.error, client.error]).toEqual([undefined, undefined]);
});

test('S32 ok: an end that wants to leave leaves within a second, also when the peer reads nothing', async () => {
  const { clock, end, peer } = await openAgainstRaw('server');
  end.transport.authenticated();
  peer.socket.pause();
  while (end.transport.sendData(Uint8Array.of(DATA), Buffer.alloc(32_000)));
  end.transport.disconnect(DISCONNECT.byApplication, 'done');
  await settle(clock);
  expect(end.isClosed).toBe(false);
  await clock.advance(1000);
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: undefined });
});

test('refuses: a connection that is cut, or fails', async () => {
  const { clock, end, peer } = await openAgainstRaw('client');
  peer.socket.end();
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'UNAVAILABLE' } });
  const failing = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const other = openEnd('client', failing, clock);
  await settle(clock);
  expect(other).toMatchObject({
    isClosed: true,
    error: { code: 'UNAVAILABLE', cause: { message: 'EPIPE' } },
  });
  const destroyed = await openEnds();
  destroyed.server.transport.destroy();
  await settle(clock);
  expect(destroyed.server).toMatchObject({ isClosed: true, error: undefined });
});

// Which ciphers a server offers, and when.

function listsOf(written: Buffer): ReturnType<typeof parseKexInit> | undefined {
  const start = written.indexOf('\n') + 1;
  if (written.length <= start) return undefined;
  const length = written.readUInt32BE(start);
  return parseKexInit(written.subarray(start + 5, start + 4 + length - (written[start + 4] ?? 0)));
}

function stranger(): {
  clock: FakeClock;
  written: () => Buffer;
  say: (bytes: Uint8Array | string) => Promise<void>;
} {
  const clock = new FakeClock();
  const [near, far] = duplexPair();
  openEnd('server', near, clock);
  const sink = far.pipe(new PassThrough({ highWaterMark: 1e6 }));
  const say = async (bytes: Uint8Array | string): Promise<void> => {
    far.write(bytes);
    await settle(clock);
  };
  let all = Buffer.alloc(0);
  const written = (): Buffer =>
    (all = Buffer.concat([all, (sink.read() as Buffer | null) ?? Buffer.alloc(0)]));
  return { clock, written, say };
}

const packetOf = (payload: Uint8Array): Buffer => {
  const pad = 16 - ((5 + payload.length) % 8);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + pad);
  head[4] = pad;
  return Buffer.concat([head, payload, Buffer.alloc(pad)]);
};

test('ok: a client that can GCM is offered GCM alone, as its own order would choose something slower', async () => {
  const { written, say } = stranger();
  await say('SSH-2.0-OpenSSH_9.2p1\r\n');
  expect(written().toString()).toBe('SSH-2.0-Gatehouse\r\n');
  const lists = ownLists('client', true, ['ssh-ed25519'], false);
  const openSsh = ['aes128-ctr', 'aes256-gcm@openssh.com'];
  await say(packetOf(encodeKexInit({ ...lists, cipherToServer: openSsh, cipherToClient: openSsh })));
  expect(listsOf(written())?.cipherToClient).toEqual(['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com']);
});

test('ok: a client that cannot is offered everything', async () => {
  const { written, say } = stranger();
  await say('SSH-2.0-OpenSSH_9.2p1\r\n');
  const lists = { ...ownLists('client', true, ['ssh-ed25519'], false), cipherToClient: ['aes128-ctr'] };
  await say(packetOf(encodeKexInit(lists)));
  expect(listsOf(written())?.cipherToServer).toContain('aes128-ctr');
});

test('ok: a client that waits for the server first gets the whole list after 200 ms; one that prefers GCM at once', async () => {
  const waiting = stranger();
  await waiting.say('SSH-2.0-x\r\n');
  await waiting.clock.advance(199);
  expect(listsOf(waiting.written())).toBeUndefined();
  await waiting.clock.advance(1);
  await settle(waiting.clock);
  expect(listsOf(waiting.written())?.cipherToClient).toContain('aes256-ctr');
  const known = stranger();
  await known.say('SSH-2.0-OpenSSH_10.1\r\n');
  expect(listsOf(known.written())?.cipherToClient).toContain('aes256-ctr');
});

test('ok: a wrong guess of the client is passed over, a right one is taken', async () => {
  const guess = (payload: Uint8Array): Uint8Array => {
    const guessed = Buffer.from(payload);
    guessed[guessed.length - 5] = 1;
    return guessed;
  };
  for (const isRight of [false, true]) {
    const { written, say } = stranger();
    const lists = ownLists('client', true, ['ssh-ed25519'], false);
    const kex = isRight ? lists.kex : ['curve25519-sha256', ...lists.kex];
    await say('SSH-2.0-x\r\n');
    await say(packetOf(guess(encodeKexInit({ ...lists, kex }))));
    const before = written().length;
    await say(packetOf(Buffer.concat([Uint8Array.of(MSG.kexFirst, 0, 0, 0, 32), Buffer.alloc(32, 9)])));
    // The right guess of the hybrid has another length and is refused; the wrong one must not be looked at.
    expect(written().length > before, `right: ${isRight}`).toBe(isRight);
  }
});

test('ok: an error of whoever hears of the end does not end the process', async () => {
  const errors: unknown[] = [];
  const log = { ...silentLog, error: (fields: unknown) => void errors.push(fields) };
  const clock = new FakeClock();
  const [near, far] = duplexPair();
  openEnd('server', far, clock, {
    log,
    handlers: {
      onMessage: () => {},
      onDrain: () => {},
      onClose: () => {
        throw new Error('the disk is full');
      },
    },
  });
  near.destroy();
  await settle(clock);
  expect(errors).toEqual([{ err: expect.objectContaining({ message: 'the disk is full' }) }]);
});
