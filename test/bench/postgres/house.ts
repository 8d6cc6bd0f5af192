// What the benchmark of databases runs on: PostgreSQL with TLS and client certificates, a cluster in which auth, proxy and
// agent are one process, one in which the agent is a process behind a tunnel, and PgBouncer where the machine has it. All on
// loopback.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, runProgram, startDaemon, type TestDaemon } from '../../kit/daemon.ts';
import { startPostgres, type TestPostgres } from '../../kit/postgres.ts';
import { until } from '../../kit/until.ts';

export const WAYS = ['direct', 'one process', 'tunnel', 'PgBouncer'] as const;
export type Way = (typeof WAYS)[number];

export interface DatabaseBench {
  readonly folder: string;
  /** For libpq; those of PgBouncer only where there is one. */
  readonly conninfo: Readonly<Partial<Record<Way, string>>>;
  /** Processes of ours that bytes of this way go through. */
  readonly pids: Readonly<Partial<Record<Way, readonly number[]>>>;
  close(): Promise<void>;
}

interface Started {
  readonly folder: string;
  readonly postgres: TestPostgres;
  readonly flags: string;
  readonly closers: (() => unknown)[];
}

const USER = 'bench';
const PASSWORD = 'nine plain words that nobody would ever guess here';
const DATABASE = 'bench';

