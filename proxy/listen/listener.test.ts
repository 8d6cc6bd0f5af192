// A port on loopback: what it hands on, from whom it takes a PROXY header, and what it does with the slow and the many.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parseNetwork, type IpNetwork } from '#core/certs/ip-address.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { FIRST_BYTES_MS } from './first-bytes.ts';
import { ListenBounds, openListener, type Listener, type ListenerOptions } from './listener.ts';
import type { Origin } from './origin.ts';

interface Taken {
  readonly socket: Socket;
  readonly origin: Origin;
  readonly type: string | undefined;
  readonly settled: () => void;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const LOOPBACK = [parseNetwork('127.0.0.0/8') as IpNetwork];

async function open(
  about: Partial<ListenerOptions> & { readonly max?: number; readonly strangers?: number } = {},
): Promise<{ listener: Listener; taken: Taken[]; clock: FakeClock; bounds: ListenBounds }> {
  const taken: Taken[] = [];
  const clock = new FakeClock();
  const bounds = new ListenBounds(about.max ?? 100, about.strangers);
  const listener = await openListener({
    listen: { host: '127.0.0.1', port: 0 },
    setting: 'proxy_service.web_listen_addr',
    clock,
    log: silentLog,
    balancers: [],
    bounds,
    detects: true,
    accept: (socket, origin, spoken, settled) => taken.push({ socket, origin, type: spoken?.type, settled }),
    ...about,
  });
  closers.push(() => listener.close());
  return { listener, taken, clock, bounds };
}

function dial({ port }: Listener, text = ''): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  closers.push(() => socket.destroy());
  if (text !== '') socket.write(text, 'latin1');
  return socket;
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => socket.once('close', resolve).resume());
const first = (taken: Taken[]): Promise<Taken> => until('a connection', () => taken[0]);

describe('first bytes', () => {
  it('ok: what is spoken, with every byte still there', async () => {
    const { listener, taken } = await open();
    const socket = dial(listener, 'SS');
    await until('the connection', () => socket.localPort !== undefined);
    socket.write('H-2.0-x\r\n');
    const { socket: near, origin, type } = await first(taken);
    expect(type).toBe('ssh');
    expect(origin).toEqual({
      remoteAddress: `127.0.0.1:${socket.localPort}`,
      localAddress: `127.0.0.1:${listener.port}`,
    });
    const read = new Promise((resolve) => near.once('data', resolve));
    near.resume();
    expect(String(await read)).toBe('SSH-2.0-x\r\n');
  });

  it('refuses: what nobody speaks here, and who ends before saying what', async () => {
    const { listener, taken } = await open();
    await closed(dial(listener, 'EHLO me\r\n'));
    const early = dial(listener, 'SS');
    early.end();
    await closed(early);
    expect(taken).toEqual([]);
  });

  it('S32 who says nothing, or too little, is gone after ten seconds', async () => {
    const { listener, taken, clock, bounds } = await open();
    const silent = [dial(listener), dial(listener, 'SS'), dial(listener, '\x16\x03\x01\x02\x00\x01')];
    const all = Promise.all(silent.map(closed));
    await until('all of them', () => bounds.count === 3);
    await clock.advance(FIRST_BYTES_MS);
    await all;
    expect(taken).toEqual([]);
    expect(bounds.strangers.size).toBe(0);
  });
});

