// SSH end to end beside plain sshd and an OpenSSH ProxyJump bastion, in one run: each round takes every way once, what is
// printed is the median, as a ratio to sshd direct (time against time, lower is better). Needs root, openssh-server and
// useradd. With --smoke everything is small: it shows that the benchmark works, and its numbers mean nothing.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startDaemon } from '../kit/daemon.ts';
import { median, printHeading } from './kit.ts';
import { atOnce, openIdle, pourIn, pressKeys, runSsh, type RunSsh } from './ssh/clients.ts';
import { openBenchHouse, WAYS, type BenchHouse, type Way } from './ssh/house.ts';
import { cpuSeconds, settledBytes, wholeResidentBytes } from './ssh/processes.ts';

const isSmoke = process.argv.includes('--smoke');
const MIB = 1024 ** 2;
const BULK = isSmoke ? 4 * MIB : 1024 * MIB;
const SIZE = isSmoke ? '4 MiB' : '1 GiB';
const TERMINAL = isSmoke ? MIB : 64 * MIB;
const SESSIONS = isSmoke ? 4 : 200;
const PARALLEL = isSmoke ? 4 : 50;
const KEYS = isSmoke ? 10 : 500;
const ROUNDS = isSmoke ? 1 : 5;
const SETTLE_MS = isSmoke ? 10 : 10_000;
const GCM = ['-c', 'aes128-gcm@openssh.com'];
const CURVE = ['-o', 'KexAlgorithms=curve25519-sha256'];
/** What the hosts of the configuration are, for those who read the table. */
const NAMES: Readonly<Record<Way, string>> = {
  sshd: 'sshd',
  bastion: 'sshd, ssh -J bastion',
  node: 'node agent',
  jump: 'ssh -J proxy',
  gate: 'gate proxy ssh',
};

/** Of one run: milliseconds of the client, CPU seconds of ours. */
interface Taken {
  readonly ms: number;
  readonly agent: number;
  readonly proxy: number;
}

interface Row {
  readonly name: string;
  readonly options: readonly string[];
  readonly command: string;
  readonly run: RunSsh;
  readonly targets: Partial<Readonly<Record<Way, number>>>;
  /** Of the same on this kind of machine: a ProxyJump bastion, Teleport 13, Warpgate 0.28. */
  readonly known: string;
  readonly rounds?: number;
  /** Left out: all. */
  readonly ways?: readonly Way[];
}

function rows(house: BenchHouse): readonly Row[] {
  const run = runSsh(house);
  const out = `head -c ${BULK} /dev/zero`;
  const bulk = { command: out, run };
  const quick = { command: 'true', run, rounds: isSmoke ? 1 : 15 };
  return [
    { name: 'true, default KEX', ...quick, options: [], targets: { jump: 0.6 }, known: '1.73 0.87 0.74' },
    {
      name: 'true, curve25519',
      ...quick,
      options: CURVE,
      targets: { jump: 0.9 },
      known: '1.6-1.9 1.3-1.8 1.1-1.3',
    },
    {
      name: `${SIZE} out, AES-GCM`,
      ...bulk,
      options: GCM,
      targets: { gate: 1.4, jump: 1.6 },
      known: '1.6-1.8 1.7-1.9 1.81',
    },
    {
      name: `${SIZE} out, default cipher`,
      ...bulk,
      options: [],
      targets: { gate: 1.5, jump: 1.5 },
      known: '1.8-1.9 2.6-3.7 1.58',
    },
    {
      name: `${SIZE} in, AES-GCM`,
      options: GCM,
      command: 'cat > /dev/null',
      run: pourIn(house, BULK),
      targets: {},
      known: '',
    },
    {
      name: 'terminal output',
      options: ['-tt'],
      command: `head -c ${TERMINAL} /dev/zero`,
      run,
      targets: { gate: 0.75, jump: 0.75 },
      known: '0.85-1.2 1.15-1.4 0.77',
    },
    {
      name: `${PARALLEL} connects at once`,
      options: [],
      command: 'true',
      run: atOnce(run, PARALLEL),
      // So many `gate` at once are a measurement of starting Node.
      ways: ['sshd', 'bastion', 'node', 'jump'],
      targets: { jump: 0.45 },
      known: '1.9 0.92-1.14 0.49',
    },
  ];
}

const house = await openBenchHouse();
try {
  printHeading('SSH end to end; times against sshd direct');
  // The first run of each way compiles and caches what later ones find.
  for (const way of [...WAYS, ...WAYS]) await runSsh(house)(way, [], 'true');
  for (const row of rows(house)) await measure(house, row);
  await keys(house);
  await idle(house);
} finally {
  await house.close();
}
await allInOne();

