// PostgreSQL through Gatehouse beside direct TLS and beside PgBouncer with TLS, in one run: pgbench, connects, and COPY of
// 1 GiB both ways. Each round takes every way once; printed are medians and ratios to direct. With --smoke everything is
// small: it shows that the benchmark works, and its numbers mean nothing.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { median, printHeading } from './kit.ts';
import { openDatabaseBench, WAYS, type DatabaseBench, type Way } from './postgres/house.ts';
import { cpuSeconds, residentBytes } from './ssh/processes.ts';

const isSmoke = process.argv.includes('--smoke');
const ROUNDS = isSmoke ? 1 : 5;
const SECONDS = isSmoke ? 1 : 5;
const SCALE = isSmoke ? 1 : 10;
const MIB = 1024 ** 2;
const BULK_MIB = isSmoke ? 8 : 1024;
const ENVIRONMENT = { ...process.env, PGCONNECT_TIMEOUT: '30' };
const run = promisify(execFile);

interface Row {
  readonly name: string;
  readonly args: readonly string[];
  /** Share of direct that must be kept. */
  readonly target: number;
  /** What Teleport 13 kept on this kind of machine. */
  readonly known?: string;
}

const PGBENCH: readonly Row[] = [
  { name: 'select-only, 1 client', args: ['-S', '-c1'], target: 0.45, known: '0.20' },
  { name: 'select-only, 8 clients', args: ['-S', '-c8'], target: 0.3, known: '0.10' },
  { name: 'select-only, 1 client, prepared', args: ['-S', '-c1', '-Mprepared'], target: 0.45 },
  { name: 'select-only, 8 clients, prepared', args: ['-S', '-c8', '-Mprepared'], target: 0.3, known: '0.06' },
  { name: 'TPC-B, 4 clients', args: ['-c4'], target: 0.8 },
  { name: 'connect and query', args: ['-S', '-C', '-c2'], target: 0.5 },
];

const house = await openDatabaseBench(process.env['BENCH_NODE_FLAGS']);
try {
  printHeading('PostgreSQL; ratios to direct TLS');
  await run('pgbench', ['-i', '-q', '-s', String(SCALE), house.conninfo.direct ?? ''], { env: ENVIRONMENT });
  for (const row of PGBENCH) await transactions(row);
  await bulk('COPY out', 'copy (select repeat(md5(n::text), 32) from generate_series(1, ROWS) n) to stdout');
  await bulk('COPY in', 'copy sink from stdin');
} finally {
  await house.close();
}

function ways(): readonly Way[] {
  return WAYS.filter((way) => house.conninfo[way] !== undefined);
}

function infoOf(way: Way): string {
  return house.conninfo[way] ?? '';
}

interface Taken {
  readonly tps: number;
  /** Of our processes. */
  readonly cpuMicros: number;
}

async function transactions(row: Row): Promise<void> {
  const taken = new Map<Way, Taken[]>(ways().map((way) => [way, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const way of ways()) {
      const one = await pgbench(way, round < 0 ? 1 : SECONDS, row.args);
      if (round >= 0) taken.get(way)?.push(one);
    }
  }
  const of = (way: Way, what: keyof Taken): number => median((taken.get(way) ?? []).map((one) => one[what]));
  const { name, target, known } = row;
  console.log(`\n${name}${known === undefined ? '' : `   (known: Teleport 13 keeps ${known})`}`);
  for (const way of ways()) {
    const ratio = of(way, 'tps') / of('direct', 'tps');
    const told = line(way, `${of(way, 'tps').toFixed(0)} tps`, ratio, (kept) => kept >= target, target);
    const isOurs = house.pids[way] !== undefined;
    console.log(isOurs ? `${told}  ${of(way, 'cpuMicros').toFixed(0)} µs of CPU each` : told);
  }
}

async function pgbench(way: Way, seconds: number, args: readonly string[]): Promise<Taken> {
  const before = cpuOf(house, way);
  const { stdout } = await run('pgbench', ['-n', '-j1', `-T${seconds}`, ...args, infoOf(way)], {
    env: ENVIRONMENT,
  });
  const done = Number(/actually processed: (\d+)/.exec(stdout)?.[1]);
  return {
    tps: Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]),
    cpuMicros: ((cpuOf(house, way) - before) / done) * 1e6,
  };
}

async function bulk(name: string, command: string): Promise<void> {
  const rows = BULK_MIB * 1024;
  const sql = command.replace('ROWS', String(rows));
  const taken = new Map<Way, number[]>(ways().map((way) => [way, []]));
  const grown = new Map<Way, number>();
  for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
    for (const way of ways()) {
      await psql('direct', 'drop table if exists sink; create unlogged table sink (line text)');
      const before = memoryOf(house, way);
      let most = before;
      const watch = setInterval(() => (most = Math.max(most, memoryOf(house, way))), 100);
      const started = performance.now();
      if (name === 'COPY in') await pour(way, sql);
      else await psql(way, sql);
      taken.get(way)?.push(performance.now() - started);
      clearInterval(watch);
      grown.set(way, Math.max(grown.get(way) ?? 0, most - before));
    }
  }
  console.log(`\n${name}, ${BULK_MIB} MiB`);
  const direct = median(taken.get('direct') ?? []);
  for (const way of ways()) {
    const ms = median(taken.get(way) ?? []);
    const memory = `  memory +${((grown.get(way) ?? 0) / MIB).toFixed(0)} MiB`;
    const told = line(way, `${ms.toFixed(0)} ms`, ms / direct, (ratio) => ratio <= 1.3, 1.3);
    console.log(house.pids[way] === undefined ? told : `${told}${memory}`);
  }
}

function line(
  way: Way,
  value: string,
  ratio: number,
  isMet: (ratio: number) => boolean,
  target: number,
): string {
  const goal =
    way === 'one process' || way === 'tunnel' ? `target ${target} ${isMet(ratio) ? 'met' : 'MISSED'}` : '';
  return `  ${way.padEnd(12)} ${value.padStart(12)}  ratio ${ratio.toFixed(2)}  ${goal}`.trimEnd();
}

function cpuOf({ pids }: DatabaseBench, way: Way): number {
  return (pids[way] ?? []).reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

function memoryOf({ pids }: DatabaseBench, way: Way): number {
  return (pids[way] ?? []).reduce((sum, pid) => sum + residentBytes(pid), 0);
}

async function psql(way: Way, sql: string): Promise<void> {
  const child = spawn('psql', [infoOf(way), '-qX', '-v', 'ON_ERROR_STOP=1', '-c', sql], {
    env: ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`psql ended with ${code}: ${sql}`);
}

/** Lines of 1 KiB into the COPY. */
async function pour(way: Way, sql: string): Promise<void> {
  const child = spawn('psql', [infoOf(way), '-qX', '-c', sql], {
    env: ENVIRONMENT,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const piece = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(256));
  for (let sent = 0; sent < BULK_MIB * MIB; sent += piece.length) {
    if (!child.stdin.write(piece)) await once(child.stdin, 'drain');
  }
  child.stdin.end();
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`psql ended with ${code}: ${sql}`);
}
