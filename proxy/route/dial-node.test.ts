// Dials to nodes that announce addresses: judged as they resolve, greeted before anything of the user is sent.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { dialNode, type NodeDial, type Resolve } from './dial-node.ts';

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const clock = new FakeClock();
const header = new Uint8Array(Buffer.from('HEADER\n'));

async function serve(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    closing.push(() => socket.destroy());
    onSocket(socket);
  });
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function dial(address: string, options: Partial<NodeDial> = {}): Promise<string> {
  try {
    const socket = await dialNode({
      address,
      header,
      clock,
      timeoutMs: 5000,
      rules: { allowsLoopback: true },
      ...options,
    });
    closing.push(() => socket.destroy());
    return String(socket.read());
  } catch (error) {
    return (error as Error).message;
  }
}

const resolveTo =
  (...addresses: string[]): Resolve =>
  (_, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

describe('greeting', () => {
  it('S34 what answers may reset the connection at any time, and hurts nobody', async () => {
    let near: Socket | undefined;
    const address = await serve((socket) => {
      near = socket;
      socket.write('SSH-2.0-node\r\n');
    });
    const rules = { allowsLoopback: true };
    const socket = await dialNode({ address, clock, timeoutMs: 5000, rules });
    near?.resetAndDestroy();
    socket.resume();
    await until('it is gone', () => socket.destroyed);
    expect(socket.errored).toMatchObject({ code: 'ECONNRESET' });
  });

  it('ok: the header goes first, and the greeting is still there to be read', async () => {
    let heard = '';
    const address = await serve((socket) => {
      socket.once('data', (data) => {
        heard = String(data);
        socket.write('SSH-2.0-node\r\nmore');
      });
    });
    expect(await dial(address)).toBe('SSH-2.0-node\r\nmore');
    expect(heard).toBe('HEADER\n');
  });

  it('ok: a greeting in pieces', async () => {
    const address = await serve((socket) => {
      socket.write('S');
      socket.once('data', () => socket.write('SH-2.0-node'));
    });
    expect(await dial(address)).toBe('SSH-2.0-node');
  });

  it.each([
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a database', '\u0000\u0000\u0000\u0010'],
    ['nearly SSH', 'SSX-2.0-'],
  ])('S25 refuses: %s, which learns nothing but the header', async (_, answer) => {
    let heard = '';
    const address = await serve((socket) => {
      socket.on('data', (data) => (heard += String(data)));
      socket.write(answer);
    });
    expect(await dial(address)).toBe(`${address}: what answers there is no SSH server`);
    await until('the header', () => heard !== '');
    expect(heard).toBe('HEADER\n');
  });

  it('S32 refuses: what says nothing in time, ends, or is not there', async () => {
    const silent = await serve(() => {});
    const waiting = dial(silent);
    await clock.advance(5001);
    expect(await waiting).toBe(`${silent}: no answer within 5 s`);
    expect(await dial(await serve((socket) => socket.end()))).toMatch(/the connection was ended|ECONNRESET/);
    const gone = await serve(() => {});
    for (const close of closing.splice(0)) close();
    expect(await dial(gone)).toBe(`${gone}: ECONNREFUSED`);
  });
});

describe('S25 addresses', () => {
  const rules = { allowsLoopback: false };

  it.each(['127.0.0.1:22', '[::1]:22', '169.254.169.254:80', '0.0.0.0:22', '[::ffff:127.0.0.1]:22'])(
    'S25 refuses: %s',
    async (address) => {
      expect(await dial(address, { rules })).toMatch(/address of the proxy itself|no server can be reached/);
    },
  );

  it('S25 refuses: names that resolve to what is not dialed, whatever else they resolve to, at the dial itself', async () => {
    const address = await serve((socket) => socket.write('SSH-2.0-x'));
    const port = address.split(':')[1];
    for (const found of [['127.0.0.1'], ['169.254.169.254'], ['::1', 'fe80::1'], []]) {
      const answer = await dial(`node.example.com:${port}`, { rules, resolve: resolveTo(...found) });
      expect(answer).toMatch(/proxy itself|no server can be reached|resolves to nothing/);
    }
    // Bad ones are left out, good ones tried; rebinding between check and dial is not possible.
    const mixed = resolveTo('169.254.169.254', '127.0.0.1');
    expect(await dial(`node.example.com:${port}`, { rules: { allowsLoopback: true }, resolve: mixed })).toBe(
      'SSH-2.0-x',
    );
  });
});
