// Forwards both ways, and servers that open what nobody asked for.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { freePort } from '#test/kit/openssh.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { serveEverything } from '#test/kit/toy-ssh-server.ts';
import { until } from '#test/kit/until.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import { connectedPair, type ConnectedPair } from '#wire/ssh/pair.ts';
import { directTcpip, emptyPayload, forwardedStreamlocal, forwardedTcpip } from '#wire/ssh/payloads.ts';
import { Forwards, type ForwardOptions } from './forwards.ts';
import { readSocks } from './socks.ts';
import { parseDynamic, parseLocal, parseRemote } from './specs.ts';

const folder = tempFolder();
let echo: Server;
let echoPort: number;
const open: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  echoPort = (echo.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  echo.close();
});

interface Forwarding {
  readonly forwards: Forwards;
  readonly pair: ConnectedPair;
  readonly notes: string[];
}

async function forwarding(about: Partial<ForwardOptions>): Promise<Forwarding> {
  const notes: string[] = [];
  const forwards = new Forwards({
    clock: systemClock,
    locals: [],
    remotes: [],
    agentSocket: undefined,
    mustWork: true,
    onNote: (text) => void notes.push(text),
    ...about,
  });
  const pair = await connectedPair({
    clock: systemClock,
    server: (connection) => serveEverything(connection),
    client: forwards.handlers,
  });
  open.push(() => pair.close());
  open.push(() => forwards.close());
  await forwards.start(pair.client);
  return { forwards, pair, notes };
}

/** What comes back when `text` is sent and the sending side ended. */
async function say(socket: Socket, text: string | Uint8Array): Promise<string> {
  let got = '';
  socket.on('data', (data: Buffer) => (got += data.toString('latin1')));
  socket.on('error', () => {});
  socket.end(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return got;
}
const dial = (port: number): Socket => connect({ port, host: '127.0.0.1', allowHalfOpen: true });

describe('local', () => {
  test('ok: to a port, both directions to their ends; what is open is counted', async () => {
    const port = await freePort();
    const { forwards } = await forwarding({ locals: [parseLocal(`${port}:127.0.0.1:${echoPort}`)] });
    const held = dial(port);
    held.write('x');
    await until('the held one', () => forwards.openCount === 1);
    const big = 'y'.repeat(3_000_000);
    expect(await say(dial(port), big)).toBe(big);
    held.end();
    await forwards.idle();
    expect(forwards.openCount).toBe(0);
  });

  test('ok: a target that is not there closes the connection, and no other', async () => {
    const [port, nobody] = [await freePort(), await freePort()];
    const { notes } = await forwarding({ locals: [parseLocal(`${port}:127.0.0.1:${nobody}`)] });
    expect(await say(dial(port), 'x')).toBe('');
    expect(notes[0]).toContain('a forwarded connection failed');
  });

  test('refuses: a port that is taken; or goes on, when it need not work', async () => {
    const spec = parseLocal(`127.0.0.1:${echoPort}:127.0.0.1:1`);
    await expect(forwarding({ locals: [spec] })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const { notes } = await forwarding({ locals: [spec], mustWork: false });
    expect(notes[0]).toContain('is not forwarded');
  });

  test('ok: a socket of the file system, which goes away with it', async () => {
    const path = join(folder, 'l.sock');
    const { forwards } = await forwarding({ locals: [parseLocal(`${path}:127.0.0.1:${echoPort}`)] });
    expect(await say(connect({ path, allowHalfOpen: true }), 'through')).toBe('through');
    forwards.close();
    await until('the socket to go', () => connectFails(path));
  });
});

const connectFails = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(true)).once('connect', () => resolve((socket.destroy(), false)));
  });

