// New keys while messages pass: by bytes, by time, by either end or both at once, and when the other end will not.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { openAgainstRaw, openEnds, settle, type End, type Ends } from '#test/kit/ssh-transport.ts';
import { sshLimits } from '../limits.ts';
import type { SshLimits } from '../ssh.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import { KeySchedule } from './key-schedule.ts';
import { OUR_VERSION } from './version-line.ts';

const DATA = MSG.channelData;

async function opened(limits: Partial<SshLimits>, others: Partial<SshLimits> = limits): Promise<Ends> {
  const ends = await openEnds({ server: { limits }, client: { limits: others } });
  ends.server.transport.authenticated();
  ends.client.transport.authenticated();
  return ends;
}

/** How many messages were the transport's own is not seen; so keys are told apart by what the hooks of the peer see. */
function digestOf(messages: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const message of messages) hash.update(message);
  return hash.digest('hex');
}

async function flood(from: End, count: number, pump: () => Promise<void>): Promise<Buffer[]> {
  const sent: Buffer[] = [];
  while (sent.length < count) {
    const data = randomBytes(1 + ((sent.length * 977) % 32_000));
    const message = Buffer.concat([Uint8Array.of(DATA), data]);
    sent.push(message);
    const hasRoom =
      sent.length % 3 === 0
        ? from.transport.send(message)
        : from.transport.sendData(message.subarray(0, 1), message.subarray(1));
    if (!hasRoom || sent.length % 5 === 0) await pump();
  }
  await pump();
  return sent;
}

test.each([
  ['the server', { rekeyBytes: 200_000 }, {}],
  ['the client', {}, { rekeyBytes: 200_000 }],
  ['both at once', { rekeyBytes: 200_000 }, { rekeyBytes: 200_000 }],
])('ok: every byte arrives in order while %s changes keys again and again', async (_, limits, others) => {
  const ends = await opened(limits, others);
  const pump = (): Promise<void> => settle(ends.clock, 10);
  const [fromServer, fromClient] = await Promise.all([
    flood(ends.server, 200, pump),
    flood(ends.client, 200, pump),
  ]);
  await settle(ends.clock, 50);
  expect([ends.server.error, ends.client.error]).toEqual([undefined, undefined]);
  expect(digestOf(ends.client.messages)).toBe(digestOf(fromServer));
  expect(digestOf(ends.server.messages)).toBe(digestOf(fromClient));
});

test('ok: with its new keys in use an end holds nothing back, so that nothing is overtaken', () => {
  // What was held goes out then, and who hears of the room writes at once.
  const isHeld: boolean[] = [];
  const waiting: (() => void)[] = [];
  const scheduleOf = (role: 'server' | 'client', other: () => KeySchedule): KeySchedule => {
    const schedule: KeySchedule = new KeySchedule(
      {
        role,
        socket: new PassThrough(),
        clock: new FakeClock(),
        log: silentLog,
        limits: sshLimits(),
        hostKeys: [{ privateKey: generateKeyPairSync('ed25519').privateKey }],
        verifyHost: () => {},
        handlers: { onMessage: () => {}, onDrain: () => {}, onClose: () => {} },
        onReady: () => {},
      },
      {
        send: (payload) => waiting.push(() => other().onMessage(Buffer.from(payload))),
        useSealer: () => isHeld.push(schedule.isHeld),
        useOpener: () => {},
        onTimeout: () => {},
      },
    );
    schedule.onPeerVersion(OUR_VERSION);
    return schedule;
  };
  const server: KeySchedule = scheduleOf('server', () => client);
  const client: KeySchedule = scheduleOf('client', () => server);
  const exchange = (): void => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
  };
  client.begin();
  exchange();
  server.refresh({ packets: 0, bytes: Infinity }, { packets: 0, bytes: 0 });
  expect(server.isHeld).toBe(true);
  exchange();
  expect(isHeld).toEqual([false, false, false, false]);
});

test('ok: keys are as old as their use: after an hour, with the next message', async () => {
  const { clock, end, peer } = await openAgainstRaw('server', { stopBefore: MSG.newKeys + 1 });
  end.transport.authenticated();
  const first = end.transport.sessionId;
  const lists: number[] = [];
  peer.socket.on('data', (chunk: Buffer) => lists.push(chunk.length));
  await clock.advance(3_600_001);
  expect(lists).toEqual([]);
  end.transport.send(Uint8Array.of(DATA, 7));
  await settle(clock, 20);
  // It went out under the new keys, after the exchange, and the session is still the same.
  expect(peer.received.at(-1)).toEqual(Buffer.from([DATA, 7]));
  expect(lists.length).toBeGreaterThan(1);
  expect(end.transport.sessionId).toEqual(first);
  expect(end.isClosed).toBe(false);
});

