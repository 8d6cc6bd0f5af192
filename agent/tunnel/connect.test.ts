// One tunnel, over streams in memory: what it shows and takes, and that it outlives new keys.
import { duplexPair, type Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { beforeEach, expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import { makeTestNode, NODE_ID, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import type { SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import { dial, DIAL_CHANNEL, RECONNECT_REQUEST, tunnelWelcome } from '#wire/tunnel/protocol.ts';
import { connectTunnel, type Tunnel, type TunnelOptions, type TunnelOrigin } from './connect.ts';

const PROXY_ID = 'aaaaaaaa-0000-4000-8000-000000000001';

let node: TestNode;
let served: { stream: Duplex; origin: TunnelOrigin }[];
let proxy: SshConnection;
let stream: Duplex;
beforeEach(() => {
  node = makeTestNode();
  served = [];
});

function open(options: Partial<TunnelOptions> = {}, takes = true): Promise<Tunnel> {
  const [near, far] = duplexPair();
  stream = near;
  acceptSsh({
    socket: far,
    clock: node.clock,
    log: silentLog,
    hostKeys: [node.hostKey(['proxy'], PROXY_ID)],
    authenticate: ({ user }) => ({ accept: true, identity: user }),
    serve(connection) {
      proxy = connection;
      return { onRequest: () => (takes ? tunnelWelcome.encode({ proxy_id: PROXY_ID }) : false) };
    },
  });
  return connectTunnel({
    clock: node.clock,
    log: silentLog,
    stream: near as Socket,
    hostId: NODE_ID,
    key: node.hostKey(['node'], NODE_ID) as Required<SshKey>,
    clusterName: node.view.name,
    hostAuthorities: [node.view.hostAuthority.publicKey],
    services: { ssh: (taken, origin) => served.push({ stream: taken, origin }) },
    claim: () => true,
    onReconnect: () => {},
    ...options,
  });
}

const client = '192.0.2.7:50000';
const openDial = (payload: Uint8Array, type = DIAL_CHANNEL): Promise<Duplex> =>
  openChannelStream(proxy, type, payload);

it('ok: channels of the proxy are connections to the service, with the address of the client', async () => {
  const tunnel = await open();
  expect(tunnel.proxyId).toBe(PROXY_ID);
  const there = await openDial(dial.encode({ service: 'ssh', client }));
  await until('it is served', () => served.length === 1);
  expect(served[0]?.origin).toMatchObject({ remoteAddress: client, via: PROXY_ID });
  served[0]?.stream.write('hello');
  expect(await new Promise((resolve) => there.once('data', (data) => resolve(String(data))))).toBe('hello');
});

it('ok: it outlives new keys, and claims the proxy once', async () => {
  let claims = 0;
  const tunnel = await open({ claim: () => ++claims === 1 });
  for (let hour = 0; hour < 3; hour++) {
    await node.clock.advance(3_600_001);
    expect(await tunnel.connection.probe()).toBe(true);
  }
  expect(claims).toBe(1);
  await openDial(dial.encode({ service: 'ssh', client }));
});

it('refuses: a proxy that has a tunnel already, before anything is sent to it', async () => {
  await expect(open({ claim: () => false })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(stream.destroyed).toBe(true);
});

it('refuses: a proxy that takes none, another cluster, another authority', async () => {
  await expect(open({}, false)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  await expect(open({ clusterName: 'other' })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  const hostAuthorities = [node.view.userAuthority.publicKey];
  await expect(open({ hostAuthorities })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
});

it('S32 refuses: a proxy that says nothing', async () => {
  const [near] = duplexPair();
  const opening = open({ stream: near as Socket });
  const refused = expect(opening).rejects.toThrow();
  await node.clock.advance(10_001);
  await refused;
});

it('refuses: other channels and services, malformed dials, and new ones once it stops', async () => {
  const tunnel = await open({ services: {} });
  await expect(openDial(dial.encode({ service: 'ssh', client }))).rejects.toThrow(/no such service/);
  await expect(openDial(Buffer.from('{'))).rejects.toThrow(/not understood/);
  await expect(openDial(new Uint8Array(), 'session')).rejects.toThrow(/no such channel/);
  tunnel.refuseNew();
  await expect(openDial(dial.encode({ service: 'ssh', client }))).rejects.toThrow(/stopping/);
  expect(await proxy.request('tcpip-forward', new Uint8Array())).toBeUndefined();
});

it('ok: the proxy asks to go elsewhere', async () => {
  let asked = 0;
  await open({ onReconnect: () => asked++ });
  proxy.notify(RECONNECT_REQUEST, new Uint8Array());
  await until('it is asked', () => asked === 1);
});
