// How long until the service is ready, what it holds in memory then, and how long a command takes to start. The
// references are the bare runtime doing the least: an empty program, and a bare HTTPS server.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { freePort } from '../kit/daemon.ts';
import { letOthersWork } from '../kit/until.ts';
import { median, printHeading, time } from './kit.ts';

const ROOT = join(import.meta.dirname, '../..');
const ROUNDS = 7;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-start-'));

printHeading('start');
try {
  commands();
  await service();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function commands(): void {
  const run =
    (program: string, ...args: string[]) =>
    (): void => {
      execFileSync(program, args, { stdio: 'ignore' });
    };
  const programs = {
    help: run(join(ROOT, 'bin/gatectl'), '--help'),
    node: run(process.execPath, '-e', '0'),
  };
  const spent = { help: [] as number[], node: [] as number[] };
  for (let round = -1; round < ROUNDS; round++) {
    for (const name of ['help', 'node'] as const) {
      const started = performance.now();
      programs[name]();
      if (round >= 0) spent[name].push(performance.now() - started);
    }
  }
  say('gatectl --help', median(spent.help), median(spent.node), 'ms', 'node -e 0');
}

async function service(): Promise<void> {
  const [auth, diag, bare] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, 'gatehouse.yaml');
  writeFileSync(
    config,
    [
      'gatehouse:',
      `  data_dir: ${join(folder, 'data')}`,
      '  log: {severity: ERROR}',
      'auth_service:',
      '  cluster_name: bench.example.com',
      `  listen_addr: 127.0.0.1:${auth}`,
      'ssh_service: {enabled: no}',
    ].join('\n'),
  );
  const bareServer = join(folder, 'bare.mjs');
  const key = privateKeyPem(generateKeyPair('ecdsa-p256').privateKey).reveal();
  writeFileSync(
    bareServer,
    `import { createServer } from 'node:http'; import 'node:https'; const key = ${JSON.stringify(key)};
     createServer((_, reply) => reply.end(String(key.length))).listen(${bare}, '127.0.0.1');`,
  );
  const gatehouse = (): ChildProcess =>
    spawn(join(ROOT, 'bin/gatehouse'), ['start', `--config=${config}`, `--diag-addr=127.0.0.1:${diag}`], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  const first = await measure(gatehouse, diag, '/readyz');
  console.log(
    `first start, with new authorities            ${first.ms.toFixed(0)} ms, ${first.rss.toFixed(0)} MiB`,
  );
  const ours: { ms: number; rss: number }[] = [];
  const reference: { ms: number; rss: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await measure(gatehouse, diag, '/readyz'));
    reference.push(
      await measure(() => spawn(process.execPath, [bareServer], { stdio: 'ignore' }), bare, '/'),
    );
  }
  const of = (all: readonly { ms: number; rss: number }[], what: 'ms' | 'rss'): number =>
    median(all.map((one) => one[what]));
  say('auth service to /readyz', of(ours, 'ms'), of(reference, 'ms'), 'ms', 'a bare HTTP server in node');
  say(
    'auth service, resident memory',
    of(ours, 'rss'),
    of(reference, 'rss'),
    'MiB',
    'a bare HTTP server in node',
  );
}

/** Milliseconds until the URL answers with 200, and the resident memory then in MiB. */
async function measure(
  start: () => ChildProcess,
  port: number,
  path: string,
): Promise<{ ms: number; rss: number }> {
  let child: ChildProcess | undefined;
  const ms = await time(async () => {
    child = start();
    while (!(await isReady(`http://127.0.0.1:${port}${path}`))) await letOthersWork();
  });
  const status = readFileSync(`/proc/${child?.pid}/status`, 'utf8');
  child?.kill('SIGTERM');
  if (child !== undefined) await once(child, 'exit');
  return { ms, rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024 };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function say(name: string, ours: number, reference: number, unit: string, what: string): void {
  const numbers = `${ours.toFixed(0)} ${unit}   reference ${reference.toFixed(0)} ${unit}`;
  console.log(`${name.padEnd(44)} ${numbers}   ratio ${(ours / reference).toFixed(2)}   (${what})`);
}
