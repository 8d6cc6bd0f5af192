// Starts Gatehouse inside an image until it is ready, prints how many milliseconds that took, and stops it. What Node
// compiles on the way stays in NODE_COMPILE_CACHE when that can be written: this is how the image's own is filled.
// Usage: node first-start.ts <folder that can be written>
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ASK_AGAIN_MS = 5;
const GIVE_UP_MS = 60_000;
const HEALTH = '127.0.0.1:13000';

/** Auth, proxy and node at once load nearly all code there is. */
function config(folder: string): string {
  return `version: v3
gatehouse:
  nodename: first
  data_dir: ${join(folder, 'data')}
  diag_addr: ${HEALTH}
auth_service:
  listen_addr: 127.0.0.1:13025
  cluster_name: first.example.com
proxy_service:
  web_listen_addr: 127.0.0.1:13080
  public_addr: first.example.com:443
ssh_service:
  listen_addr: 127.0.0.1:13022
`;
}

function start(folder: string): Promise<number> {
  const path = join(folder, 'gatehouse.yaml');
  writeFileSync(path, config(folder));
  return serve(['start', `--config=${path}`], async () => (await health()) === 200);
}

/** There is no Kubernetes here: it answers, is not ready, and has loaded all there is. */
async function startOperator(): Promise<void> {
  const server = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
  const pod = { KUBE_NAMESPACE: 'first', SERVICE_ACCOUNT: 'first', POD_NAME: 'first' };
  const words = ['operator', `--diag-addr=${HEALTH}`, '--log-level=error'];
  await serve(words, async () => (await health()) !== 0, { ...server, ...pod });
}

/** How many milliseconds it took until it was ready; resolves when it has ended. */
async function serve(
  words: readonly string[],
  isReady: () => Promise<boolean>,
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  const began = performance.now();
  const child = spawn('gatehouse', words, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const ended = new Promise<string>((resolve) =>
    child.once('close', (code, signal) => resolve(`ended: ${String(code ?? signal)}`)),
  );
  while (!(await isReady())) {
    if (child.exitCode !== null || performance.now() - began > GIVE_UP_MS)
      throw new Error('it did not get ready');
    await sleep(ASK_AGAIN_MS);
  }
  const took = performance.now() - began;
  child.kill('SIGTERM');
  await ended;
  return took;
}

/** The status of the answer; 0 without one. */
const health = async (): Promise<number> => {
  const answer = await fetch(`http://${HEALTH}/readyz`).catch(() => undefined);
  return answer?.status ?? 0;
};

const [, , folder = ''] = process.argv;
for (const [program = '', ...args] of [
  ['gatectl', 'version'],
  ['gate', 'version'],
]) {
  spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
console.log(Math.round(await start(folder)));
await startOperator();
