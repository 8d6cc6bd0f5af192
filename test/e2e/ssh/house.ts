// What the stories of SSH run on: an all-in-one daemon as `make up` starts it, a second node that only a tunnel reaches, an
// account to log in to, and alice, who signed in with `gate`. One ssh_config names the ways to both nodes. Needs root.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, publicKeyPem } from '#core/certs/x509/keys.ts';
import type { UserCertificates } from '#core/api/login.ts';
import { makeAccount, type TestAccount } from '#test/kit/account.ts';
import { CLUSTER, must, NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { startDaemon, type Ran } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

/** The node that listens to nobody. */
export const BEHIND_NAT = 'nat-1';
/** Hosts of the ssh_config are `<way>.<node>`. */
export const WAYS = ['jump', 'jump-web', 'subsystem', 'gate'] as const;
export const ROLE = `kind: role
version: v7
metadata: {name: engineer}
spec:
  allow:
    logins: ['{{internal.logins}}']
    node_labels: {'*': '*'}
  options: {port_forwarding: true, forward_agent: true, permit_x11_forwarding: true}
`;

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export interface SshHouse {
  readonly cluster: TestCluster;
  readonly account: TestAccount;
  readonly alice: Person;
  /** For `ssh -F`. */
  readonly config: string;
  /** In the folder of the house. */
  path(name: string): string;
  /** A program to its end, with alice's HOME; KILL after 60 s. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** `ssh -F config` with these words. */
  ssh(...words: readonly string[]): Promise<Ran>;
  /** Path of the same configuration with another key in place of alice's, and with remarks of ssh. */
  configWith(key: string): string;
  /** A key of this type with a certificate for alice, by the cluster's own login; returns its path. */
  credential(type: 'ed25519' | 'ecdsa-p256' | 'rsa-2048'): Promise<string>;
  stop(): Promise<void>;
}

/** Resolves when alice can reach both nodes; the caller stops it. */
export async function openSshHouse(): Promise<SshHouse> {
  const account = makeAccount();
  const closers: (() => unknown)[] = [() => account.remove()];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    const cluster = await startCluster('  x11: {enabled: yes}\n');
    closers.push(() => cluster.stop());
    await cluster.apply(ROLE);
    closers.push(await startHiddenNode(cluster));
    const alice = await cluster.person('alice', ['engineer'], [account.name]);
    const path = (name: string): string => join(cluster.daemon.folder, name);
    const run = (program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
      runToEnd(program, args, { ...options, env: { HOME: alice.home, ...options.env } });
    const config = path('ssh_config');
    writeFileSync(config, configText({ cluster, account, alice, config }));
    const ssh = (...words: readonly string[]): Promise<Ran> => run('ssh', ['-F', config, ...words]);
    const credential = (type: Parameters<SshHouse['credential']>[0]): Promise<string> =>
      makeCredential(cluster, alice, path(`key-${type}`), type);
    const configWith = (key: string): string => {
      const own = `${key}.ssh_config`;
      const text = readFileSync(config, 'utf8').replaceAll(config, own).replaceAll(alice.key, key);
      writeFileSync(own, text.replace('LogLevel ERROR', 'LogLevel INFO'));
      return own;
    };
    return { cluster, account, alice, config, configWith, path, run, ssh, credential, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Joins by the proxy's web port, so it has tunnels and no port. */
async function startHiddenNode(cluster: TestCluster): Promise<() => Promise<unknown>> {
  const token = must(
    await cluster.gatectl('tokens', 'add', '--type=node', '--ttl=5m', '--format=text'),
  ).trim();
  const daemon = startDaemon({
    makeConfig: (dataDir) => `version: v3
gatehouse:
  nodename: ${BEHIND_NAT}
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  proxy_server: ${cluster.web}
  join_params: {method: token, token_name: ${token}}
  ca_pin: ${cluster.pin}
  log: {severity: DEBUG, format: {output: json}}
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service:
  labels: {env: nat}
  x11: {enabled: yes}
`,
  });
  await daemon.ready();
  await until('the node behind the tunnel is listed', async () =>
    (await cluster.gatectl('nodes', 'ls')).stdout.includes(BEHIND_NAT),
  );
  return () => daemon.stop();
}

interface ConfigParts {
  readonly cluster: TestCluster;
  readonly account: TestAccount;
  readonly alice: Person;
  readonly config: string;
}

function configText({ cluster, account, alice, config }: ConfigParts): string {
  const gate = join(import.meta.dirname, '../../../bin/gate');
  const way: Record<(typeof WAYS)[number], string> = {
    jump: 'ProxyJump door',
    'jump-web': 'ProxyJump web-door',
    subsystem: `ProxyCommand ssh -F ${config} door -s proxy:%h:%p`,
    gate: `ProxyCommand ${gate} --cluster=${CLUSTER} proxy ssh %r@%h:%p`,
  };
  const hosts = WAYS.flatMap((name) =>
    [NODE, BEHIND_NAT].map(
      (node) => `Host ${name}.${node}\n  HostName ${node}\n  Port 3022\n  ${way[name]}\n`,
    ),
  );
  return `Host door
  HostName localhost
  Port ${cluster.sshPort}
Host web-door
  HostName localhost
  Port ${cluster.web.split(':')[1]}
Host direct.${NODE}
  HostName 127.0.0.1
  HostKeyAlias ${NODE}
  Port ${cluster.nodePort}
${hosts.join('')}Host *
  User ${account.name}
  IdentityFile ${alice.key}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${alice.knownHosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
`;
}

async function makeCredential(
  cluster: TestCluster,
  alice: Person,
  path: string,
  type: 'ed25519' | 'ecdsa-p256' | 'rsa-2048',
): Promise<string> {
  const { publicKey, privateKey } = generateKeyPair(type);
  const reply = await askAuth<UserCertificates>(cluster.web, '/v1/login', {
    user: 'alice',
    password: alice.password,
    ssh_public_key: publicKeyLine(publicKeyFromKeyObject(publicKey)),
    tls_public_key: publicKeyPem(generateKeyPair('ecdsa-p256').publicKey),
  });
  writeFileSync(path, openSshPrivateKey(privateKey).reveal(), { mode: 0o600 });
  writeFileSync(`${path}-cert.pub`, `${reply.ssh_certificate.trim()}\n`);
  return path;
}

/** The auth API through the web port, as programs that are not ours would call it. */
function askAuth<T>(address: string, path: string, body: object): Promise<T> {
  const [host, port] = address.split(':');
  const tls = { rejectUnauthorized: false, ALPNProtocols: ['gatehouse-auth'] };
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, method: 'POST', headers, ...tls }, (reply) => {
      const parts: Buffer[] = [];
      reply.on('data', (part: Buffer) => parts.push(part));
      reply.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (reply.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new Error(`${reply.statusCode}: ${text}`));
      });
    });
    call.on('error', reject).end(JSON.stringify(body));
  });
}

/** A program to its end, and all it printed. KILL after 60 s unless it says otherwise. */
export function runToEnd(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input = '', env = {}, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'dumb', ...env },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const parts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => (parts[name] += text));
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...parts }));
    // A program may end without reading.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
