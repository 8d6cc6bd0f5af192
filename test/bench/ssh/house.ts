// What the SSH benchmarks run on: an account of its own with an empty home, two plain sshd (a server and a bastion), and
// a cluster of two daemons (auth with proxy, node), all on loopback, and one ssh_config that names the ways in. Needs
// root, openssh-server and useradd. Separate processes, so that each one's memory and CPU can be told.
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAccount } from '../../kit/account.ts';
import { freePort, runProgram, startDaemon, type TestDaemon } from '../../kit/daemon.ts';
import { openSshFiles, startSshd } from '../../kit/openssh.ts';
import { until } from '../../kit/until.ts';

/** The hosts of the ssh_config: plain sshd, through a bastion, our node alone, through our proxy in both ways. */
export const WAYS = ['sshd', 'bastion', 'node', 'jump', 'gate'] as const;
export type Way = (typeof WAYS)[number];

export interface BenchHouse {
  readonly folder: string;
  /** For `ssh -F`. */
  readonly sshConfig: string;
  readonly account: string;
  readonly nodePid: number;
  readonly doorPid: number;
  /** Of the proxy. */
  readonly webPort: number;
  close(): Promise<void>;
}

export const GATE = fileURLToPath(new URL('../../../bin/gate', import.meta.url));
const USER = 'bench';
const PASSWORD = 'nine plain words that nobody would ever guess here';
const MAX_STARTUPS = 'MaxStartups 200:30:400';