test('ok: the peer may ask at any time, and what is sent meanwhile waits for the new keys', async () => {
  const { clock, end, peer } = await openAgainstRaw('server', { alter: (payload) => [payload] });
  end.transport.authenticated();
  for (let round = 0; round < 5; round++) {
    peer.startExchange();
    end.transport.send(Uint8Array.of(DATA, round));
    await settle(clock, 20);
  }
  expect(peer.received.slice(1)).toEqual([0, 1, 2, 3, 4].map((round) => Buffer.from([DATA, round])));
  expect(end.isClosed).toBe(false);
});

test('S29 refuses: data of a peer between its lists and its new keys', async () => {
  const { clock, end, peer } = await openAgainstRaw('server');
  end.transport.authenticated();
  peer.startExchange();
  peer.send(Uint8Array.of(DATA, 1));
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'BAD_REQUEST' } });
  expect(end.messages).toEqual([]);
});

test('ok: data of a peer that has not seen the lists of this end yet', async () => {
  const { clock, end, peer } = await openAgainstRaw('server', {}, { limits: { rekeyBytes: 1000 } });
  end.transport.authenticated();
  end.transport.send(Buffer.alloc(2000, DATA));
  end.transport.send(Uint8Array.of(DATA, 1));
  peer.send(Uint8Array.of(DATA, 2));
  await settle(clock, 20);
  expect(end.messages).toEqual([Buffer.from([DATA, 2])]);
  expect(peer.received.at(-1)).toEqual(Buffer.from([DATA, 1]));
});

test('S29 refuses: new keys before the login', async () => {
  for (const role of ['server', 'client'] as const) {
    const { clock, end, peer } = await openAgainstRaw(role);
    peer.startExchange();
    await settle(clock);
    expect(end).toMatchObject({ isClosed: true, error: { message: 'message 20 is not allowed now' } });
  }
});

test('S32 refuses: a peer that does not finish an exchange of keys', async () => {
  const { clock, end, peer } = await openAgainstRaw(
    'server',
    { alter: onlyTheFirst() },
    { limits: { rekeyBytes: 1000 } },
  );
  end.transport.authenticated();
  end.transport.send(Buffer.alloc(2000, DATA));
  end.transport.send(Uint8Array.of(DATA, 1));
  await settle(clock);
  expect([end.isClosed, peer.numbers.at(-1)]).toEqual([false, DATA]);
  await clock.advance(30_000);
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { message: 'the exchange of keys took too long' } });
});

test('S33 refuses: more than a few MiB for a peer that does not finish an exchange of keys', async () => {
  const { clock, end } = await openAgainstRaw(
    'server',
    { alter: onlyTheFirst() },
    { limits: { rekeyBytes: 1000 } },
  );
  end.transport.authenticated();
  end.transport.send(Buffer.alloc(2000, DATA));
  let taken = 0;
  while (end.transport.sendData(Uint8Array.of(DATA), Buffer.alloc(32_000))) taken += 32_000;
  expect(taken).toBeLessThan(1.1 * 1024 ** 2);
  for (let more = 0; more < 200; more++) end.transport.sendData(Uint8Array.of(DATA), Buffer.alloc(32_000));
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'LIMIT_EXCEEDED' } });
});

test('ok: last words said during an exchange of keys come after what waits for it', async () => {
  const ends = await opened({ rekeyBytes: 1000 }, {});
  ends.server.transport.send(Buffer.alloc(2000, DATA));
  for (let at = 0; at < 5; at++) ends.server.transport.send(Uint8Array.of(DATA, at));
  ends.server.transport.disconnect(DISCONNECT.byApplication, 'done');
  await settle(ends.clock, 20);
  expect(ends.client.messages.slice(1).map((message) => message[1])).toEqual([0, 1, 2, 3, 4]);
  expect([ends.client.isClosed, ends.client.error, ends.server.error]).toEqual([true, undefined, undefined]);
});

/** Answers the first exchange and no other. */
function onlyTheFirst(): (payload: Uint8Array) => readonly Uint8Array[] {
  let count = 0;
  return (payload) => {
    if (payload[0] === MSG.kexInit) count += 1;
    return count > 1 ? [] : [payload];
  };
}
