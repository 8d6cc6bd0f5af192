// S16: what is permitted when it is asked for, and no more when it could be served. Everything that waits asks again.
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { boundPort, directTcpip, tcpipForward } from '#wire/ssh/payloads.ts';
import type { Channel, IncomingChannel, SshConnection } from '#wire/ssh/ssh.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import type { ForwardedTo, ForwardGround } from './ground.ts';
import { openTcp } from './local.ts';

let node: TestNode;
let connection: SshConnection;
let incoming: IncomingChannel[];
let target: Server | undefined;

const allow = { logins: ['root'], node_labels: { '*': ['*'] } };
const forbid = () => node.view.putRole('access', { allow, options: { port_forwarding: false } });

beforeEach(async () => {
  incoming = [];
  node = makeTestNode();
  node.view.putRole('access', { allow });
  const handlers = { onChannel: (opening: IncomingChannel) => void incoming.push(opening) };
  connection = await node.connect('root', node.userKey('joe'), { handlers });
});
afterEach(async () => {
  await node.close();
  target?.close();
});

it('S16 refuses: a channel that the client takes after its permission has gone', async () => {
  const reply = await connection.request(
    'tcpip-forward',
    tcpipForward.encode({ host: 'localhost', port: 0 }),
  );
  const { port } = boundPort.decode(reply ?? new Uint8Array());
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  const opening = await until('the channel', () => incoming[0]);
  forbid();
  const got: string[] = [];
  let isClosed = false;
  const channel: Channel = opening.accept({
    onData: (data) => void got.push(data.toString()),
    onClose: () => void (isClosed = true),
  });
  socket.write('unseen');
  await until('the channel to close', () => isClosed);
  await until('the socket to close', () => socket.destroyed || socket.readableEnded);
  socket.destroy();
  expect([got, channel.isOpen]).toEqual([[], false]);
});

it('S16 refuses: a connection that is made after its permission has gone', async () => {
  const server = createServer((socket) => void socket.on('error', () => {}).resume());
  target = server;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const recorded: (string | undefined)[] = [];
  const now: { refusal?: string } = {};
  const ground = {
    parts: { host: { clock: systemClock, log: silentLog } },
    refusal: () => now.refusal,
    record: (_: ForwardedTo, error?: string) => void recorded.push(error),
    track: () => {},
  } as unknown as ForwardGround;
  const answered = new Promise<unknown>((resolve) => {
    openTcp(ground, {
      type: 'direct-tcpip',
      payload: directTcpip.encode({ host: '127.0.0.1', port, originHost: '', originPort: 0 }),
      accept: () => {
        resolve('accepted');
        throw new Error('not wanted here');
      },
      reject: (reason) => resolve(reason),
    });
  });
  // It is being dialed.
  now.refusal = 'the roles do not permit it any more';
  expect(await answered).toBe(1);
  expect(recorded).toEqual([now.refusal]);
});
