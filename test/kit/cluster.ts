// An all-in-one cluster as real processes: auth, proxy and node in one daemon on loopback, with people who are signed in
// by the real `gate`. What stories about sessions are told on.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, runProgram, startDaemon, type Ran, type TestDaemon } from './daemon.ts';
import { until } from './until.ts';

export const CLUSTER = 'test.example.com';
export const NODE = 'web-1';
const PASSWORD = 'nine plain words that nobody would ever guess here';

export interface Person {
  /** HOME of this person, with the login in it. */
  readonly home: string;
  /** The files that plain ssh reads. */
  readonly key: string;
  readonly knownHosts: string;
  readonly password: string;
  gate(...args: readonly string[]): Promise<Ran>;
}

export interface TestCluster {
  readonly daemon: TestDaemon;
  /** `host:port` of the web port. */
  readonly web: string;
  /** Ports of the proxy's SSH and of the node. */
  readonly sshPort: number;
  readonly nodePort: number;
  readonly pin: string;
  gatectl(...args: readonly string[]): Promise<Ran>;
  /** Creates resources from YAML. */
  apply(yaml: string): Promise<void>;
  /** A user with these roles and logins, signed in. */
  person(name: string, roles: readonly string[], logins: readonly string[]): Promise<Person>;
  stop(): Promise<unknown>;
}

export interface ClusterSetup {
  /** Further words of the command line, after `start`. */
  readonly args?: readonly string[];
  /** Variables of the daemon. */
  readonly env?: Readonly<Record<string, string>>;
  /** Opens what stands before the web port; its `host:port` is what people are told. */
  readonly front?: (webPort: number) => Promise<string>;
}

/** Resolves when users can connect to the node; the caller stops it. `more` is added to the config file. */
export async function startCluster(more = '', setup: ClusterSetup = {}): Promise<TestCluster> {
  const [auth, web, ssh, tunnel, node] = await freePorts();
  const config = (dataDir: string): string => `version: v3
gatehouse:
  nodename: ${NODE}
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
auth_service:
  listen_addr: 127.0.0.1:${auth}
  cluster_name: ${CLUSTER}
  authentication: {type: local, second_factor: off}
proxy_service:
  web_listen_addr: 127.0.0.1:${web}
  listen_addr: 127.0.0.1:${ssh}
  tunnel_listen_addr: 127.0.0.1:${tunnel}
  public_addr: localhost:${web}
ssh_service:
  listen_addr: 127.0.0.1:${node}
  labels: {env: test, team: core}
${more}`;
  const { args = [], env = {}, front } = setup;
  const daemon = startDaemon({ makeConfig: config, args, env });
  const gatectl = (...args: readonly string[]): Promise<Ran> =>
    runProgram('gatectl', [`--config=${daemon.configPath}`, ...args]);
  await daemon.ready();
  await until('the node is listed', async () => (await gatectl('nodes', 'ls')).stdout.includes(NODE));
  const { ca_pins } = JSON.parse(must(await gatectl('status', '--format=json'))) as { ca_pins: string[] };
  const address = (await front?.(web)) ?? `127.0.0.1:${web}`;
  const pin = ca_pins[0] ?? '';
  return {
    daemon,
    web: address,
    sshPort: ssh,
    nodePort: node,
    pin,
    gatectl,
    async apply(yaml) {
      const path = join(daemon.folder, 'resources.yaml');
      writeFileSync(path, yaml);
      must(await gatectl('create', '-f', path));
    },
    async person(name, roles, logins) {
      const home = join(daemon.folder, `home-${name}`);
      mkdirSync(home);
      const password = join(home, 'password');
      writeFileSync(password, PASSWORD, { mode: 0o600 });
      const gate = (...args: readonly string[]): Promise<Ran> => runProgram('gate', args, { HOME: home });
      const invite = must(
        await gatectl(
          'users',
          'add',
          name,
          `--roles=${roles.join(',')}`,
          `--logins=${logins.join(',')}`,
          '--format=json',
        ),
      );
      const { token } = JSON.parse(invite) as { token: string };
      const common = [`--proxy=${address}`, `--ca-pin=${pin}`, `--password-file=${password}`];
      must(await gate('signup', token, ...common));
      must(await gate('login', `--user=${name}`, ...common));
      const folder = join(home, '.gate', CLUSTER);
      return {
        home,
        key: join(folder, 'key'),
        knownHosts: join(folder, 'known_hosts'),
        password: PASSWORD,
        gate,
      };
    },
    stop: () => daemon.stop(),
  };
}

/** What it printed, when it went well. */
export function must({ code, stdout, stderr }: Ran): string {
  if (code === 0) return stdout;
  throw new Error(`exit code ${code}: ${stderr}`);
}

async function freePorts(): Promise<[number, number, number, number, number]> {
  const found = new Set<number>();
  while (found.size < 5) found.add(await freePort());
  return [...found] as [number, number, number, number, number];
}
