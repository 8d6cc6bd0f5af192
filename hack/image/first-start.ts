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

async function start(folder: string): Promise<number> {
  const path = join(folder, 'gatehouse.yaml');
  writeFileSync(path, config(folder));
  const began = performance.now();
  const child = spawn('gatehouse', ['start', `--config=${path}`], {
    stdio: ['ignore', 'inherit', 'inherit'],
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

const isReady = async (): Promise<boolean> => {
  const answer = await fetch(`http://${HEALTH}/readyz`).catch(() => undefined);
  return answer?.ok === true;
};

const [, , folder = ''] = process.argv;
for (const [program = '', ...args] of [
  ['gatectl', 'version'],
  ['gate', 'version'],
]) {
  spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
console.log(Math.round(await start(folder)));
