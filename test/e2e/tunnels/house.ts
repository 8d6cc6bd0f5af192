// A cluster on a network of its own, of real daemons: auth, proxies behind a balancer, and nodes that nobody can dial, with
// a person who logs in by plain ssh. What happens to tunnels is read from the logs, how many there are from diagnostics.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeAccount, type TestAccount } from '#test/kit/account.ts';
import { runProgram, startDaemon, type LogLine, type TestDaemon } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { startBalancer, type Balancer } from './balancer.ts';
import { openNetwork, type Host, type Network } from './network.ts';

const CLUSTER = 'test.example.com';
const PORT = 3080;
const PATIENCE_MS = 90_000;

export interface Machine {
  readonly name: string;
  readonly host: Host;
  /** The one that runs now. */
  readonly daemon: TestDaemon;
  /** Starts it again, after its end. */
  start(): void;
}

export interface House {
  readonly network: Network;
  readonly auth: Machine;
  readonly proxies: readonly Machine[];
  readonly nodes: readonly Machine[];
  readonly balancer: Balancer;
  readonly account: TestAccount;
  gatectl(...args: readonly string[]): Promise<string>;
  /** Host id of a proxy. */
  idOf(proxy: Machine): string;
  /** When each tunnel between them was opened since then: milliseconds, one per pair. Waits for all. */
  opened(since: number, proxies?: readonly Machine[], nodes?: readonly Machine[]): Promise<number[]>;
  /** Tunnels that proxies have, as hosts and as connections. */
  tunnelsAt(proxy: Machine): Promise<{ readonly hosts: number; readonly connections: number }>;
  /** Runs a command on a node through a proxy, or through the balancer; what it wrote. */
  ssh(node: Machine, command: string, proxy?: Machine): Promise<string>;
  /** A session that answers each line with the same line. */
  session(node: Machine, proxy: Machine): Session;
  end(): Promise<void>;
}

export interface Session {
  /** Resolves when it came back. */
  says(word: string): Promise<void>;
  close(): void;
}

export interface HouseOptions {
  readonly folder: string;
  readonly proxies: number;
  readonly nodes: number;
  /** More of the section auth_service. */
  readonly settings?: string;
}

interface DaemonFacts {
  readonly name: string;
  readonly folder: string;
  readonly head: string;
  readonly sections: string;
}

const configOf = ({ name, folder, head, sections }: DaemonFacts): string => `version: v3
gatehouse:
  nodename: ${name}
  data_dir: ${join(folder, 'data')}
  log: {severity: INFO, format: {output: json}}
${head}${sections}`;

const TOKEN = 'a-secret-token-of-this-network';

/** The caller ends it, also when it rejects the network is gone. Needs root, ip, nft, haproxy and ssh. */
export async function startHouse(options: HouseOptions): Promise<House> {
  const network = openNetwork();
  const account = makeAccount();
  const machines: Machine[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(machines.map(({ daemon }) => daemon.stop()));
    network.end();
    account.remove();
  };
  try {
    return await open(options, { network, account, machines, end });
  } catch (error) {
    const said = machines.map(({ name, daemon }) => `${name}:\n${daemon.stderr.slice(-1000)}`);
    await end();
    throw new Error(`the cluster did not start:\n${said.join('\n')}`, { cause: error });
  }
}

interface Parts {
  readonly network: Network;
  readonly account: TestAccount;
  readonly machines: Machine[];
  readonly end: () => Promise<void>;
}

