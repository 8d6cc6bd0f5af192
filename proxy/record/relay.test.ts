// Sessions that end at the proxy, in memory: a person's client, the relay, and a stand-in for the plain sshd behind it that
// answers when the test wants it to.
import { duplexPair, type Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import { quietEvents } from '#client/audit/quiet-events.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import { directTcpip, execRequest } from '#wire/ssh/payloads.ts';
import type { SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import { ProxyRefusals, type ProxyEvent } from '../ssh/refusals.ts';
import { SessionRelay } from './relay.ts';

const PLAIN: Resource<NodeSpec> = {
  kind: 'node',
  version: 'v2',
  sub_kind: 'openssh',
  metadata: { name: 'legacy-1', labels: { env: 'test' } },
  spec: { hostname: 'legacy', addr: '192.0.2.22:22', use_tunnel: false },
};
const ROLE = { allow: { logins: ['root'], node_labels: { env: 'test' } } };

let node: TestNode;
let relay: SessionRelay;
let events: ProxyEvent[];
let joe: SshKey;
/** What the server was asked to run, and how it answers. */
let ran: string[];
let answerTo: (command: string) => boolean | Promise<boolean>;
/** The certificate for the server comes when this does. */
let certified: Promise<void>;
let servers: SshConnection[];

beforeEach(() => {
  node = makeTestNode();
  node.view.putRole('access', ROLE);
  node.view.putNode(PLAIN);
  node.view.recording = () => ({ mode: 'off', proxy_checks_host_keys: false }) as never;
  [events, ran, servers] = [[], [], []];
  answerTo = () => true;
  certified = Promise.resolve();
  joe = node.userKey('joe');
  const { clock, view } = node;
  const own = node.hostKey(['proxy']);
  const key = { privateKey: own.privateKey, certificate: own.certificate ?? new Uint8Array() };
  const emit = (event: ProxyEvent): void => void events.push(event);
  relay = new SessionRelay({
    clock,
    log: silentLog,
    view,
    keys: { host: async () => key, user: async () => certified.then(() => key), forget: () => {} },
    recordings: { record: () => undefined },
    refusals: new ProxyRefusals({ clock, hostId: () => 'proxy-1', emit }),
    proxyId: () => 'proxy-1',
    limits: () => ({}),
    emit: quietEvents({ clock, emit }),
  });
});
afterEach(async () => {
  relay.close();
  await node.close();
});

function serveAsSshd(socket: Duplex): void {
  acceptSsh({
    socket,
    clock: node.clock,
    log: silentLog,
    hostKeys: [{ privateKey: generateKeyPair('ed25519').privateKey }],
    authenticate: () => ({ accept: true, identity: undefined }),
    serve(connection) {
      servers.push(connection);
      return {
        onChannel(opening) {
          if (opening.type !== 'session') return opening.reject(2, 'nothing there');
          opening.accept({
            onRequest(name, payload) {
              if (name !== 'exec') return true;
              const { command } = execRequest.decode(payload);
              ran.push(command);
              return answerTo(command);
            },
          });
        },
      };
    },
  });
}

async function connect(banners: string[] = [], target = PLAIN): Promise<SshConnection> {
  const [near, far] = duplexPair();
  serveAsSshd(far);
  const origin = { remoteAddress: '192.0.2.9:4711', localAddress: '192.0.2.80:3080' };
  const link = await relay.open({ node: target, link: { is: 'socket', socket: near }, origin });
  if (link.is !== 'socket') throw new Error('the relay gives streams');
  return connectSsh({
    socket: link.socket,
    clock: node.clock,
    log: silentLog,
    user: 'root',
    keys: [joe],
    verifyHost: () => {},
    onBanner: (text) => banners.push(text),
  });
}

const told = (name: string): ProxyEvent[] => events.filter(({ event }) => event === name);
const exec = (connection: SshConnection, command: string): Promise<boolean> =>
  openChannelStream(connection, 'session', new Uint8Array()).then((stream) =>
    stream.on('error', () => {}).channel.request('exec', execRequest.encode({ command })),
  );

describe('S16 who is let in while things change', () => {
  it.each([
    ['a lock', () => node.view.setLocks([{ name: 'l', target: { user: 'joe' }, message: 'stop' }]), /stop/],
    ['a role that is gone', () => node.view.removeRole('access'), /access denied/],
  ])('S16 refuses: %s that comes while the server is asked', async (_, change, text) => {
    const gate = Promise.withResolvers<void>();
    certified = gate.promise;
    const banners: string[] = [];
    const attempt = connect(banners);
    attempt.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    change();
    gate.resolve();
    await expect(attempt).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(banners.join('')).toMatch(text);
    expect(told('access.denied')).toHaveLength(1);
    expect(relay.size).toBe(0);
    await until('the server is left', async () => (await servers[0]?.closed, true));
  });

  it('S16 ok: what is open is cut when the roles ask for watchers, whom a plain sshd has no place for', async () => {
    const connection = await connect();
    expect(await exec(connection, 'before')).toBe(true);
    node.view.putRole('access', {
      allow: {
        ...ROLE.allow,
        require_session_join: [
          {
            name: 'w',
            filter: 'contains(user.roles, "auditor")',
            kinds: ['ssh'],
            modes: ['moderator'],
            count: 1,
          },
        ],
      },
    });
    await connection.closed;
    expect(told('client.disconnect')).toHaveLength(1);
  });
});

it('S33 refuses: more connections than max_connections, also when they come at once', async () => {
  node.view.putRole('access', { ...ROLE, options: { max_connections: 2 } });
  const gate = Promise.withResolvers<void>();
  certified = gate.promise;
  const banners: string[] = [];
  const attempts = Array.from({ length: 6 }, () => connect(banners));
  const settled = Promise.allSettled(attempts);
  await until('the others are refused', () => banners.length === 4);
  gate.resolve();
  const open = (await settled).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  expect(open).toHaveLength(2);
  expect(banners[0]).toContain('2 are allowed (max_connections)');
  open[0]?.disconnect(11, 'done');
  await until('its seat is free', () => relay.size === 1);
  (await connect()).disconnect(11, 'done');
  open[1]?.disconnect(11, 'done');
  await until('nobody is there', () => relay.size === 0);
});

describe('programs', () => {
  it('S35 a program whose sender leaves before the answer is on record all the same', async () => {
    answerTo = () => new Promise(() => {});
    const connection = await connect();
    void exec(connection, 'rm -rf /evidence');
    await until('the server has it', () => ran.length === 1);
    connection.disconnect(11, 'bye');
    await until('it is told', () => told('exec').length === 1);
    expect(told('exec')[0]).toMatchObject({
      command: 'rm -rf /evidence',
      user: 'joe',
      server_id: 'legacy-1',
    });
    expect(told('session.rejected')).toEqual([]);
  });

  it('ok: what the server refuses is told as refused, and what it takes once', async () => {
    answerTo = (command) => command === 'true';
    const connection = await connect();
    expect(await exec(connection, 'false')).toBe(false);
    expect(await exec(connection, 'true')).toBe(true);
    connection.disconnect(11, 'done');
    await until('it is told', () => told('exec').length === 1);
    expect(told('exec')[0]).toMatchObject({ command: 'true' });
    expect(told('session.rejected')).toHaveLength(1);
  });
});

it('S33 refuses: to hold the logins of a server, which takes few at a time', async () => {
  const gate = Promise.withResolvers<void>();
  certified = gate.promise;
  const attempts = Array.from({ length: 32 }, () => connect());
  await new Promise((resolve) => setImmediate(resolve));
  await expect(connect()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  const other = { ...PLAIN, metadata: { name: 'legacy-2', labels: { env: 'test' } } };
  const elsewhere = connect([], other);
  gate.resolve();
  const open = await Promise.all([...attempts, elsewhere]);
  open.push(await connect());
  for (const connection of open) connection.disconnect(11, 'done');
  await until('nobody is there', () => relay.size === 0);
});

it('S33 refuses: to put each of a flood of refused forwards on record', async () => {
  node.view.putRole('access', { ...ROLE, options: { port_forwarding: false } });
  const connection = await connect();
  const payload = directTcpip.encode({ host: '10.0.0.1', port: 22, originHost: 'x', originPort: 1 });
  for (let i = 0; i < 200; i++)
    await openChannelStream(connection, 'direct-tcpip', payload).catch(() => undefined);
  expect(told('port')).toHaveLength(50);
  connection.disconnect(11, 'done');
});
