// Three proxies behind a balancer, three nodes behind NAT, and what goes wrong between them: proxies that are killed or
// rolled, cables that are out, connections that are open at one end only, a balancer that cuts. Every tunnel is back
// within 15 seconds, there is never a second one, and sessions through what still stands go on.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { startHouse, type House, type Machine } from './house.ts';
import { whyNoNetwork } from './network.ts';

const NODES = 3;
/** Said in the report; on a machine that does much besides, a test may take twice as long. */
const TARGET_MS = 15_000;
const LIMIT_MS = 2 * TARGET_MS;
const CUT_MS = 12_000;

const whyNot = whyNoNetwork();

describe('tunnels under faults', () => {
  const folder = tempFolder();
  const recoveries: { readonly fault: string; readonly ms: number }[] = [];
  let house: House;

  beforeAll(async () => {
    if (whyNot !== undefined) return;
    house = await startHouse({ folder, proxies: 3, nodes: NODES });
    await house.opened(0);
  }, 240_000);
  beforeEach((context) => {
    if (whyNot !== undefined) context.skip(whyNot);
  });
  afterAll(async () => {
    await house?.end();
    report(recoveries);
  });

  const note = (fault: string, times: readonly number[]): void =>
    void recoveries.push(...times.map((ms) => ({ fault, ms })));
  const proxy = (i: number): Machine => house.proxies[i % 3] as Machine;
  const node = (i: number): Machine => house.nodes[i % NODES] as Machine;

  /** One tunnel of each node at each proxy, and each proxy leads to nodes. */
  async function allIsWell(): Promise<void> {
    for (const one of house.proxies) {
      await until(`${one.name} to have one tunnel of each node`, async () => {
        const { hosts, connections } = await house.tunnelsAt(one);
        return hosts === NODES && connections === NODES;
      });
    }
    const said = house.proxies.map((one, i) => house.ssh(node(i), 'echo hello', one));
    expect(await Promise.all(said)).toEqual(['hello\n', 'hello\n', 'hello\n']);
  }

  test('ok: every node has a tunnel at every proxy, and is reached through the balancer', async () => {
    await allIsWell();
    expect(await house.ssh(node(0), 'echo hello')).toBe('hello\n');
  });

  test.each([0, 1, 2])('ok: proxy %i is killed (KILL) and started again', async (i) => {
    const session = house.session(node(i), proxy(i + 1));
    await session.says('before');
    const since = Date.now();
    proxy(i).daemon.kill('SIGKILL');
    await proxy(i).daemon.ended;
    proxy(i).start();
    await session.says('meanwhile');
    note('kill', await house.opened(since, [proxy(i)]));
    await session.says('after');
    session.close();
    await allIsWell();
  });

  test('ok: a cable is out for longer than the silence that counts as death', async () => {
    const session = house.session(node(0), proxy(1));
    await session.says('before');
    const out = Date.now();
    proxy(0).host.link(false);
    expect(await house.ssh(node(1), 'echo hello', proxy(2))).toBe('hello\n');
    await until('the cut to be long enough', () => Date.now() - out > CUT_MS, CUT_MS + 5000);
    await session.says('meanwhile');
    const since = Date.now();
    proxy(0).host.link(true);
    note('cable', await house.opened(since, [proxy(0)]));
    await session.says('after');
    session.close();
    await allIsWell();
  });

  test.each(['in', 'out'] as const)(
    'ok: connections of nodes are half open (nothing goes %s)',
    async (way) => {
      const since = Date.now();
      for (const one of house.nodes) cutHalf(one, way);
      note(`half open, ${way}`, await house.opened(since));
      await allIsWell();
      for (const one of house.nodes) one.host.drop('iif lo accept', 'ct state new drop');
    },
  );

  test('ok: all proxies are rolled, and somebody is let in at any time', async () => {
    for (const one of house.proxies) {
      const since = Date.now();
      one.daemon.kill('SIGTERM');
      expect(await house.ssh(node(1), 'echo hello')).toBe('hello\n');
      await one.daemon.ended;
      one.start();
      note('roll', await house.opened(since, [one]));
      await house.balancer.serves(3);
    }
    await allIsWell();
  });

  test('ok: 100 reconnects leave nothing behind', async () => {
    const before = house.nodes.map(({ daemon }) => sizeOf(daemon.pid));
    for (let round = 0; round < 12; round++) {
      const since = Date.now();
      for (const one of house.proxies) await house.balancer.cut(one.name);
      note('balancer', await house.opened(since));
    }
    await allIsWell();
    const after = house.nodes.map(({ daemon }) => sizeOf(daemon.pid));
    after.forEach(({ files, kib }, i) => {
      const was = before[i] ?? { files: 0, kib: 0 };
      // A leak is one for each of 36; what is kept ready for sessions comes and goes.
      expect(files - was.files).toBeLessThan(18);
      expect(kib - was.kib).toBeLessThan(24 * 1024);
    });
    console.log(`36 reconnects of each node: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
  });

  test('ok: no recovery takes longer than 30 s; the report holds p99 against 15 s', () => {
    expect(recoveries.length).toBeGreaterThanOrEqual(30);
    const faults = recoveries.filter(({ fault }) => fault !== 'balancer').map(({ ms }) => ms);
    expect(Math.max(...faults)).toBeLessThan(LIMIT_MS);
  });
});

/** Drops one direction of what the node has open to the balancer now; new connections are fine. */
function cutHalf({ host }: Machine, way: 'in' | 'out'): void {
  const [command = '', ...words] = host.within;
  const list = execFileSync(command, [...words, 'ss', '-Htn', 'state', 'established'], { encoding: 'utf8' });
  const ports = [...list.matchAll(/:(\d+) +[\d.]+:3080\b/g)].map(([, port]) => port);
  const rule = `tcp ${way === 'in' ? 'dport' : 'sport'} { ${ports.join(', ')} } drop`;
  if (way === 'in') host.drop('iif lo accept', rule, 'ct state new drop');
  else host.dropOut(rule);
}

/** Open files and resident memory of a process. */
function sizeOf(pid: number): { readonly files: number; readonly kib: number } {
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { files: readdirSync(`/proc/${pid}/fd`).length, kib };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

function report(recoveries: readonly { readonly fault: string; readonly ms: number }[]): void {
  for (const [fault, all] of Map.groupBy(recoveries, (one) => one.fault)) {
    const times = all.map(({ ms }) => ms);
    const [median, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    console.log(
      `${fault}: ${times.length} recoveries, median ${median} ms, p99 ${p99} ms (target ${TARGET_MS})`,
    );
  }
}
