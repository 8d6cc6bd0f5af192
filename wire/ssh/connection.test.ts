import { describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { FakeTransport } from '#test/kit/fake-transport.ts';
import { numbersMessage, startMessage } from './connection-messages.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import { MSG } from './messages.ts';
import type { Channel, ChannelReceiver, ConnectionHandlers, IncomingChannel, SshLimits } from './ssh.ts';

const PEER_ID = 77;
const NOTHING = new Uint8Array();

interface Rig {
  readonly transport: FakeTransport;
  readonly connection: Connection;
  readonly clock: FakeClock;
}

function open(handlers: ConnectionHandlers = {}, limits: Partial<SshLimits> = {}, role = 'server'): Rig {
  const transport = new FakeTransport(role as 'server');
  const clock = new FakeClock();
  const connection = new Connection({ transport, clock, log: silentLog, limits: sshLimits(limits) });
  connection.serve(handlers);
  return { transport, connection, clock };
}

const openMessage = (type = 'session', packet = 32768, window = 2 ** 20, peerId = PEER_ID): Uint8Array =>
  startMessage(MSG.channelOpen).string(type).uint32(peerId).uint32(window).uint32(packet).view();
const request = (id: number, name: string, wants = true, payload: Uint8Array = NOTHING): Uint8Array =>
  startMessage(MSG.channelRequest)
    .uint32(id)
    .string(name)
    .raw(Uint8Array.of(wants ? 1 : 0))
    .raw(payload)
    .finish();
const globalRequest = (name: string, wants = true): Uint8Array =>
  startMessage(MSG.globalRequest)
    .string(name)
    .raw(Uint8Array.of(wants ? 1 : 0))
    .finish();
const data = (id: number, bytes: string): Uint8Array =>
  startMessage(MSG.channelData).uint32(id).string(bytes).finish();
const types = (messages: readonly Buffer[]): number[] => messages.map((message) => message[0]!);
/** Lets promises settle and setImmediate run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** A receiver that writes down what it is told. */
function recorder(more: Partial<ChannelReceiver> = {}): ChannelReceiver & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    onData: (bytes) => void told.push(`data ${bytes.toString()}`),
    onStderr: (bytes) => void told.push(`stderr ${bytes.toString()}`),
    onEof: () => void told.push('eof'),
    onClose: () => void told.push('close'),
    onRequest: (name) => told.push(`request ${name}`) > 0,
    ...more,
  };
}

function accepted(receiver: ChannelReceiver, limits: Partial<SshLimits> = {}): Rig & { channel: Channel } {
  let channel: Channel | undefined;
  const rig = open({ onChannel: (opening) => void (channel = opening.accept(receiver)) }, limits);
  rig.transport.receive(openMessage());
  rig.transport.take();
  return { ...rig, channel: channel! };
}

