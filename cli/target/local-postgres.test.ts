import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { cancelRequest, sslRequest, startupPacket } from '#wire/postgres/write.ts';
import { listenLocally, type LocalListener } from './local-listener.ts';
import { greetPostgres, refusePostgres } from './local-postgres.ts';

const STARTUP = startupPacket([['user', 'alice']]);
const GSS = Buffer.from('0000000804d21630', 'hex');
const clock = new FakeClock();

let far: Server;
let listener: LocalListener;
let opened = 0;
let failure: Error | undefined;
const failed: unknown[] = [];
const sockets: Socket[] = [];

/** The far side gives back what it gets. */
beforeAll(async () => {
  far = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
  listener = await listenLocally({
    at: { port: 0 },
    greet: (socket) => greetPostgres(socket, clock),
    open() {
      if (failure !== undefined) return Promise.reject(failure);
      opened++;
      return Promise.resolve(connect((far.address() as AddressInfo).port, '127.0.0.1'));
    },
    refuse: refusePostgres,
    failed: (error) => failed.push(error),
  });
});
afterEach(() => {
  failure = undefined;
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => {
  listener.close();
  far.close();
});

interface Heard {
  readonly socket: Socket;
  bytes: Buffer;
  isOver: boolean;
}

function say(...parts: readonly Uint8Array[]): Heard {
  const socket = connect(listener.port, '127.0.0.1');
  sockets.push(socket);
  const heard: Heard = { socket, bytes: Buffer.alloc(0), isOver: false };
  socket.on('data', (part) => (heard.bytes = Buffer.concat([heard.bytes, part])));
  socket.on('close', () => (heard.isOver = true)).on('error', () => {});
  for (const part of parts) socket.write(part);
  return heard;
}

const says = (heard: Heard, expected: Uint8Array): Promise<unknown> =>
  until('the answer', () => heard.bytes.length >= expected.length && heard.bytes.equals(expected));

describe('the local end of a tunnel', () => {
  it('ok: listens on loopback alone', () => {
    expect(listener.text).toBe(`127.0.0.1:${listener.port}`);
  });

  it('ok: a startup packet passes as it is', async () => {
    await says(say(STARTUP), STARTUP);
  });

  it('ok: encryption is declined, then the startup packet passes', async () => {
    await says(say(sslRequest(), STARTUP), Buffer.concat([Buffer.from('N'), STARTUP]));
    const heard = say(GSS);
    await says(heard, Buffer.from('N'));
    heard.socket.write(sslRequest());
    await says(heard, Buffer.from('NN'));
    heard.socket.write(STARTUP);
    await says(heard, Buffer.concat([Buffer.from('NN'), STARTUP]));
  });

  it('ok: bytes may come one by one', async () => {
    const heard = say();
    for (const byte of Buffer.concat([sslRequest(), STARTUP])) heard.socket.write(Buffer.of(byte));
    await says(heard, Buffer.concat([Buffer.from('N'), STARTUP]));
  });

  it('ok: cancel requests pass', async () => {
    const cancel = cancelRequest(7, 9);
    await says(say(cancel), cancel);
  });

  it('S32 refuses: a client that says nothing, at the end of the time; nothing was opened', async () => {
    const before = opened;
    const heard = say();
    await until('it is connected', () => heard.socket.readyState === 'open');
    await until('it was cut', async () => {
      await clock.advance(30_000);
      return heard.isOver;
    });
    expect(opened).toBe(before);
  });

  it('refuses: one that asks for encryption again and again', async () => {
    const heard = say(sslRequest(), sslRequest(), sslRequest(), sslRequest());
    await until('it is over', () => heard.isOver);
    expect(heard.bytes.toString()).toContain('again and again');
  });

  it('ok: what goes wrong on the way is said as a server says it, with what to do', async () => {
    failure = new GatehouseError('UNAUTHENTICATED', 'the login has expired', {
      details: { remedy: 'Run gate login.' },
    });
    const heard = say(STARTUP);
    await until('it is over', () => heard.isOver);
    const text = heard.bytes.toString();
    expect(text).toMatch(/^E[^]{4}SFATAL\0/);
    expect(text).toContain('C08006\0');
    expect(text).toContain('Mgate: the login has expired\0');
    expect(text).toContain('HRun gate login.\0');
    expect(failed.at(-1)).toBe(failure);
  });
});
