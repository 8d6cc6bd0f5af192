// What the benchmarks do with the real `ssh`: run a command, pour bytes through it, press keys, stay connected. Every
// function returns milliseconds unless it says otherwise, and throws when ssh fails: a failed run is no measurement.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { BenchHouse, Way } from './house.ts';

export type RunSsh = (way: Way, options: readonly string[], command: string) => Promise<number>;

async function ended(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr?.on('data', (part: Buffer) => (said += part.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}: ${said}`);
}

function words(house: BenchHouse, way: Way, options: readonly string[], command: string): string[] {
  return ['-F', house.sshConfig, ...options, way, command];
}

/** Until ssh has ended; its output goes nowhere. */
export function runSsh(house: BenchHouse): RunSsh {
  return async (way, options, command) => {
    const nowhere = openSync('/dev/null', 'w');
    const started = performance.now();
    const child = spawn('ssh', words(house, way, options, command), { stdio: ['ignore', nowhere, 'pipe'] });
    closeSync(nowhere);
    await ended(child);
    return performance.now() - started;
  };
}

/** The same with so many zeros as its input. */
export function pourIn(house: BenchHouse, bytes: number): RunSsh {
  return async (way, options, command) => {
    const started = performance.now();
    const source = spawn('head', ['-c', String(bytes), '/dev/zero'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const child = spawn('ssh', words(house, way, options, command), {
      stdio: [source.stdout, 'ignore', 'pipe'],
    });
    // The copy in this process would keep the pipe open.
    source.stdout.destroy();
    await ended(child);
    return performance.now() - started;
  };
}

/** So many at once, until the last has ended. */
export function atOnce(run: RunSsh, count: number): RunSsh {
  return async (way, options, command) => {
    const started = performance.now();
    await Promise.all(Array.from({ length: count }, () => run(way, options, command)));
    return performance.now() - started;
  };
}

/** A terminal in which each key is echoed by a program: how long until it is back, for each of `count` keys. */
export async function pressKeys(house: BenchHouse, way: Way, count: number): Promise<number[]> {
  const child = spawn('ssh', words(house, way, ['-tt'], 'stty raw -echo; echo ready; exec cat'), {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const finished = ended(child).catch(() => {});
  const next = (): Promise<Buffer> => once(child.stdout, 'data').then(([bytes]) => bytes as Buffer);
  let greeting = '';
  while (!greeting.includes('ready')) greeting += (await next()).toString();
  const spent: number[] = [];
  for (let key = 0; key < count; key++) {
    const started = performance.now();
    const echo = next();
    child.stdin.write('x');
    await echo;
    spent.push(performance.now() - started);
    // People pause; without it one key would find the way warm from the one before.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  child.kill();
  await finished;
  return spent;
}

/** Sessions that do nothing, each once its program runs; `end` closes them all. */
export async function openIdle(
  house: BenchHouse,
  way: Way,
  count: number,
): Promise<{ end(): Promise<void> }> {
  const open: ChildProcess[] = [];
  const AT_ONCE = 10;
  const one = async (): Promise<void> => {
    const child = spawn('ssh', words(house, way, [], 'echo ready; exec cat'), {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (part: Buffer) => (said += part.toString()));
    open.push(child);
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'close').then(() => Promise.reject(new Error(`ssh ${way} ended early: ${said}`))),
    ]);
  };
  while (open.length < count) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - open.length) }, one));
  }
  return {
    async end() {
      const all = open.map((child) => once(child, 'close'));
      for (const child of open) child.kill();
      await Promise.all(all);
    },
  };
}
