// `gate apps` and `gate proxy app` as people use them, against an all-in-one daemon and an application of the test.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { must, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { until } from '#test/kit/until.ts';
import { startServer } from './house.ts';

const run = promisify(execFile);
const GATE = join(import.meta.dirname, '../../../bin/gate');
const ROLE = `kind: role
version: v7
metadata: {name: web}
spec:
  allow:
    app_labels: {env: dev}
`;

let app: { server: Server; port: number };
let cluster: TestCluster;
let alice: Person;
const running: ChildProcess[] = [];

beforeAll(async () => {
  app = await startServer((request, response) => {
    response.setHeader('x-app', 'wiki');
    if (request.method === 'POST') request.pipe(response);
    else
      response.end(
        `${request.url} for ${request.headers['gatehouse-jwt-assertion'] === undefined ? 'nobody' : 'somebody'}`,
      );
  });
  cluster = await startCluster(
    `app_service:\n  enabled: yes\n  apps: [{name: wiki, uri: "http://127.0.0.1:${app.port}", labels: {env: dev}}]\n`,
  );
  await cluster.apply(ROLE);
  alice = await cluster.person('alice', ['web'], []);
  await until('the application is listed', async () =>
    (await alice.gate('apps', 'ls')).stdout.includes('wiki'),
  );
}, 120_000);
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'close');
  }
});
afterAll(async () => {
  await cluster?.stop();
  app?.server.closeAllConnections();
  app?.server.close();
});

it('ok: the command line of curl that login prints', async () => {
  const text = must(await alice.gate('apps', 'login', 'wiki'));
  const command = /^(curl \\\n(?: {2}.* \\\n)+ {2}https:.*)$/m.exec(text)?.[1] ?? '';
  expect(command).toContain('https://wiki.localhost:');
  // The web port of a test has a certificate that nobody knows; wiki.localhost is this machine to curl.
  const { stdout } = await run('sh', ['-c', `${command}/page -ks -i`]);
  expect(stdout).toContain('x-app: wiki');
  expect(stdout).toContain('/page for somebody');
  const uri = must(await alice.gate('apps', 'config', '-f', 'uri')).trim();
  const without = await run('curl', ['-ks', '-o', '/dev/null', '-w', '%{http_code}', `${uri}/page`]);
  expect(without.stdout).toBe('401');
});

it('ok: gate proxy app is the application on a local port', async () => {
  const child = spawn(GATE, ['proxy', 'app', 'wiki'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '', HOME: alice.home },
  });
  running.push(child);
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += String(part)));
  const address = await until('it listens', () => /on (127\.0\.0\.1:\d+)\n/.exec(text)?.[1]);
  expect((await run('curl', ['-sS', `http://${address}/x?y=1`])).stdout).toBe('/x?y=1 for somebody');
  const body = 'z'.repeat(2_000_000);
  const posted = await run(
    'sh',
    ['-c', `head -c ${body.length} /dev/zero | tr '\\0' z | curl -sS --data-binary @- http://${address}/`],
    {
      maxBuffer: 4_000_000,
    },
  );
  expect(posted.stdout).toBe(body);
  expect(
    (await run('curl', ['-sS', '-H', 'Origin: https://evil.example.com', `http://${address}/`])).stdout,
  ).toContain('other web pages');
});
