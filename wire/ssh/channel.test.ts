import { describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { FakeTransport } from '#test/kit/fake-transport.ts';
import { numbersMessage, startMessage } from './connection-messages.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import { MSG } from './messages.ts';
import type { Channel, ChannelReceiver } from './ssh.ts';

const KIB = 1024;
const NOTHING = new Uint8Array();
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

interface Rig {
  readonly transport: FakeTransport;
  readonly channels: Channel[];
  readonly told: string[];
  /** The messages of one channel: its peer's number is its own plus 100. */
  sentTo(channel: number): string[];
  sentBytes(channel: number): string;
}

/** A server with `count` channels whose peer gives a window each. */
function open(options: {
  count?: number;
  window?: number;
  packet?: number;
  ownWindow?: number;
  receiver?: (index: number) => ChannelReceiver;
}): Rig {
  const { count = 1, window = 64 * KIB, packet = 32 * KIB, ownWindow = 64 * KIB } = options;
  const transport = new FakeTransport('server');
  const limits = sshLimits({ windowBytes: ownWindow });
  const connection = new Connection({ transport, clock: new FakeClock(), log: silentLog, limits });
  const channels: Channel[] = [];
  const told: string[] = [];
  const recorder: ChannelReceiver = {
    onData: (bytes) => void told.push(`data ${bytes.length}`),
    onStderr: (bytes) => void told.push(`stderr ${bytes.length}`),
    onEof: () => void told.push('eof'),
    onDrain: () => void told.push('drain'),
    onRequest: (name) => told.push(name) > 0,
    onClose: () => void told.push('close'),
  };
  connection.serve({
    onChannel: (opening) =>
      void channels.push(opening.accept(options.receiver?.(channels.length) ?? recorder)),
  });
  for (let index = 0; index < count; index++) {
    const message = startMessage(MSG.channelOpen)
      .string('session')
      .uint32(100 + index);
    transport.receive(message.uint32(window).uint32(packet).view());
  }
  transport.take();
  const of = (channel: number): Buffer[] =>
    transport.sent.filter((message) => message.readUInt32BE(1) === 100 + channel);
  const names = new Map(Object.entries(MSG).map(([name, number]) => [number as number, name]));
  return {
    transport,
    channels,
    told,
    sentTo: (channel) =>
      of(channel).map((message) =>
        message[0] === MSG.channelData ? `data ${message.length - 9}` : names.get(message[0]!)!,
      ),
    sentBytes: (channel) =>
      of(channel)
        .filter((message) => message[0] === MSG.channelData)
        .map((message) => message.subarray(9).toString())
        .join(''),
  };
}

const data = (id: number, length: number): Uint8Array =>
  startMessage(MSG.channelData).uint32(id).string(Buffer.alloc(length, 'x')).finish();
const extended = (id: number, type: number, length: number): Uint8Array =>
  startMessage(MSG.channelExtendedData).uint32(id).uint32(type).string(Buffer.alloc(length, 'x')).finish();
const request = (name: string, payload: Uint8Array = NOTHING): Uint8Array =>
  startMessage(MSG.channelRequest).uint32(0).string(name).raw(Uint8Array.of(1)).raw(payload).finish();
const adjust = (id: number, bytes: number): Uint8Array => numbersMessage(MSG.channelWindowAdjust, id, bytes);

describe('what this end sends', () => {
  test('ok: is cut to the packets and the window of the peer, and goes on when it opens', () => {
    const { transport, channels, told, sentTo, sentBytes } = open({ window: 250, packet: 200 });
    const text = Array.from({ length: 700 }, (_, index) => String.fromCodePoint(97 + (index % 26))).join('');
    expect([channels[0]!.room, channels[0]!.write(Buffer.from(text)), channels[0]!.room]).toEqual([
      250,
      true,
      0,
    ]);
    expect(sentTo(0)).toEqual(['data 200', 'data 50']);
    transport.receive(adjust(0, 100));
    transport.receive(adjust(0, 1000));
    expect(sentTo(0)).toEqual(['data 200', 'data 50', 'data 100', 'data 200', 'data 150']);
    expect([sentBytes(0), told]).toEqual([text, []]);
  });

  test('ok: output and errors keep their order', () => {
    const { transport, channels } = open({ window: 0 });
    channels[0]!.write(Buffer.from('a'));
    channels[0]!.writeStderr(Buffer.from('b'));
    channels[0]!.write(Buffer.from('c'));
    transport.receive(adjust(0, 100));
    expect(transport.take().map((message) => [message[0], message.at(-1)])).toEqual([
      [MSG.channelData, 97],
      [MSG.channelExtendedData, 98],
      [MSG.channelData, 99],
    ]);
  });

  test('ok: is copied, so that the memory may be used again', () => {
    const { transport, channels, sentBytes } = open({ window: 2 });
    const bytes = Buffer.from('abcd');
    channels[0]!.write(bytes);
    bytes.fill('x');
    transport.receive(adjust(0, 100));
    expect(sentBytes(0)).toBe('abcd');
  });

  test('ok: write says false when much waits, and onDrain comes when nothing does', () => {
    const { transport, channels, told } = open({ window: 0 });
    expect(channels[0]!.write(new Uint8Array(64 * KIB - 1))).toBe(true);
    expect(channels[0]!.write(new Uint8Array(1))).toBe(false);
    transport.receive(adjust(0, 64 * KIB - 1));
    expect(told).toEqual([]);
    transport.receive(adjust(0, 1));
    expect(told).toEqual(['drain']);
  });

  test('ok: nothing is sent while the socket is full; then all of it', () => {
    const { transport, channels, told, sentTo } = open({});
    transport.hasRoom = false;
    expect(channels[0]!.write(Buffer.alloc(10))).toBe(false);
    expect(channels[0]!.write(Buffer.alloc(20))).toBe(true);
    expect([sentTo(0), channels[0]!.room]).toEqual([['data 10'], 0]);
    transport.drain();
    expect([sentTo(0), told]).toEqual([['data 10', 'data 20'], ['drain']]);
  });

  test('S33 ok: a writer that does not listen loses its channel, and no other', () => {
    const { channels, told, sentTo } = open({ window: 0, count: 2 });
    const megabyte = new Uint8Array(1024 * KIB);
    for (let count = 0; count < 20; count++) channels[0]!.write(megabyte);
    expect([channels[0]!.isOpen, channels[1]!.isOpen]).toEqual([false, true]);
    expect(sentTo(0)).toEqual(['channelEof', 'channelClose']);
    expect(told).toEqual([]);
  });

  test('ok: end and close wait for what was written', () => {
    const { transport, channels, sentTo } = open({ window: 10 });
    channels[0]!.write(Buffer.alloc(15));
    channels[0]!.end();
    channels[0]!.close();
    channels[0]!.close();
    expect([channels[0]!.isOpen, channels[0]!.write(Buffer.of(1)), sentTo(0)]).toEqual([
      false,
      false,
      ['data 10'],
    ]);
    transport.receive(adjust(0, 10));
    expect(sentTo(0)).toEqual(['data 10', 'data 5', 'channelEof', 'channelClose']);
  });

  test('ok: after end nothing more is sent, and requests still are', () => {
    const { channels, sentTo } = open({});
    channels[0]!.end();
    channels[0]!.end();
    expect(channels[0]!.write(Buffer.of(1))).toBe(false);
    channels[0]!.notify('exit-status', Uint8Array.of(0, 0, 0, 0));
    expect(sentTo(0)).toEqual(['channelEof', 'channelRequest']);
  });

  test('S33 ok: a stuck channel does not stop others', () => {
    const { channels, sentTo } = open({ count: 2, window: 100 });
    channels[0]!.write(Buffer.alloc(50 * KIB));
    channels[1]!.write(Buffer.alloc(70));
    expect([sentTo(0), sentTo(1)]).toEqual([['data 100'], ['data 70']]);
  });

  test('S33 ok: channels take turns when the socket has room, one packet each', () => {
    const { transport, channels } = open({ count: 3, window: 10_000, packet: 1000 });
    transport.hasRoom = false;
    channels[0]!.write(Buffer.alloc(1));
    transport.take();
    for (const channel of channels) channel.write(Buffer.alloc(3000));
    transport.drain();
    const order = transport.take().map((message) => message.readUInt32BE(1) - 100);
    // Channel 0 asked for a drain first, and so is first.
    expect(order).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });

  test('S33 ok: a flood that is refilled at every drain leaves the others their turn', () => {
    const flood = (): void => {
      const [channel] = rig.channels;
      for (let goesOn = true; goesOn;) goesOn = channel!.write(Buffer.alloc(5000));
    };
    const rig = open({
      count: 2,
      window: 2 ** 30,
      packet: 1000,
      receiver: (index) => (index === 0 ? { onDrain: flood } : {}),
    });
    const { transport, channels } = rig;
    let left = 8;
    transport.onSent = () => (transport.hasRoom = --left > 0);
    channels[0]!.write(Buffer.alloc(50_000));
    channels[1]!.write(Buffer.alloc(4000));
    transport.take();
    left = 8;
    transport.drain();
    const order = transport.take().map((message) => message.readUInt32BE(1) - 100);
    expect(order.filter((channel) => channel === 1)).toHaveLength(4);
  });
});

describe('what the peer sends', () => {
  test('S33 refuses: a byte beyond the window, also in many packets (mscdex/ssh2#1505)', () => {
    const { transport, told } = open({ ownWindow: 64 * KIB });
    transport.receive(data(0, 32 * KIB));
    transport.receive(data(0, 32 * KIB));
    expect(transport.ended).toBeUndefined();
    transport.receive(data(0, 1));
    expect(transport.ended?.error).toMatchObject({ message: expect.stringContaining('window') as string });
    expect(told).toEqual(['data 32768', 'data 32768', 'close']);
  });

  test.each([
    ['data', data(0, 32 * KIB + 1)],
    ['standard error', extended(0, 1, 32 * KIB + 1)],
    ['data of an unknown type', extended(0, 7, 32 * KIB + 1)],
  ])('S33 refuses: %s larger than a packet', (_, message) => {
    const { transport } = open({});
    transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ message: expect.stringContaining('packet') as string });
  });

  test.each([
    ['standard error', extended(0, 1, 1)],
    ['data of an unknown type', extended(0, 7, 1)],
  ])('S33 refuses: %s beyond the window', (_, message) => {
    const { transport } = open({ ownWindow: 64 * KIB });
    transport.receive(data(0, 32 * KIB));
    transport.receive(data(0, 32 * KIB));
    transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ message: expect.stringContaining('window') as string });
  });

  test('ok: credit is given back in large parts, and never more than there was', () => {
    const { transport, channels } = open({ ownWindow: 64 * KIB });
    transport.receive(data(0, 20 * KIB));
    channels[0]!.consumed(10 * KIB);
    expect(transport.take()).toEqual([]);
    channels[0]!.consumed(10 ** 9);
    channels[0]!.consumed(10 ** 9);
    channels[0]!.consumed(-5);
    expect(transport.take()).toEqual([Buffer.from(numbersMessage(MSG.channelWindowAdjust, 100, 20 * KIB))]);
  });

  test('ok: what nobody wants is dropped, and its credit given back', () => {
    const { transport, told } = open({ ownWindow: 64 * KIB, receiver: () => ({}) });
    for (let count = 0; count < 8; count++) {
      transport.receive(data(0, 16 * KIB));
      transport.receive(extended(0, 1, 16 * KIB));
      transport.receive(extended(0, 99, 16 * KIB));
    }
    expect([transport.ended, told]).toEqual([undefined, []]);
    const credit = transport.take().reduce((sum, message) => sum + message.readUInt32BE(5), 0);
    expect(credit).toBe(24 * 16 * KIB);
  });

  test.each([
    ['data', data(0, 1)],
    ['another EOF', numbersMessage(MSG.channelEof, 0)],
  ])('refuses: %s after EOF', (_, message) => {
    const { transport } = open({});
    transport.receive(numbersMessage(MSG.channelEof, 0));
    transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('ok: its close is answered, what waited for it is dropped, and the end is told last', async () => {
    const { transport, channels, told, sentTo } = open({ window: 0 });
    channels[0]!.write(Buffer.alloc(100));
    const asked = channels[0]!.request('signal', NOTHING);
    transport.receive(numbersMessage(MSG.channelEof, 0));
    transport.receive(numbersMessage(MSG.channelClose, 0));
    expect([sentTo(0), told, channels[0]!.isOpen]).toEqual([
      ['channelRequest', 'channelClose'],
      ['eof', 'close'],
      false,
    ]);
    expect([await asked, await channels[0]!.request('x', NOTHING)]).toEqual([false, false]);
    transport.receive(adjust(0, 10));
    expect(transport.ended).toBeUndefined();
    transport.receive(data(0, 1));
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('ok: closes that cross, and data that was under way', () => {
    const { transport, channels, told, sentTo } = open({});
    channels[0]!.close();
    transport.receive(data(0, 50));
    transport.receive(request('late'));
    transport.receive(numbersMessage(MSG.channelEof, 0));
    expect(told).toEqual([]);
    transport.receive(numbersMessage(MSG.channelClose, 0));
    expect([told, sentTo(0)]).toEqual([['close'], ['channelEof', 'channelClose']]);
  });

  test('ok: requests are handled one after another, and what follows waits for them', async () => {
    const answers: ((answer: boolean) => void)[] = [];
    const told: string[] = [];
    const { transport } = open({
      receiver: () => ({
        onRequest(name) {
          told.push(name);
          return name === 'sync' || new Promise((resolve) => answers.push(resolve));
        },
        onData: (bytes) => void told.push(bytes.toString()),
        onEof: () => void told.push('eof'),
        onClose: () => void told.push('close'),
      }),
    });
    transport.receive(request('slow 1'));
    transport.receive(data(0, 2));
    transport.receive(request('sync'));
    transport.receive(request('slow 2'));
    transport.receive(data(0, 3));
    transport.receive(numbersMessage(MSG.channelEof, 0));
    transport.receive(numbersMessage(MSG.channelClose, 0));
    expect(told).toEqual(['slow 1']);
    answers[0]!(true);
    await settle();
    expect(told).toEqual(['slow 1', 'xx', 'sync', 'slow 2']);
    answers[1]!(true);
    await settle();
    expect(told).toEqual(['slow 1', 'xx', 'sync', 'slow 2', 'xxx', 'eof', 'close']);
  });

  test('ok: a receiver that fails loses its channel, and no other', async () => {
    const fail = (): never => {
      throw new Error('bug');
    };
    const { transport, channels, sentTo } = open({
      count: 6,
      receiver: (index) =>
        [
          { onData: fail },
          { onStderr: fail },
          { onEof: fail },
          { onRequest: fail },
          { onRequest: () => Promise.reject(new Error('bug')) },
          {},
        ][index]!,
    });
    transport.receive(data(0, 1));
    transport.receive(extended(1, 1, 1));
    transport.receive(numbersMessage(MSG.channelEof, 2));
    for (const id of [3, 4])
      transport.receive(startMessage(MSG.channelRequest).uint32(id).string('x').raw(Uint8Array.of(1)).view());
    await settle();
    expect(channels.map((channel) => channel.isOpen)).toEqual([false, false, false, false, false, true]);
    expect([sentTo(3), sentTo(4), transport.ended]).toEqual([
      ['channelEof', 'channelClose'],
      ['channelEof', 'channelClose'],
      undefined,
    ]);
  });

  test('S33 refuses: many requests, or much in them, while the first is not answered', () => {
    for (const [payload, channels] of [
      [NOTHING, 1],
      [new Uint8Array(20 * KIB), 1],
      [new Uint8Array(200 * KIB), 20],
    ] as const) {
      const receiver = (): ChannelReceiver => ({ onRequest: () => new Promise(() => {}) });
      const { transport } = open({ count: channels, receiver });
      for (let count = 0; count < 300 && transport.ended === undefined; count++) {
        const message = Buffer.from(request('slow', payload));
        message.writeUInt32BE(count % channels, 1);
        transport.receive(message);
      }
      expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
    }
  });

  test('ok: requests that wait are counted no more once they were handled', async () => {
    const { transport, told } = open({
      receiver: () => ({
        onRequest: (name) => settle().then(() => told.push(name) > 0),
      }),
    });
    for (let round = 0; round < 5; round++) {
      for (let count = 0; count < 4; count++) transport.receive(request('env', new Uint8Array(200 * KIB)));
      for (let wait = 0; wait < 8; wait++) await settle();
    }
    expect([told.length, transport.ended]).toEqual([20, undefined]);
  });

  test('S33 refuses: small packets without end that nobody deals with', () => {
    const { transport, channels } = open({ ownWindow: 2 ** 20, receiver: () => ({ onData() {} }) });
    let count = 0;
    while (transport.ended === undefined && count < 10 ** 6) {
      transport.receive(data(0, 1));
      count++;
    }
    expect(count).toBe(64 * KIB + 1);
    expect(channels[0]!.isOpen).toBe(false);
  });

  test('ok: small packets that are dealt with, if slowly, may go on', () => {
    let waiting = 0;
    const rig = open({ ownWindow: 2 ** 20, receiver: () => ({ onData: () => void waiting++ }) });
    for (let count = 0; count < 200_000; count++) {
      rig.transport.receive(data(0, 1));
      if (waiting > 1000) {
        rig.channels[0]!.consumed(waiting - 10);
        waiting = 10;
      }
    }
    expect(rig.transport.ended).toBeUndefined();
  });
});