describe('openings of the peer', () => {
  test('ok: are accepted with numbers of our own and the payload', () => {
    const openings: IncomingChannel[] = [];
    const { transport, connection } = open({ onChannel: (opening) => void openings.push(opening) });
    transport.receive(openMessage('direct-tcpip'), Buffer.from('rest'));
    expect(connection.channelCount).toBe(0);
    const [opening] = openings;
    expect([opening!.type, opening!.payload.toString()]).toEqual(['direct-tcpip', 'rest']);
    opening!.accept({}, Buffer.from('more'));
    const [confirmation] = transport.take();
    expect(confirmation).toEqual(
      Buffer.concat([
        numbersMessage(MSG.channelOpenConfirmation, PEER_ID, 0, 2 * 1024 ** 2, 32768),
        Buffer.from('more'),
      ]),
    );
    expect(connection.channelCount).toBe(1);
    expect(() => opening!.accept({})).toThrow('answered twice');
  });

  test.each<[string, Uint8Array, ConnectionHandlers, number]>([
    ['nobody serves', openMessage(), {}, 3],
    ['is refused by who serves', openMessage(), { onChannel: (opening) => opening.reject(1, 'no') }, 1],
    [
      'is as large as no opening is',
      Buffer.concat([openMessage(), Buffer.alloc(40_000)]),
      { onChannel() {} },
      4,
    ],
    ['has packets of no size', openMessage('session', 0), { onChannel() {} }, 4],
  ])('refuses: one that %s', (_, message, handlers, reason) => {
    const { transport } = open(handlers);
    transport.receive(message);
    const [answer] = transport.take();
    expect([answer![0], answer!.readUInt32BE(1), answer!.readUInt32BE(5)]).toEqual([
      MSG.channelOpenFailure,
      PEER_ID,
      reason,
    ]);
    expect(transport.ended).toBeUndefined();
  });

  test('S33 refuses: more than maxChannels, counting those nobody has answered yet', () => {
    const openings: IncomingChannel[] = [];
    const { transport, connection } = open(
      { onChannel: (opening) => void openings.push(opening) },
      { maxChannels: 2 },
    );
    for (let count = 0; count < 3; count++) transport.receive(openMessage());
    expect(openings).toHaveLength(2);
    expect(transport.take().map((message) => message.readUInt32BE(5))).toEqual([4]);
    openings[0]!.reject(1, 'no');
    openings[0]!.reject(1, 'again');
    transport.receive(openMessage());
    expect(openings).toHaveLength(3);
    openings[1]!.accept({});
    openings[2]!.accept({});
    expect(connection.channelCount).toBe(2);
  });

  test('ok: windows shrink when there are many channels', () => {
    const { transport } = open({ onChannel: (opening) => void opening.accept({}) });
    for (let count = 0; count < 256; count++) transport.receive(openMessage());
    const windows = transport.take().map((message) => message.readUInt32BE(9));
    expect(windows[0]).toBe(2 * 1024 ** 2);
    expect(windows[255]).toBe(64 * 1024);
    expect(windows.reduce((sum, window) => sum + window, 0)).toBeLessThan(33 * 1024 ** 2);
  });

  test('ok: a number is used again once both ends have closed', () => {
    const channels: Channel[] = [];
    const { transport, connection } = open({
      onChannel: (opening) => void channels.push(opening.accept({})),
    });
    transport.receive(openMessage());
    channels[0]!.close();
    transport.receive(openMessage());
    transport.receive(numbersMessage(MSG.channelClose, 0));
    transport.receive(openMessage());
    const ids = transport
      .take()
      .filter((message) => message[0] === MSG.channelOpenConfirmation)
      .map((message) => message.readUInt32BE(5));
    expect(ids).toEqual([0, 1, 0]);
    expect(connection.channelCount).toBe(2);
  });

  test('refuses: sessions after the client promised to ask for none', () => {
    const { transport } = open({ onChannel: (opening) => void opening.accept({}) });
    transport.receive(globalRequest('no-more-sessions@openssh.com', false));
    transport.receive(openMessage('session'));
    transport.receive(openMessage('direct-tcpip'));
    expect(types(transport.take())).toEqual([MSG.channelOpenFailure, MSG.channelOpenConfirmation]);
  });

  test('ok: one that is answered after the end is closed at once', async () => {
    const openings: IncomingChannel[] = [];
    const { transport } = open({ onChannel: (opening) => void openings.push(opening) });
    transport.receive(openMessage());
    transport.receive(openMessage());
    transport.destroy();
    const receiver = recorder();
    const channel = openings[0]!.accept(receiver);
    expect([channel.isOpen, channel.write(Buffer.from('x')), receiver.told]).toEqual([false, false, []]);
    openings[1]!.reject(1, 'late');
    await settle();
    expect(receiver.told).toEqual(['close']);
  });
});

