// One tunnel for three proxies (proxy_peering): people reach the node through each of them, also while auth is away, and
// when the proxy that has the tunnel dies another one gets it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { startHouse, type House, type Machine } from './house.ts';
import { whyNoNetwork } from './network.ts';

const LIMIT_MS = 30_000;

const whyNot = whyNoNetwork();

describe('one tunnel for three proxies', () => {
  const folder = tempFolder();
  let house: House;
  let node: Machine;

  beforeAll(async () => {
    if (whyNot !== undefined) return;
    const settings = '  tunnel_strategy: {type: proxy_peering, agent_connection_count: 1}\n';
    house = await startHouse({ folder, proxies: 3, nodes: 1, settings });
    node = house.nodes[0] as Machine;
    await holder();
  }, 240_000);
  beforeEach((context) => {
    if (whyNot !== undefined) context.skip(whyNot);
  });
  afterAll(() => house?.end());

  const running = (): readonly Machine[] => house.proxies.filter(({ daemon }) => daemon.isRunning);

  /** The proxy with the only tunnel. */
  const holder = (): Promise<Machine> =>
    until(
      'one tunnel in all',
      async () => {
        const counts = await Promise.all(running().map((one) => house.tunnelsAt(one)));
        const total = counts.reduce((sum, { connections }) => sum + connections, 0);
        return total === 1 && running()[counts.findIndex(({ hosts }) => hosts === 1)];
      },
      60_000,
    );

  /** The first hello through each proxy; peers may have to hear of a new tunnel. */
  async function reachedEverywhere(): Promise<void> {
    for (const proxy of running()) {
      expect(await house.ssh(node, 'echo hello', proxy), proxy.name).toBe('hello\n');
    }
  }

  test('ok: people at every proxy reach the node', async () => {
    await reachedEverywhere();
  });

  test('ok: auth is killed: sessions go on and new ones open, at every proxy', async () => {
    const sessions = house.proxies.map((proxy) => house.session(node, proxy));
    await Promise.all(sessions.map((session) => session.says('before')));
    house.auth.daemon.kill('SIGKILL');
    await house.auth.daemon.ended;
    await reachedEverywhere();
    await Promise.all(sessions.map((session) => session.says('meanwhile')));
    house.auth.start();
    await house.auth.daemon.logged('the auth service is ready');
    await reachedEverywhere();
    await Promise.all(sessions.map((session) => session.says('after')));
    for (const session of sessions) session.close();
  });

  test('ok: the proxy with the tunnel is killed: soon the node is reached through another', async () => {
    const lost = await holder();
    const since = Date.now();
    lost.daemon.kill('SIGKILL');
    await lost.daemon.ended;
    const other = running()[0] as Machine;
    await until(
      'the node to be reached',
      async () => (await house.ssh(node, 'echo hello', other)) === 'hello\n',
      60_000,
    );
    const took = Date.now() - since;
    console.log(`one tunnel, its proxy killed: reached through another after ${took} ms`);
    expect(took).toBeLessThan(LIMIT_MS);
    await reachedEverywhere();
    lost.start();
    await until('the balancer to have all', () => house.balancer.serves(3).then(() => true));
    await holder();
  });
});