async function open(options: HouseOptions, parts: Parts): Promise<House> {
  const { network, account, machines, end } = parts;
  const machine = (name: string, host: Host, head: string, sections: string): Machine => {
    const folder = join(options.folder, name);
    mkdirSync(folder, { recursive: true });
    const config = configOf({ name, folder, head, sections });
    const begin = (): TestDaemon => startDaemon({ folder, config, within: host.within });
    let daemon = begin();
    const made: Machine = {
      name,
      host,
      get daemon() {
        return daemon;
      },
      start: () => void (daemon = begin()),
    };
    machines.push(made);
    return made;
  };
  const auth = machine('auth-1', network.host('auth', 10), '', authSections(options.settings));
  await waitFor(auth, 'the auth service is ready');
  const gatectl = async (...args: readonly string[]): Promise<string> => {
    const words = [`--config=${auth.daemon.configPath}`, ...args];
    const { code, stdout, stderr } = await runProgram('gatectl', words, {}, auth.host.within);
    if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const pin = /sha256:[0-9a-f]{64}/.exec(await gatectl('status'))?.[0] ?? '';
  const joins = (where: string): string => `  ${where}\n  auth_token: ${TOKEN}\n  ca_pin: "${pin}"\n`;
  const front = network.host('balancer', 30);
  const proxies = numbers(options.proxies).map((i) =>
    machine(
      `proxy-${i}`,
      network.host(`proxy${i}`, 20 + i),
      joins(`auth_server: ${auth.host.address}:3025`),
      `auth_service: {enabled: no}
ssh_service: {enabled: no}
proxy_service: {web_listen_addr: "0.0.0.0:${PORT}", public_addr: "${front.address}:${PORT}"}
`,
    ),
  );
  for (const one of proxies) await waitFor(one, 'the proxy is open');
  const behind = proxies.map(({ name, host }) => [name, `${host.address}:${PORT}`]);
  const balancer = await startBalancer(
    front,
    options.folder,
    Object.fromEntries(behind) as Record<string, string>,
  );
  await balancer.serves(options.proxies);
  const nodes = numbers(options.nodes).map((i) => {
    const host = network.host(`node${i}`, 40 + i);
    // As behind NAT: nothing comes in that was not asked for.
    host.drop('iif lo accept', 'ct state new drop');
    return machine(
      `node-${i}`,
      host,
      joins(`proxy_server: ${front.address}:${PORT}`),
      `auth_service: {enabled: no}\nproxy_service: {enabled: no}\nssh_service: {enabled: yes}\n`,
    );
  });
  const ids = await until(
    'all proxies are listed',
    async () => {
      const listed = JSON.parse(await gatectl('get', 'proxies', '--format=json')) as {
        metadata: { name: string };
        spec: { hostname: string };
      }[];
      if (listed.length < options.proxies) return undefined;
      return new Map(listed.map(({ metadata, spec }) => [spec.hostname, metadata.name]));
    },
    PATIENCE_MS,
  );
  const idOf = ({ name }: Machine): string => ids.get(name) ?? '';
  const user = network.host('user', 50);
  const ssh = await openPerson({
    folder: options.folder,
    account,
    gatectl,
    proxies,
    names: nodes.map(({ name }) => name),
    front,
  });
  const words = (node: Machine, proxy?: Machine): string[] => [
    ...user.within.slice(1),
    'ssh',
    '-F',
    ssh,
    '-J',
    proxy?.name ?? 'gate',
    node.name,
  ];
  return {
    network,
    auth,
    proxies,
    nodes,
    balancer,
    account,
    gatectl,
    idOf,
    end,
    opened: (since, some = proxies, others = nodes) => openedAfter(since, some.map(idOf), others),
    tunnelsAt,
    ssh: (node, command, proxy) => sshOnce([...words(node, proxy), command]),
    session: (node, proxy) => openSession([...words(node, proxy), 'cat']),
  };
}

/** As TestDaemon.logged, with patience for machines where many start at once. */
async function waitFor({ name, daemon }: Machine, message: string): Promise<void> {
  const isThere = (): boolean => daemon.log.some((line) => line.message === message);
  await until(`"${message}" of ${name}`, isThere, PATIENCE_MS);
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

const authSections = (settings = ''): string => `auth_service:
  listen_addr: 0.0.0.0:3025
  cluster_name: ${CLUSTER}
  tokens: ["proxy,node:${TOKEN}"]
  proxy_listener_mode: multiplex
${settings}ssh_service: {enabled: no}
proxy_service: {enabled: no}
`;

async function openedAfter(
  since: number,
  ids: readonly string[],
  nodes: readonly Machine[],
): Promise<number[]> {
  const times: number[] = [];
  for (const { name, daemon } of nodes) {
    for (const id of ids) {
      const what = `a tunnel of ${name} to ${id}`;
      const line = await until(what, () => daemon.log.find((one) => isOpening(one, id, since)), PATIENCE_MS);
      times.push(timeOf(line) - since);
    }
  }
  return times;
}

const timeOf = (line: LogLine): number => Date.parse(String(line['timestamp']));
const isOpening = (line: LogLine, proxyId: string, since: number): boolean =>
  line.message === 'tunnel to a proxy is open' && line['proxyId'] === proxyId && timeOf(line) >= since;

async function tunnelsAt({ daemon }: Machine): Promise<{ hosts: number; connections: number }> {
  const dumps = (): LogLine[] => daemon.log.filter(({ message }) => message === 'diagnostics of the proxy');
  const before = dumps().length;
  daemon.kill('SIGUSR1');
  const line = await until('diagnostics of a proxy', () => dumps()[before]);
  return { hosts: Number(line['tunnels']), connections: Number(line['tunnelConnections']) };
}

interface PersonFacts extends Pick<House, 'account' | 'gatectl' | 'proxies'> {
  readonly folder: string;
  /** Of nodes. */
  readonly names: readonly string[];
  readonly front: Host;
}

/** Somebody with certificates; the path of their ssh configuration. */
async function openPerson({ folder, account, gatectl, proxies, names, front }: PersonFacts): Promise<string> {
  const path = (name: string): string => join(folder, name);
  writeFileSync(
    path('joe.yaml'),
    `kind: role
version: v5
metadata: {name: ops}
spec: {allow: {logins: [${account.name}], node_labels: {'*': '*'}}}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [ops]}
`,
  );
  await gatectl('create', '-f', path('joe.yaml'));
  await gatectl('auth', 'sign', '--user=joe', '--format=openssh', `--out=${path('joe')}`);
  // The balancer has an address and no name.
  const known = await gatectl('auth', 'export', '--type=host');
  writeFileSync(path('known'), known.replaceAll(/^@cert-authority \S+/gm, '@cert-authority *'));
  const jumps = proxies.map(
    ({ name, host }) =>
      `Host ${name}\n  HostName ${host.address}\n  HostKeyAlias ${name}.${CLUSTER}\n  Port ${PORT}\n`,
  );
  const nodes = names.map(
    (name) => `Host ${name}\n  HostKeyAlias ${name}.${CLUSTER}\n  User ${account.name}\n`,
  );
  writeFileSync(
    path('ssh_config'),
    `${jumps.join('')}Host gate
  HostName ${front.address}
  HostKeyAlias ${front.address}
  Port ${PORT}
${nodes.join('')}Host *
  IdentityFile ${path('joe')}
  CertificateFile ${path('joe')}-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  ConnectTimeout 20
  LogLevel ERROR
  GlobalKnownHostsFile none
  UserKnownHostsFile ${path('known')}
  StrictHostKeyChecking yes
`,
  );
  return path('ssh_config');
}

async function sshOnce(words: readonly string[]): Promise<string> {
  const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (said += data.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}

function openSession(words: readonly string[]): Session {
  const child: ChildProcessWithoutNullStreams = spawn('ip', words, { stdio: 'pipe' });
  let said = '';
  let wrong = '';
  child.stdin.on('error', () => {});
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  child.stderr.on('data', (data: Buffer) => (wrong += data.toString()));
  return {
    async says(word) {
      child.stdin.write(`${word}\n`);
      await until(`the session to say ${word}`, () => {
        if (child.exitCode !== null) throw new Error(`the session ended before "${word}": ${wrong}`);
        return said.includes(`${word}\n`);
      });
    },
    close: () => void child.kill('SIGKILL'),
  };
}