/** Starts everything; takes some seconds. `flags` are for Node in the daemons, such as --cpu-prof. */
export async function openBenchHouse(flags = ''): Promise<BenchHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const one of closers.splice(0).toReversed()) await one();
  };
  try {
    chmodSync(folder, 0o711);
    const { name: account, remove } = makeAccount();
    closers.push(remove);
    const sshd = await startServers(folder, account, closers);
    const cluster = await startCluster(folder, flags, closers);
    await logIn(folder, cluster, account);
    const sshConfig = join(folder, 'ssh_config');
    writeFileSync(sshConfig, configText(folder, account, { ...sshd, ...cluster }));
    const { door, node, webPort } = cluster;
    return { folder, sshConfig, account, nodePid: node.pid, doorPid: door.pid, webPort, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Servers {
  readonly sshdPort: number;
  readonly bastionPort: number;
}

async function startServers(folder: string, account: string, closers: (() => unknown)[]): Promise<Servers> {
  const keys = join(folder, 'openssh');
  mkdirSync(keys);
  const files = openSshFiles(keys);
  const allowed = join(folder, 'principals');
  writeFileSync(allowed, 'root\n');
  const settings = [
    MAX_STARTUPS,
    'UsePAM no',
    'StrictModes no',
    `AuthorizedPrincipalsFile ${allowed}`,
    `AllowUsers ${account}`,
  ];
  const started: { readonly port: number; readonly process: ChildProcess }[] = [];
  for (let count = 0; count < 2; count++) {
    const sshd = await startSshd(files, settings);
    closers.push(() => sshd.process.kill());
    started.push(sshd);
  }
  return { sshdPort: started[0]?.port ?? 0, bastionPort: started[1]?.port ?? 0 };
}

interface Cluster {
  readonly door: TestDaemon;
  readonly node: TestDaemon;
  readonly webPort: number;
  readonly nodePort: number;
  readonly home: string;
}

const head = (folder: string, name: string): string => `version: v3
gatehouse:
  nodename: ${name}
  data_dir: ${join(folder, name)}
  diag_addr: 127.0.0.1:0
  log: {severity: INFO, format: {output: json}}
`;

async function startCluster(folder: string, flags: string, closers: (() => unknown)[]): Promise<Cluster> {
  const [auth, webPort, nodePort] = [await freePort(), await freePort(), await freePort()];
  const start = (name: string, config: string): TestDaemon => {
    const own = join(folder, `${name}-config`);
    mkdirSync(own);
    const env = flags === '' ? {} : { NODE_OPTIONS: flags };
    const daemon = startDaemon({ config: head(folder, name) + config, folder: own, env });
    closers.push(() => daemon.stop());
    return daemon;
  };
  const door = start(
    'door',
    `auth_service:
  listen_addr: 127.0.0.1:${auth}
  cluster_name: bench.example.com
  tokens: ["node:bench-token"]
  authentication: {second_factor: off}
proxy_service: {web_listen_addr: "127.0.0.1:${webPort}", public_addr: "127.0.0.1:${webPort}"}
ssh_service: {enabled: no}
`,
  );
  await door.ready();
  const ctl = await control(door);
  const pin = /sha256:[0-9a-f]{64}/.exec(await ctl('status'))?.[0] ?? '';
  const node = start(
    'web-1',
    `  auth_servers: ["127.0.0.1:${auth}"]
  auth_token: bench-token
  ca_pin: "${pin}"
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {listen_addr: "127.0.0.1:${nodePort}"}
`,
  );
  await node.ready();
  await until('the node', async () => (await ctl('get', 'nodes', '--format=json')).includes('web-1'));
  return { door, node, webPort, nodePort, home: join(folder, 'gate-home') };
}

async function control(door: TestDaemon): Promise<(...args: string[]) => Promise<string>> {
  return async (...args) => {
    const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${door.configPath}`, ...args]);
    if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
}

async function logIn(folder: string, { door, webPort, home }: Cluster, account: string): Promise<void> {
  const ctl = await control(door);
  const role = join(folder, 'role.yaml');
  writeFileSync(
    role,
    `kind: role
version: v5
metadata: {name: bench}
spec: {allow: {logins: [${account}], node_labels: {'*': '*'}}}
`,
  );
  await ctl('create', '-f', role);
  const invite = await ctl('users', 'add', USER, '--roles=bench');
  const token = /newuser\/([0-9a-f]+)/.exec(invite)?.[1] ?? '';
  const pin = /sha256:[0-9a-f]{64}/.exec(await ctl('status'))?.[0] ?? '';
  const password = join(folder, 'password');
  writeFileSync(password, PASSWORD, { mode: 0o600 });
  mkdirSync(home);
  const proxy = `--proxy=127.0.0.1:${webPort}`;
  for (const args of [
    ['signup', token, proxy, `--ca-pin=${pin}`, `--password-file=${password}`],
    ['login', proxy, `--user=${USER}`, `--ca-pin=${pin}`, `--password-file=${password}`],
  ]) {
    const { code, stdout, stderr } = await runProgram('gate', args, { HOME: home });
    if (code !== 0) throw new Error(`gate ${args.join(' ')}: ${stdout}${stderr}`);
  }
}

function configText(
  folder: string,
  account: string,
  { sshdPort, bastionPort, webPort, nodePort, home }: Servers & Cluster,
): string {
  const profile = join(home, '.gate', 'bench.example.com');
  const keys = join(folder, 'openssh');
  const ours = `  HostKeyAlias web-1.bench.example.com
  IdentityFile ${profile}/key
  CertificateFile ${profile}/key-cert.pub
  UserKnownHostsFile ${profile}/known_hosts
`;
  const plain = `  HostKeyAlias node-1
  IdentityFile ${keys}/user
  CertificateFile ${keys}/user-cert.pub
  UserKnownHostsFile ${keys}/known_hosts
`;
  return `Host sshd
  Port ${sshdPort}
${plain}
Host bastion-door
  Port ${bastionPort}
${plain}
Host bastion
  Port ${sshdPort}
  ProxyJump bastion-door
${plain}
Host node
  Port ${nodePort}
${ours}
Host door
  Port ${webPort}
${ours.replace('web-1.', 'door.')}
Host jump
  HostName web-1
  ProxyJump door
${ours}
Host gate
  ProxyCommand env HOME=${home} ${GATE} proxy ssh web-1
${ours}
Host sshd bastion-door bastion node door
  HostName 127.0.0.1
Host *
  User ${account}
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  LogLevel ERROR
`;
}