async function measure(house: BenchHouse, row: Row): Promise<void> {
  const { name, options, command, run, targets, known, rounds = ROUNDS, ways = WAYS } = row;
  const taken = new Map<Way, Taken[]>(ways.map((way) => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      const [agent, proxy] = [cpuSeconds(house.nodePid), cpuSeconds(house.doorPid)];
      const ms = await run(way, options, command);
      taken.get(way)?.push({
        ms,
        agent: cpuSeconds(house.nodePid) - agent,
        proxy: cpuSeconds(house.doorPid) - proxy,
      });
    }
  }
  const of = (way: Way, what: keyof Taken): number => median((taken.get(way) ?? []).map((one) => one[what]));
  console.log(`\n${name}${known === '' ? '' : `   (known: bastion, Teleport, Warpgate ${known})`}`);
  for (const way of ways) {
    const isOurs = way !== 'sshd' && way !== 'bastion';
    const cost = `agent ${of(way, 'agent').toFixed(2)} s CPU, proxy ${of(way, 'proxy').toFixed(2)} s`;
    const ratio = of(way, 'ms') / of('sshd', 'ms');
    const text = line(NAMES[way], `${of(way, 'ms').toFixed(0)} ms`, ratio, targets[way]);
    console.log(isOurs ? `${text.padEnd(70)} ${cost}` : text);
  }
}

function line(name: string, value: string, ratio: number, target: number | undefined): string {
  const goal =
    target === undefined ? '' : `target ${target.toFixed(2)} ${ratio <= target ? 'met' : 'MISSED'}`;
  return `  ${name.padEnd(22)} ${value.padStart(10)}  ratio ${ratio.toFixed(2)}  ${goal}`.trimEnd();
}

async function keys(house: BenchHouse): Promise<void> {
  const all = new Map<Way, number[]>();
  for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
    for (const way of WAYS) all.set(way, [...(all.get(way) ?? []), ...(await pressKeys(house, way, KEYS))]);
  }
  console.log('\nkey to echo, in a terminal');
  const at = (way: Way, share: number): number => {
    const sorted = (all.get(way) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  };
  for (const way of WAYS) {
    const text = line(NAMES[way], `${at(way, 0.5).toFixed(2)} ms`, at(way, 0.5) / at('sshd', 0.5), undefined);
    console.log(`${text}  p99 ${at(way, 0.99).toFixed(2)} ms`);
  }
}

/** Through the proxy; what a process holds for the first ones, and frees, is not of the sessions. */
async function idle(house: BenchHouse): Promise<void> {
  const warm = await openIdle(house, 'jump', SESSIONS);
  await warm.end();
  const pids = { agent: house.nodePid, proxy: house.doorPid };
  const before = {
    agent: await settledBytes(pids.agent, SETTLE_MS),
    proxy: await settledBytes(pids.proxy, 0),
  };
  const sessions = await openIdle(house, 'jump', SESSIONS);
  console.log(`\n${SESSIONS} idle sessions through the proxy, memory each`);
  for (const [at, name] of (['agent', 'proxy'] as const).entries()) {
    const grown = (await settledBytes(pids[name], at === 0 ? SETTLE_MS : 0)) - before[name];
    const target = name === 'agent' ? 60 : 30;
    const kib = grown / SESSIONS / 1024;
    console.log(
      `  ${name.padEnd(22)} ${kib.toFixed(0).padStart(6)} KiB  target ${target} ${kib <= target ? 'met' : 'MISSED'}`,
    );
  }
  await sessions.end();
}

async function allInOne(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  const [web, auth, node] = [await freePort(), await freePort(), await freePort()];
  const daemon = startDaemon({
    folder,
    config: `version: v3
gatehouse: {nodename: all, data_dir: ${join(folder, 'data')}, diag_addr: "127.0.0.1:0", log: {severity: INFO, format: {output: json}}}
auth_service: {listen_addr: "127.0.0.1:${auth}", cluster_name: all.example.com}
proxy_service: {web_listen_addr: "127.0.0.1:${web}", public_addr: "127.0.0.1:${web}"}
ssh_service: {listen_addr: "127.0.0.1:${node}"}
`,
  });
  try {
    await daemon.ready();
    await settledBytes(daemon.pid, SETTLE_MS);
    const mib = wholeResidentBytes(daemon.pid) / MIB;
    console.log(
      `\nauth, proxy and node in one process, memory after start\n  ${mib.toFixed(0)} MiB  target 150 ${mib <= 150 ? 'met' : 'MISSED'}`,
    );
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