/** Takes some seconds. `flags` are for Node in the daemons, such as --cpu-prof. */
export async function openDatabaseBench(flags = ''): Promise<DatabaseBench> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  chmodSync(folder, 0o711);
  const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const one of closers.splice(0).toReversed()) await one();
  };
  try {
    // As people run it: what is committed is on the disk.
    const settings = 'fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nshared_buffers = 128MB';
    const postgres = await startPostgres({ settings });
    closers.push(() => postgres.stop());
    postgres.sql(`create role ${USER} superuser login; create database ${DATABASE} owner ${USER}`);
    const started = { folder, postgres, flags, closers };
    const pair = postgres.clientPair(USER);
    const direct = `host=localhost port=${postgres.port} user=${USER} dbname=${DATABASE} sslmode=verify-full sslrootcert=${postgres.authorityFile} sslcert=${pair.cert} sslkey=${pair.key}`;
    const one = await startCluster(started, 'one', false);
    const two = await startCluster(started, 'two', true);
    const bouncer = await startBouncer(started);
    return {
      folder,
      conninfo: {
        direct,
        'one process': one.conninfo,
        tunnel: two.conninfo,
        ...(bouncer === undefined ? {} : { PgBouncer: bouncer }),
      },
      pids: { 'one process': one.pids, tunnel: two.pids },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startCluster(
  started: Started,
  name: string,
  isApart: boolean,
): Promise<{ readonly conninfo: string; readonly pids: readonly number[] }> {
  const { folder, postgres, flags, closers } = started;
  const [auth, webPort] = [await freePort(), await freePort()];
  const start = (host: string, config: string): TestDaemon => {
    const own = join(folder, `${host}-config`);
    mkdirSync(own);
    const text = `version: v3
gatehouse:
  nodename: ${host}
  data_dir: ${join(folder, host)}
  diag_addr: 127.0.0.1:0
  log: {severity: INFO, format: {output: json}}
${config}`;
    const daemon = startDaemon({
      config: text,
      folder: own,
      env: flags === '' ? {} : { NODE_OPTIONS: flags },
    });
    closers.push(() => daemon.stop());
    return daemon;
  };
  const service = `db_service:
  enabled: yes
  databases:
    - {name: orders, protocol: postgres, uri: "localhost:${postgres.port}", tls: {ca_cert_file: ${postgres.authorityFile}}}
`;
  const door = start(
    `${name}-door`,
    `auth_service:
  listen_addr: 127.0.0.1:${auth}
  cluster_name: ${name}.example.com
  tokens: ["db:bench-token-of-the-agent"]
  authentication: {second_factor: off}
proxy_service: {listen_addr: "127.0.0.1:0", tunnel_listen_addr: "127.0.0.1:0", web_listen_addr: "127.0.0.1:${webPort}", public_addr: "127.0.0.1:${webPort}"}
ssh_service: {enabled: no}
${isApart ? '' : service}`,
  );
  await door.ready();
  const ctl = control(door);
  const pin = /sha256:[0-9a-f]{64}/.exec(await ctl('status'))?.[0] ?? '';
  const daemons = [door];
  if (isApart) {
    const agent = start(
      `${name}-agent`,
      `  proxy_server: "127.0.0.1:${webPort}"
  auth_token: bench-token-of-the-agent
  ca_pin: "${pin}"
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {enabled: no}
${service}`,
    );
    await agent.ready();
    daemons.push(agent);
  }
  await until('the database', async () =>
    (await ctl('get', 'db_server', '--format=json')).includes('orders'),
  );
  postgres.trust(await ctl('auth', 'export', '--type=db'));
  const home = join(folder, `${name}-home`);
  mkdirSync(home);
  await logIn(started, { ctl, home, webPort, pin, name });
  const profile = await gate(home, 'db', 'config', '--format=json', 'orders');
  const { host, port, ca, cert, key } = JSON.parse(profile) as Record<string, string>;
  const tls = `sslmode=verify-full sslrootcert=${ca} sslcert=${cert} sslkey=${key}`;
  const conninfo = `host=${host} port=${port} user=${USER} dbname=${DATABASE} ${tls}`;
  return { conninfo, pids: daemons.map(({ pid }) => pid) };
}

type Control = (...args: string[]) => Promise<string>;

function control(door: TestDaemon): Control {
  return async (...args) => {
    const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${door.configPath}`, ...args]);
    if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
}

async function gate(home: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('gate', args, { HOME: home });
  if (code !== 0) throw new Error(`gate ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

interface Login {
  readonly ctl: Control;
  readonly home: string;
  readonly webPort: number;
  readonly pin: string;
  readonly name: string;
}

async function logIn({ folder }: Started, { ctl, home, webPort, pin, name }: Login): Promise<void> {
  const role = join(folder, `${name}-role.yaml`);
  const spec = "spec: {allow: {db_labels: {'*': '*'}, db_names: ['*'], db_users: ['*']}}";
  writeFileSync(role, `kind: role\nversion: v5\nmetadata: {name: bench}\n${spec}\n`);
  await ctl('create', '-f', role);
  const invite = await ctl('users', 'add', USER, '--roles=bench');
  const token = /newuser\/([0-9a-f]+)/.exec(invite)?.[1] ?? '';
  const password = join(folder, `${name}-password`);
  writeFileSync(password, PASSWORD, { mode: 0o600 });
  const proxy = `--proxy=127.0.0.1:${webPort}`;
  await gate(home, 'signup', token, proxy, `--ca-pin=${pin}`, `--password-file=${password}`);
  await gate(home, 'login', proxy, `--user=${USER}`, `--ca-pin=${pin}`, `--password-file=${password}`);
  await gate(home, 'db', 'login', 'orders');
}

/** Undefined where there is none. TLS on both sides, and a connection to the server for each client. */
async function startBouncer({ folder, postgres, closers }: Started): Promise<string | undefined> {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const own = join(folder, 'pgbouncer');
  mkdirSync(own, { mode: 0o755 });
  const port = await freePort();
  const at = (file: string, from: string, mode = 0o644): string => {
    const path = join(own, file);
    writeFileSync(path, readFileSync(from), { mode });
    chownSync(path, postgres.uid, 0);
    return path;
  };
  const pair = postgres.clientPair(USER);
  const [cert, key] = [at('client.crt', pair.cert), at('client.key', pair.key, 0o600)];
  const ca = at('ca.crt', postgres.authorityFile);
  writeFileSync(join(own, 'users'), `"${USER}" ""\n`);
  writeFileSync(
    join(own, 'config.ini'),
    `[databases]
${DATABASE} = host=127.0.0.1 port=${postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = cert
auth_file = ${join(own, 'users')}
pool_mode = session
max_client_conn = 500
default_pool_size = 100
client_tls_sslmode = verify-full
client_tls_ca_file = ${ca}
client_tls_cert_file = ${at('server.crt', postgres.serverPair.cert)}
client_tls_key_file = ${at('server.key', postgres.serverPair.key, 0o600)}
server_tls_sslmode = verify-ca
server_tls_ca_file = ${ca}
server_tls_cert_file = ${cert}
server_tls_key_file = ${key}
`,
  );
  const child = spawn('pgbouncer', ['-q', join(own, 'config.ini')], { stdio: 'ignore', uid: postgres.uid });
  closers.push(() => child.kill('SIGKILL'));
  const conninfo = `host=localhost port=${port} user=${USER} dbname=${DATABASE} sslmode=verify-full sslrootcert=${postgres.authorityFile} sslcert=${pair.cert} sslkey=${pair.key}`;
  await until('PgBouncer', () => answers(conninfo));
  return conninfo;
}

function answers(conninfo: string): boolean {
  try {
    execFileSync('psql', [conninfo, '-c', 'select 1'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
