// Tunnels and calls to auth through a real HTTP proxy, tinyproxy of Debian, with and without a password. Needs `tinyproxy`.
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { dialThrough } from '#client/outbound/tcp-dial.ts';
import { learnAuthorities } from '#client/trust.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { startTestAuth } from '#test/kit/auth-server.ts';
import { freePort } from '#test/kit/openssh.ts';
import { makeTestNode, NODE_ID } from '#test/kit/ssh-node.ts';
import { hostRecord, startTestProxy } from '#test/kit/ssh-proxy.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { startTunnels } from './tunnels.ts';

const folder = tempFolder();
const PROXY_ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startTinyproxy(
  port: number,
  ...settings: readonly string[]
): Promise<{ port: number; process: ChildProcess }> {
  const config = join(folder, `tinyproxy-${port}.conf`);
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 600',
    'MaxClients 20',
    `LogFile "${config}.log"`,
  ];
  writeFileSync(config, `${[...lines, ...settings].join('\n')}\n`);
  const process = spawn('tinyproxy', ['-d', '-c', config], { stdio: 'ignore' });
  closing.push(() => process.kill('SIGKILL'));
  await until('tinyproxy listens', () => canConnect(port));
  return { port, process };
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

const dialBy =
  (port: number, credentials?: Secret) =>
  (address: string): Promise<Socket> =>
    dialThrough(
      { host: '127.0.0.1', port, isTls: false, ...(credentials === undefined ? {} : { credentials }) },
      address,
      AbortSignal.timeout(10_000),
    );

it('ok: a tunnel through it, which comes back when the proxy was restarted', async () => {
  const node = makeTestNode();
  closing.push(() => node.service.close());
  const { view } = node;
  const key = node.hostKey(['proxy'], PROXY_ID);
  const proxy = await startTestProxy({ clock: systemClock, view, hostId: PROXY_ID, key });
  closing.push(() => proxy.close());
  const spec = {
    hostname: 'p',
    public_addrs: [],
    ssh_addrs: [],
    tunnel_addrs: [proxy.address],
    peer_addr: '',
  };
  view.putProxy({ kind: 'proxy', version: 'v2', metadata: { name: PROXY_ID }, spec });
  const between = await startTinyproxy(await freePort(), 'BasicAuth joe hunter2');
  const dial = dialBy(between.port, new Secret('joe:hunter2'));
  const record = hostRecord(NODE_ID, node.hostKey(['node'], NODE_ID), view, ['node']);
  const tunnels = startTunnels({
    clock: systemClock,
    log: silentLog,
    environment: {},
    addresses: [],
    membership: { record: () => record },
    view,
    services: { ssh: (stream, origin) => node.service.accept(stream, origin) },
    dial: ({ address }) => dial(address),
  });
  closing.push(() => tunnels.close());
  await until('the tunnel', () => proxy.door.counts.tunnels === 1 && tunnels.proxyIds().length === 1);
  between.process.kill('SIGKILL');
  await until('it is lost', () => tunnels.proxyIds().length === 0);
  await startTinyproxy(between.port, 'BasicAuth joe hunter2');
  await until('it is back', () => tunnels.proxyIds().length === 1);
  expect(proxy.door.counts.tunnels).toBe(1);
});

it('ok: first contact with auth through it; refuses: a wrong password, what is not allowed, what is not there', async () => {
  const house = await startTestAuth();
  closing.push(() => house.close());
  const address = `127.0.0.1:${house.auth.port}`;
  const open = await startTinyproxy(await freePort());
  expect(await learnAuthorities(address, [], dialBy(open.port))).toEqual([house.authority]);
  const guarded = await startTinyproxy(
    await freePort(),
    'BasicAuth joe hunter2',
    `ConnectPort ${house.auth.port}`,
  );
  expect(await learnAuthorities(address, [], dialBy(guarded.port, new Secret('joe:hunter2')))).toHaveLength(
    1,
  );
  await expect(dialBy(guarded.port, new Secret('joe:wrong'))(address)).rejects.toThrow(
    /status 401|status 407/,
  );
  await expect(dialBy(guarded.port)(address)).rejects.toThrow(/status 407/);
  await expect(dialBy(guarded.port, new Secret('joe:hunter2'))('127.0.0.1:1')).rejects.toThrow(/status 403/);
  await expect(dialBy(open.port)('127.0.0.1:1')).rejects.toThrow(
    /refused the connection to 127\.0\.0\.1:1 \(status 5/,
  );
});