describe('balancers', () => {
  const HEADER = 'PROXY TCP4 192.0.2.7 10.0.0.1 51000 443\r\n';

  it('ok: one that is named says who the client is', async () => {
    const { listener, taken } = await open({ balancers: LOOPBACK });
    dial(listener, `${HEADER}SSH-2.0-x\r\n`);
    const { origin, socket } = await first(taken);
    expect(origin.remoteAddress).toBe('192.0.2.7:51000');
    const read = new Promise((resolve) => socket.once('data', resolve));
    socket.resume();
    expect(String(await read)).toBe('SSH-2.0-x\r\n');
  });

  it('ok: it may speak for itself, and a port of one protocol needs no more than the header', async () => {
    const { listener, taken } = await open({ balancers: LOOPBACK, detects: false });
    dial(listener, HEADER);
    expect((await first(taken)).origin.remoteAddress).toBe('192.0.2.7:51000');
    dial(listener, 'SSH-2.0-x');
    const second = await until('the second', () => taken[1]);
    expect(second.origin.remoteAddress).toMatch(/^127\.0\.0\.1:/);
    expect(second.type).toBeUndefined();
  });

  it('S19 nobody else may say whose connection it is', async () => {
    const others = [parseNetwork('10.0.0.0/8') as IpNetwork];
    for (const balancers of [[], others]) {
      const { listener, taken } = await open({ balancers });
      await closed(dial(listener, `${HEADER}SSH-2.0-x\r\n`));
      expect(taken).toEqual([]);
    }
    const { listener, taken } = await open({ balancers: LOOPBACK });
    await closed(dial(listener, `${HEADER}${HEADER}SSH-2.0-x\r\n`));
    expect(taken).toEqual([]);
  });
});

describe('bounds', () => {
  it('S32 a network holds so many connections of strangers, and those who proved themselves do not count', async () => {
    const { listener, taken, bounds } = await open({ strangers: 2 });
    dial(listener, 'SSH-2.0-a');
    dial(listener, 'SSH-2.0-b');
    await until('two', () => taken.length === 2);
    await closed(dial(listener, 'SSH-2.0-c'));
    taken[0]?.settled();
    dial(listener, 'SSH-2.0-d');
    await until('three', () => taken.length === 3);
    expect(bounds.count).toBe(3);
  });

  it('S32 strangers behind a balancer count where they are, and shut out nobody else', async () => {
    const { listener, taken, bounds } = await open({ strangers: 2, balancers: LOOPBACK });
    const from = (ip: string): string => `PROXY TCP4 ${ip} 10.0.0.1 51000 443\r\nSSH-2.0-x\r\n`;
    for (const count of [1, 2]) {
      dial(listener, from('192.0.2.7'));
      await until('it', () => taken.length === count);
    }
    await closed(dial(listener, from('192.0.2.7')));
    dial(listener, from('192.0.2.8'));
    const other = await until('the other one', () => taken[2]);
    expect(other.origin.remoteAddress).toBe('192.0.2.8:51000');
    expect(bounds.strangers.size).toBe(3);
    other.settled();
    taken[0]?.socket.destroy();
    await until('one is left', () => bounds.strangers.size === 1);
    dial(listener, from('192.0.2.7'));
    await until('there is room again', () => taken.length === 4);
  });

  it('ok: connection_limits.max_connections is the end, until one closes', async () => {
    const { listener, taken, bounds } = await open({ max: 2 });
    dial(listener, 'SSH-2.0-a');
    await until('one', () => taken.length === 1);
    taken[0]?.settled();
    const second = dial(listener, 'SSH-2.0-b');
    await until('two', () => taken.length === 2);
    taken[1]?.settled();
    await closed(dial(listener, 'SSH-2.0-c'));
    second.destroy();
    taken[1]?.socket.destroy();
    await until('room', () => bounds.count === 1);
    dial(listener, 'SSH-2.0-d');
    await until('three', () => taken.length === 3);
  });
});

it('ok: a stop keeps what is there; a close ends it', async () => {
  const { listener, taken } = await open();
  const socket = dial(listener, 'SSH-2.0-a');
  await first(taken);
  listener.stop();
  await closed(dial(listener, 'SSH-2.0-b'));
  expect(socket.destroyed).toBe(false);
  const gone = closed(socket);
  await listener.close();
  await gone;
});

it('refuses: an address that is taken, with what to do', async () => {
  const { listener } = await open();
  const again = open({ listen: { host: '127.0.0.1', port: listener.port } });
  await expect(again).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    details: { remedy: expect.stringContaining('web_listen_addr') as string },
  });
});