describe('SOCKS', () => {
  const name = (host: string): number[] => [host.length, ...Buffer.from(host)];
  const portBytes = (): number[] => [echoPort >> 8, echoPort & 255];

  test('ok: versions 5, 4 and 4a, with what is sent too early', async () => {
    const port = await freePort();
    await forwarding({ locals: [parseDynamic(String(port))] });
    const five = [5, 1, 0, 5, 1, 0, 3, ...name('localhost'), ...portBytes(), ...Buffer.from('five')];
    expect(await say(dial(port), Uint8Array.from(five))).toBe(
      `\u0005\0\u0005\0\0\u0001${'\0'.repeat(6)}five`,
    );
    const four = [4, 1, ...portBytes(), 127, 0, 0, 1, 0, ...Buffer.from('four')];
    expect(await say(dial(port), Uint8Array.from(four))).toBe(`\0Z${'\0'.repeat(6)}four`);
    const named = [
      4,
      1,
      ...portBytes(),
      0,
      0,
      0,
      1,
      106,
      0,
      ...Buffer.from('localhost\0'),
      ...Buffer.from('4a'),
    ];
    expect(await say(dial(port), Uint8Array.from(named))).toBe(`\0Z${'\0'.repeat(6)}4a`);
  });

  test('refuses: what cannot be reached, and other protocols', async () => {
    const [port, nobody] = [await freePort(), await freePort()];
    const { notes } = await forwarding({ locals: [parseDynamic(String(port))] });
    const gone = [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, nobody >> 8, nobody & 255];
    expect((await say(dial(port), Uint8Array.from(gone))).slice(0, 4)).toBe('\u0005\0\u0005\u0005');
    expect(await say(dial(port), 'GET / HTTP/1.1\r\n\r\n')).toBe('');
    expect(notes.at(-1)).toContain('not SOCKS');
  });

  test.each<[string, number[]]>([
    ['binding', [5, 2, 0, 1, 1, 2, 3, 4, 0, 80]],
    ['another type of address', [5, 1, 0, 9, 1, 2, 3, 4, 0, 80]],
    ['port 0', [5, 1, 0, 1, 1, 2, 3, 4, 0, 0]],
    ['a name with a line break', [5, 1, 0, 3, 3, 97, 10, 98, 0, 80]],
    ['an empty name', [5, 1, 0, 3, 0, 0, 80]],
  ])('S33 refuses: %s', (_, bytes) => {
    expect(() => readSocks(Uint8Array.from(bytes), 'request')).toThrow(/SOCKS/);
  });

  test('S33 refuses: a text without end', () => {
    expect(() =>
      readSocks(Uint8Array.from([4, 1, 0, 80, 1, 2, 3, 4, ...Array<number>(700).fill(65)]), 'greeting'),
    ).toThrow(/too long/);
  });
});

describe('remote', () => {
  test('ok: connections there come out here; any port is told', async () => {
    const port = await freePort();
    const { notes } = await forwarding({
      remotes: [
        parseRemote(`127.0.0.1:${port}:127.0.0.1:${echoPort}`),
        parseRemote(`0:127.0.0.1:${echoPort}`),
      ],
    });
    expect(await say(dial(port), 'there')).toBe('there');
    const any = Number(/Allocated port (\d+)/.exec(notes[0] ?? '')?.[1]);
    expect(await say(dial(any), 'any')).toBe('any');
  });

  test('S10 refuses: a server that opens what it did not grant, and the same place twice', async () => {
    // The toy server takes no sockets of the file system.
    const socket = join(folder, 'never.sock');
    const port = await freePort();
    const twice = `127.0.0.1:${port}:127.0.0.1:${echoPort}`;
    const { pair, notes } = await forwarding({
      mustWork: false,
      remotes: [parseRemote(`${socket}:127.0.0.1:${echoPort}`), parseRemote(twice), parseRemote(twice)],
    });
    expect(notes).toHaveLength(2);
    expect(notes[1]).toContain('asked for twice');
    expect(await say(dial(port), 'x')).toBe('x');
    const opened = forwardedStreamlocal.encode({ path: socket, reserved: '' });
    await expect(
      openChannelStream(pair.server, 'forwarded-streamlocal@openssh.com', opened),
    ).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });

  test('ok: without a target the far side speaks SOCKS', async () => {
    const port = await freePort();
    await forwarding({ remotes: [parseRemote(`127.0.0.1:${port}`)] });
    const request = [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, echoPort >> 8, echoPort & 255, ...Buffer.from('hi')];
    expect(await say(dial(port), Uint8Array.from(request))).toMatch(/hi$/);
  });

  test('ok: the agent, when it was forwarded', async () => {
    const path = join(folder, 'agent.sock');
    const agent = createServer((socket) => socket.end('agent speaking'));
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    open.push(() => void agent.close());
    const { pair } = await forwarding({ agentSocket: path });
    const stream = await openChannelStream(pair.server, 'auth-agent@openssh.com', emptyPayload.encode({}));
    let got = '';
    for await (const part of stream) got += String(part);
    expect(got).toBe('agent speaking');
  });

  test.each<[string, () => Uint8Array]>([
    ['auth-agent@openssh.com', () => emptyPayload.encode({})],
    [
      'forwarded-tcpip',
      () => forwardedTcpip.encode({ host: 'localhost', port: 22, originHost: 'x', originPort: 1 }),
    ],
    ['forwarded-tcpip', () => Uint8Array.of(0, 0, 0, 9)],
    [
      'direct-tcpip',
      () => directTcpip.encode({ host: '127.0.0.1', port: echoPort, originHost: 'x', originPort: 1 }),
    ],
    ['x11', () => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0)],
    ['session', () => emptyPayload.encode({})],
  ])('S10 refuses: a server that opens %s unasked', async (type, payload) => {
    const { pair } = await forwarding({});
    await expect(openChannelStream(pair.server, type, payload())).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });
});
