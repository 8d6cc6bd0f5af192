// A node that knows nothing but the web port of a proxy: joins, calls auth, keeps its tunnel and is logged in to, all
// through that one port, with real processes. Also where something in front of the proxy ends TLS. Needs `ssh`, and root.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const folder = tempFolder();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function run(config: string, args: readonly string[] = []): TestDaemon {
  const daemon = startDaemon({ config, args });
  closing.push(() => daemon.stop());
  return daemon;
}

const head = (name: string, more: string): string => `version: v3
gatehouse:
  nodename: ${name}
  data_dir: ${join(folder, `${name}-${closing.length}`)}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
${more}`;

const doorConfig = (web: number, publicAddress: string): string =>
  head(
    'door',
    `auth_service:
  listen_addr: 127.0.0.1:0
  cluster_name: test.example.com
  tokens: ["node:a-secret-token"]
  proxy_listener_mode: multiplex
ssh_service: {enabled: no}
proxy_service:
  web_listen_addr: 127.0.0.1:${web}
  public_addr: ${publicAddress}
`,
  );

const nodeConfig = (address: string, pin: string): string =>
  head(
    'web-1',
    `  auth_servers: ["${address}"]
  auth_token: a-secret-token
  ca_pin: "${pin}"
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service:
  listen_addr: 127.0.0.1:0
`,
  );

async function gatectl(door: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${door.configPath}`, ...args]);
  if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function startDoor(
  web: number,
  publicAddress: string,
  args: readonly string[],
): Promise<[TestDaemon, string]> {
  const door = run(doorConfig(web, publicAddress), args);
  await door.ready();
  const pin = /sha256:[0-9a-f]{64}/.exec(await gatectl(door, 'status'))?.[0] ?? '';
  return [door, pin];
}

async function node(
  door: TestDaemon,
): Promise<{ spec: Record<string, unknown>; metadata: { name: string } }> {
  return until('the node with its tunnel', async () => {
    const [found] = JSON.parse(await gatectl(door, 'get', 'nodes', '--format=json')) as Awaited<
      ReturnType<typeof node>
    >[];
    return found !== undefined && (found.spec['proxy_ids'] as string[] | undefined)?.length === 1 && found;
  });
}

async function sshThrough(door: TestDaemon, web: number): Promise<string> {
  writeFileSync(
    join(folder, 'role.yaml'),
    `kind: role
version: v5
metadata: {name: ops}
spec: {allow: {logins: [root], node_labels: {'*': '*'}}}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [ops]}
`,
  );
  await gatectl(door, 'create', '-f', join(folder, 'role.yaml'));
  const key = join(folder, `joe-${web}`);
  await gatectl(door, 'auth', 'sign', '--user=joe', '--format=openssh', `--out=${key}`);
  const known = join(folder, `known-${web}`);
  writeFileSync(known, await gatectl(door, 'auth', 'export', '--type=host'));
  const config = join(folder, `config-${web}`);
  writeFileSync(
    config,
    `Host *
  IdentityFile ${key}
  CertificateFile ${key}-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  GlobalKnownHostsFile none
  UserKnownHostsFile ${known}
  StrictHostKeyChecking yes
Host gate
  HostName 127.0.0.1
  HostKeyAlias door.test.example.com
  Port ${web}
Host web-1
  HostKeyAlias web-1.test.example.com
  User root
`,
  );
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', ['-F', config, '-J', 'gate', 'web-1', 'echo', 'hello'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data));
    child.once('error', reject);
    child.once('close', () => resolve(said));
  });
}

describe('one port for all', () => {
  it('ok: a node joins, is listed with its tunnel, and is logged in to, through the web port', async () => {
    const web = await freePort();
    const [door, pin] = await startDoor(web, `127.0.0.1:${web}`, []);
    const agent = run(nodeConfig(`127.0.0.1:${web}`, pin));
    await agent.ready();
    expect((await node(door)).spec).toMatchObject({ use_tunnel: true, addr: '' });
    expect(await sshThrough(door, web)).toBe('hello\n');
  });

  it('ok: the same where something in front ends TLS (--insecure-no-tls), by HTTP upgrades', async () => {
    const [web, front] = [await freePort(), await freePort()];
    await startFront(front, web);
    const [door, pin] = await startDoor(web, `127.0.0.1:${front}`, ['--insecure-no-tls']);
    const agent = run(nodeConfig(`127.0.0.1:${front}`, pin));
    await agent.ready();
    expect((await node(door)).spec).toMatchObject({ use_tunnel: true, addr: '' });
  });
});

/** Ends TLS with a certificate of its own, as a balancer does, and passes on what is inside. */
async function startFront(port: number, target: number): Promise<void> {
  const [key, cert] = [join(folder, 'front.key'), join(folder, 'front.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=front';
  execFileSync('openssl', [...request.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const server = createTlsServer(
    { key: readFileSync(key), cert: readFileSync(cert), ALPNProtocols: ['http/1.1'] },
    (near) => {
      const far = connect(target, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => {});
      near.pipe(far).pipe(near);
      near.once('close', () => far.destroy());
      far.once('close', () => near.destroy());
    },
  );
  server.on('tlsClientError', () => {});
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}
