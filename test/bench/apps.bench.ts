// HTTP applications through Gatehouse beside nginx as a TLS reverse proxy, in one run: requests per second of small replies,
// large downloads and uploads, and what memory is taken. Each round takes every way once; printed are medians and ratios to
// nginx. With --smoke everything is small: it shows that the benchmark works, and its numbers mean nothing.
import { openAppsBench, WAYS, type Load, type Way } from './apps/house.ts';
import { median, printHeading } from './kit.ts';
import { cpuSeconds, residentBytes } from './ssh/processes.ts';

const isSmoke = process.argv.includes('--smoke');
const ROUNDS = isSmoke ? 1 : 5;
const SECONDS = isSmoke ? 1 : 5;
const MIB = 1024 ** 2;
const LARGE = (isSmoke ? 8 : 1024) * MIB;
/** What an application through Teleport 13 kept of a plain TLS reverse proxy on this kind of machine. */
const KNOWN = '0.18';
const TARGET: Readonly<Partial<Record<Way, number>>> = { 'one process': 0.6, tunnel: 0.6 };

interface Taken {
  readonly perSecond: number;
  /** CPU of ours for one request, in microseconds. */
  readonly cpu: number;
}

const house = await openAppsBench(LARGE, process.env['BENCH_NODE_FLAGS']);
try {
  printHeading('HTTP applications; ratios to nginx as a TLS reverse proxy');
  const taken = new Map<Way, Taken[]>(WAYS.map((way) => [way, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const way of WAYS) {
      const one = await small(way);
      if (round >= 0) taken.get(way)?.push(one);
    }
  }
  const reference = median((taken.get('nginx') ?? []).map(({ perSecond }) => perSecond));
  for (const way of WAYS) {
    const all = taken.get(way) ?? [];
    const rate = median(all.map(({ perSecond }) => perSecond));
    const target = TARGET[way];
    const ratio = rate / reference;
    const verdict = target === undefined ? '' : `   target ${target} ${ratio >= target ? 'met' : 'MISSED'}`;
    console.log(
      `${`small replies, 32 connections, ${way}`.padEnd(46)} ${Math.round(rate).toString().padStart(7)}/s   ratio ${ratio.toFixed(2)}${verdict}   CPU ${median(all.map(({ cpu }) => cpu)).toFixed(0)} us   (Teleport 13: ${KNOWN})`,
    );
  }
  for (const [name, load] of [
    ['download', { path: '/large' }],
    ['upload', { path: '/upload', upload: LARGE }],
  ] as const) {
    for (const way of WAYS) await large(name, way, load);
  }
} finally {
  await house.close();
}

async function small(way: Way): Promise<Taken> {
  const before = cpuOf(way);
  const { seconds, requests } = await house.load(way, { path: '/small', connections: 32, seconds: SECONDS });
  return { perSecond: requests / seconds, cpu: ((cpuOf(way) - before) / requests) * 1e6 };
}

async function large(name: string, way: Way, load: Load): Promise<void> {
  const before = memoryOf(way);
  let most = before;
  const looking = setInterval(() => (most = Math.max(most, memoryOf(way))), 50);
  try {
    const { seconds } = await house.load(way, load);
    const grown = way === 'nginx' ? '' : `   memory +${((most - before) / MIB).toFixed(0)} MiB`;
    console.log(
      `${`${name} of ${LARGE / MIB} MiB, ${way}`.padEnd(46)} ${(LARGE / MIB / seconds).toFixed(0).padStart(7)} MiB/s${grown}`,
    );
  } finally {
    clearInterval(looking);
  }
}

function cpuOf(way: Way): number {
  return house.pids[way].reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

function memoryOf(way: Way): number {
  return house.pids[way].reduce((sum, pid) => sum + residentBytes(pid), 0);
}