describe('openings of this end', () => {
  test('ok: the receiver is told nothing before open has returned, and all of it after', async () => {
    const { transport, connection } = open();
    const receiver = recorder();
    const opening = connection.open('session', Buffer.from('payload'), receiver);
    const [asked] = transport.take();
    expect(asked).toEqual(
      Buffer.concat([
        startMessage(MSG.channelOpen)
          .string('session')
          .uint32(0)
          .uint32(2 * 1024 ** 2)
          .uint32(32768)
          .view(),
        Buffer.from('payload'),
      ]),
    );
    transport.receive(numbersMessage(MSG.channelOpenConfirmation, 0, PEER_ID, 100, 32768));
    transport.receive(data(0, 'early'));
    transport.receive(request(0, 'exit-status', true));
    transport.receive(numbersMessage(MSG.channelEof, 0));
    transport.receive(numbersMessage(MSG.channelClose, 0));
    const channel = await opening;
    expect([receiver.told, channel.isOpen]).toEqual([[], false]);
    await settle();
    expect(receiver.told).toEqual(['data early', 'request exit-status', 'eof', 'close']);
  });

  test('ok: a refusal says why', async () => {
    const { transport, connection } = open();
    const opening = connection.open('session', NOTHING, {});
    transport.receive(
      startMessage(MSG.channelOpenFailure).uint32(0).uint32(2).string('connection refused').string('').view(),
    );
    await expect(opening).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'the other end refused the channel: connection refused',
      details: { reason: 2 },
    });
  });

  test('ok: all settle when the connection ends', async () => {
    const { transport, connection } = open();
    const opening = connection.open('session', NOTHING, {});
    const question = connection.request('a', NOTHING);
    const probe = connection.probe();
    transport.destroy();
    await expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([await question, await probe, await connection.closed]).toEqual([undefined, false, undefined]);
    await expect(connection.open('session', NOTHING, {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([await connection.request('a', NOTHING), await connection.probe()]).toEqual([undefined, false]);
  });

  test('refuses: more channels than the limit, and payloads that fit no packet', async () => {
    const { connection } = open({}, { maxChannels: 1 });
    void connection.open('session', NOTHING, {}).catch(() => {});
    await expect(connection.open('session', NOTHING, {})).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(connection.request('a', new Uint8Array(256 * 1024))).rejects.toMatchObject({
      code: 'TOO_LARGE',
    });
  });
});

describe('global requests', () => {
  test('ok: are answered one after another, whoever is slow', async () => {
    const answers: ((answer: boolean | Uint8Array) => void)[] = [];
    const asked: string[] = [];
    const { transport } = open({
      onRequest(name) {
        asked.push(name);
        return name.startsWith('slow') ? new Promise((resolve) => answers.push(resolve)) : name !== 'bad';
      },
    });
    for (const name of ['slow 1', 'slow 2', 'bad', 'good']) transport.receive(globalRequest(name));
    transport.receive(globalRequest('quiet', false));
    expect([asked, transport.take()]).toEqual([['slow 1'], []]);
    answers[0]!(Uint8Array.of(1, 2));
    await settle();
    expect(asked).toEqual(['slow 1', 'slow 2']);
    answers[1]!(false);
    await settle();
    expect(asked).toEqual(['slow 1', 'slow 2', 'bad', 'good', 'quiet']);
    expect(transport.take()).toEqual([
      Buffer.of(MSG.requestSuccess, 1, 2),
      Buffer.of(MSG.requestFailure),
      Buffer.of(MSG.requestFailure),
      Buffer.of(MSG.requestSuccess),
    ]);
  });

  test('ok: those nobody knows, and those that fail, are failures; keepalive is answered', async () => {
    const { transport } = open({
      onRequest(name) {
        if (name === 'throws') throw new Error('bug');
        return name === 'rejects' ? Promise.reject(new Error('bug')) : false;
      },
    });
    for (const name of ['unknown', 'throws', 'rejects', 'hostkeys-00@openssh.com', 'keepalive@openssh.com'])
      transport.receive(globalRequest(name));
    await settle();
    expect(types(transport.take())).toEqual([82, 82, 82, 82, 81]);
    expect(transport.ended).toBeUndefined();
  });

  test('ok: questions of ours are answered in order', async () => {
    const { transport, connection } = open();
    const [first, second, third] = [
      connection.request('a', Buffer.from('x')),
      connection.probe(),
      connection.request('b', NOTHING),
    ];
    connection.notify('c', NOTHING);
    expect(types(transport.take())).toEqual([80, 80, 80, 80]);
    transport.receive(Buffer.of(MSG.requestSuccess), Buffer.from('yes'));
    transport.receive(Buffer.of(MSG.requestFailure));
    transport.receive(Buffer.of(MSG.requestFailure));
    expect(Buffer.from((await first)!).toString()).toBe('yes');
    expect([await second, await third]).toEqual([true, undefined]);
  });

  test('S33 refuses: hundreds of requests while the first is not answered', () => {
    const { transport } = open({ onRequest: () => new Promise(() => {}) });
    for (let count = 0; count < 300 && transport.ended === undefined; count++)
      transport.receive(globalRequest('slow'));
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('keep-alive', () => {
  test('ok: a silent peer is asked, and given up after some questions', async () => {
    const { transport, connection, clock } = open({}, { keepAliveMs: 1000, keepAliveCount: 2 });
    await clock.advance(999);
    expect(transport.take()).toEqual([]);
    await clock.advance(1);
    expect(transport.take()).toHaveLength(1);
    await clock.advance(2000);
    expect(await connection.closed).toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('ok: a peer that speaks is not asked, and one that answers is kept', async () => {
    const { transport, clock } = open({}, { keepAliveMs: 1000, keepAliveCount: 1 });
    await clock.advance(900);
    transport.receive(globalRequest('x', false));
    await clock.advance(900);
    expect(transport.take()).toEqual([]);
    for (let round = 0; round < 10; round++) {
      await clock.advance(1000);
      expect(types(transport.take())).toEqual([MSG.globalRequest]);
      transport.receive(Buffer.of(MSG.requestFailure));
    }
    expect(transport.ended).toBeUndefined();
  });

  test('ok: lastInputAt is about channels', async () => {
    const { transport, connection, clock } = accepted({});
    const start = clock.now();
    await clock.advance(500);
    transport.receive(globalRequest('keepalive@openssh.com'));
    transport.receive(numbersMessage(MSG.channelWindowAdjust, 0, 5));
    expect(connection.lastInputAt).toBe(start);
    transport.receive(data(0, 'x'));
    expect(connection.lastInputAt).toBe(start + 500);
  });
});

describe('S29 S33 a peer that breaks the protocol is cut', () => {
  test.each<[string, Uint8Array]>([
    ['data on a channel that is not open', data(5, 'x')],
    ['EOF on a channel that is not open', numbersMessage(MSG.channelEof, 5)],
    ['a request on a channel that is not open', request(5, 'exec')],
    ['closing a channel that is not open', numbersMessage(MSG.channelClose, 2 ** 32 - 1)],
    ['an answer to an opening that was not made', numbersMessage(MSG.channelOpenConfirmation, 0, 1, 1, 1)],
    ['an answer to a request that was not made', numbersMessage(MSG.channelSuccess, 0)],
    ['an answer to a global request that was not made', Uint8Array.of(MSG.requestSuccess)],
    ['a window beyond 4 GiB', numbersMessage(MSG.channelWindowAdjust, 0, 2 ** 32 - 1)],
    ['data that is shorter than it says', startMessage(MSG.channelData).uint32(0).uint32(9).view()],
    ['data that is longer than it says', Buffer.concat([data(0, 'x'), Buffer.of(0)])],
    ['a message without a meaning', Uint8Array.of(127)],
    ['a cut request', startMessage(MSG.channelRequest).uint32(0).view()],
    ['a request whose name is not UTF-8', Buffer.concat([request(0, 'x'), Buffer.of(0)]).fill(0xff, 9, 10)],
    ['a cut opening', startMessage(MSG.channelOpen).string('session').view()],
    ['a cut EOF', Uint8Array.of(MSG.channelEof, 0, 0)],
  ])('refuses: %s', async (_, message) => {
    const receiver = recorder();
    const { transport, connection } = accepted(receiver);
    transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await connection.closed).toMatchObject({ code: 'BAD_REQUEST' });
    expect(receiver.told.filter((told) => !told.startsWith('request'))).toEqual(['close']);
  });
});

test('ok: disconnect says why, and everybody is told the end', async () => {
  const receiver = recorder();
  const { transport, connection } = accepted(receiver);
  connection.disconnect(11, 'bye');
  expect(transport.ended).toEqual({ error: undefined, disconnect: 11 });
  expect([receiver.told, connection.channelCount, await connection.closed]).toEqual([
    ['close'],
    0,
    undefined,
  ]);
});
