// AWS through the local proxy and the agent beside the same client at the same server directly, in one run: `aws s3 cp` of
// 1 GiB both ways, and the time that a small call takes. The server checks every signature in both cases. Lower is better.
// With --smoke everything is small: it shows that the benchmark works, and its numbers mean nothing.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EMPTY_PAYLOAD_HASH } from '#core/aws/canonical.ts';
import { signRequest, type SigningCredentials } from '#core/aws/sigv4.ts';
import { Secret } from '#core/secret.ts';
import { ROLE_KEYS } from '../kit/aws-house.ts';
import { motoPrograms } from '../kit/moto.ts';
import { median, printHeading, time } from './kit.ts';
import { cpuSeconds } from './ssh/processes.ts';

const isSmoke = process.argv.includes('--smoke');
const MIB = 1024 ** 2;
const BYTES = isSmoke ? 16 * MIB : 1024 * MIB;
const ROUNDS = isSmoke ? 1 : 3;
const CALLS = isSmoke ? 10 : 300;
const REGION = 'eu-central-1';
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
const children: ChildProcess[] = [];

type Variables = Readonly<Record<string, string>>;

async function start(
  file: string,
  argument: string,
): Promise<{ readonly said: string; readonly pid: number }> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'aws', file), argument],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { said: line.toString(), pid: child.pid ?? 0 };
}

function residentMiB(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

async function copy(from: string, to: string, env: Variables, more: readonly string[]): Promise<void> {
  await run(join(motoPrograms(), 'aws'), ['s3', 'cp', '--only-show-errors', ...more, from, to], { env });
}

/** One signed call on a connection that is kept. */
function caller(to: URL, keys: SigningCredentials, ca: string): () => Promise<void> {
  const isTls = to.protocol === 'https:';
  const agent = isTls ? new TlsAgent({ keepAlive: true, ca }) : new Agent({ keepAlive: true });
  return async () => {
    const host = to.host;
    const signed = signRequest({ method: 'GET', target: '/b/k', headers: [['Host', host]] }, keys, {
      service: 's3',
      region: REGION,
      date: Date.now(),
      payload: EMPTY_PAYLOAD_HASH,
    });
    const options = { host: to.hostname, port: to.port, path: signed.target, agent };
    const headers = [...signed.headers, ['Range', 'bytes=0-99'] as const].flat();
    const outgoing = (isTls ? tlsRequest : request)({ ...options, headers, servername: '' });
    outgoing.end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    if (answer.statusCode !== 206) throw new Error(`status ${answer.statusCode ?? 0}`);
    answer.resume();
    await once(answer, 'end');
  };
}

async function latencies(call: () => Promise<void>): Promise<number> {
  const all: number[] = [];
  for (let at = -20; at < CALLS; at++) {
    const ms = await time(call);
    if (at >= 0) all.push(ms);
  }
  return median(all);
}

function tell(
  name: string,
  direct: number,
  ours: number,
  unit: string,
  isMet: boolean,
  target: string,
): void {
  const ratio = (ours / direct).toFixed(2);
  const met = isSmoke ? '' : isMet ? 'met' : 'MISSED';
  console.log(
    `${name.padEnd(34)} direct ${direct.toFixed(2)} ${unit}   gatehouse ${ours.toFixed(2)} ${unit}   ratio ${ratio}   target ${target} ${met}`,
  );
}

const cpuOf = ({ front, agent, local }: Pids): readonly number[] => [front, agent, local].map(cpuSeconds);

/** Of one copy; the server serves two of each round. */
function tellCpu(before: readonly number[], after: readonly number[]): void {
  const [front, agent, local] = after.map((seconds, at) => (seconds - (before[at] ?? 0)) / ROUNDS);
  const server = ((front ?? 0) / 2).toFixed(2);
  console.log(
    `CPU seconds of a copy   server ${server}   agent ${(agent ?? 0).toFixed(2)}   local proxy ${(local ?? 0).toFixed(2)}`,
  );
}

interface Pids {
  readonly front: number;
  readonly agent: number;
  readonly local: number;
}

async function bulk(direct: Variables, ours: Variables, endpoint: string, pids: Pids): Promise<void> {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  truncateSync(file, BYTES);
  const before = [residentMiB(pids.local), residentMiB(pids.agent)];
  for (const [name, from, to] of [
    ['s3 cp up', file, 's3://b/k'],
    ['s3 cp down', 's3://b/k', join(folder, 'back')],
  ] as const) {
    const taken = { direct: [] as number[], ours: [] as number[] };
    const spent = cpuOf(pids);
    for (let round = 0; round < ROUNDS; round++) {
      taken.direct.push(await time(() => copy(from, to, direct, ['--endpoint-url', endpoint])));
      taken.ours.push(await time(() => copy(from, to, ours, [])));
    }
    const [a, b] = [median(taken.direct) / 1000, median(taken.ours) / 1000];
    tellCpu(spent, cpuOf(pids));
    tell(`${name}, ${BYTES / MIB} MiB`, a, b, 's', b <= a * 1.3, '<= 1.3');
  }
  const after = [residentMiB(pids.local), residentMiB(pids.agent)];
  const shown = (all: readonly number[]): string => all.map((one) => one.toFixed(0)).join(' and ');
  console.log(`resident MiB of local proxy and agent   before ${shown(before)}   after ${shown(after)}`);
}

try {
  printHeading('AWS: through the local proxy and the agent, beside direct');
  const front = await start('front.child.ts', String(BYTES));
  const { port, authority } = JSON.parse(front.said) as { port: number; authority: string };
  const agent = await start('agent.child.ts', front.said);
  const local = await start('local.child.ts', agent.said);
  const ours = JSON.parse(local.said) as Variables;
  const bundle = join(folder, 'front.pem');
  writeFileSync(bundle, authority);
  const endpoint = `https://127.0.0.1:${port}`;
  const { HTTPS_PROXY: proxy = '', ...rest } = ours;
  const direct: Variables = {
    ...rest,
    AWS_CA_BUNDLE: bundle,
    AWS_ACCESS_KEY_ID: ROLE_KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ROLE_KEYS.secretAccessKey.reveal(),
    AWS_SESSION_TOKEN: ROLE_KEYS.sessionToken?.reveal() ?? '',
  };
  const keys = {
    accessKeyId: ours['AWS_ACCESS_KEY_ID'] ?? '',
    secretAccessKey: new Secret(ours['AWS_SECRET_ACCESS_KEY'] ?? ''),
  };
  const a = await latencies(caller(new URL(endpoint), ROLE_KEYS, authority));
  const b = await latencies(caller(new URL(proxy), keys, authority));
  tell('small call, kept connection', a, b, 'ms', b - a <= 10, '<= 10 ms more');
  await bulk(direct, ours, endpoint, { front: front.pid, agent: agent.pid, local: local.pid });
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true, force: true });
}
