// What the benchmark of applications runs on: nginx as the application, nginx as a TLS reverse proxy in front of it, a cluster
// in which auth, proxy and agent are one process, and one in which the agent is a process behind a tunnel. All on loopback.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, runProgram, startDaemon, type TestDaemon } from '../../kit/daemon.ts';
import { until } from '../../kit/until.ts';

export const WAYS = ['nginx', 'one process', 'tunnel', 'cookie'] as const;
export type Way = (typeof WAYS)[number];

export interface Load {
  readonly path: string;
  readonly connections?: number;
  /** Left out: one request. */
  readonly seconds?: number;
  /** Bytes to send. */
  readonly upload?: number;
}

export interface Loaded {
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
}

export interface AppsBench {
  /** Processes of ours that bytes of this way go through. */
  readonly pids: Readonly<Record<Way, readonly number[]>>;
  load(way: Way, load: Load): Promise<Loaded>;
  close(): Promise<void>;
}

const USER = 'bench';
const PASSWORD = 'nine plain words that nobody would ever guess here';
const HOST = 'wiki.localhost.example.com';

/** Takes some seconds. `nodeFlags` are for the daemons, such as --cpu-prof; `large` is the size of /large in bytes. */
export async function openAppsBench(large: number, nodeFlags = ''): Promise<AppsBench> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
  chmodSync(folder, 0o711);
  const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const one of closers.splice(0).toReversed()) await one();
  };
  try {
    const program = join(folder, 'load');
    const source = fileURLToPath(new URL('load.c', import.meta.url));
    execFileSync('cc', ['-O2', '-D_GNU_SOURCE', '-o', program, source, '-lssl', '-lcrypto', '-lpthread']);
    const web = await startNginx(folder, large, closers);
    const parts = { folder, closers, target: web.plain, nodeFlags };
    const one = await startCluster(parts, 'one', false);
    const two = await startCluster(parts, 'two', true);
    const words: Readonly<Record<Way, readonly string[]>> = {
      nginx: [String(web.tls), 'http/1.1', '-', '-', '127.0.0.1', '-'],
      'one process': one.words,
      tunnel: two.words,
      cookie: [String(one.port), 'http/1.1', '-', '-', HOST, await one.cookie()],
    };
    return {
      pids: { nginx: [], 'one process': one.pids, tunnel: two.pids, cookie: one.pids },
      load: (way, { path, connections = 1, seconds = 0, upload = 0 }) =>
        new Promise((resolve, reject) => {
          const last = [path, String(connections), String(seconds), String(upload)];
          const child = spawn(program, [...words[way], ...last]);
          let [out, said] = ['', ''];
          child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
          child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
          child.once('close', (code) =>
            code === 0 ? resolve(JSON.parse(out) as Loaded) : reject(new Error(`${way}: ${said}`)),
          );
        }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly folder: string;
  readonly closers: (() => unknown)[];
  /** Port of the application. */
  readonly target: number;
  readonly nodeFlags: string;
}

async function startNginx(
  folder: string,
  large: number,
  closers: (() => unknown)[],
): Promise<{ plain: number; tls: number }> {
  const own = join(folder, 'nginx');
  mkdirSync(own, { mode: 0o755 });
  const [plain, tls, sink] = [await freePort(), await freePort(), await startSink(closers)];
  const pair = ['-keyout', join(own, 'key.pem'), '-out', join(own, 'cert.pem')];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  execFileSync('openssl', [...made, '-subj', '/CN=localhost', ...pair], { stdio: 'ignore' });
  writeFileSync(join(own, 'small'), 'x'.repeat(100));
  execFileSync('truncate', ['-s', String(large), join(own, 'large')]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${own}/${name};`)
    .join('\n');
  writeFileSync(
    join(own, 'nginx.conf'),
    `daemon off; user root; worker_processes 2; pid ${own}/pid; error_log ${own}/error.log;
events { worker_connections 1024; }
http {
${temporary}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_max_body_size 0;
  upstream inside { server 127.0.0.1:${plain}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${plain}; root ${own};
    location = /upload { proxy_http_version 1.1; proxy_request_buffering off; proxy_pass http://127.0.0.1:${sink}; }
  }
  server {
    listen 127.0.0.1:${tls} ssl; ssl_certificate ${own}/cert.pem; ssl_certificate_key ${own}/key.pem;
    location / { proxy_pass http://inside; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }
  }
}
`,
  );
  const child = spawn('nginx', ['-c', join(own, 'nginx.conf'), '-p', own], { stdio: 'ignore' });
  closers.push(() => child.kill('SIGTERM'));
  await until('nginx', () =>
    fetch(`http://127.0.0.1:${plain}/small`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return { plain, tls };
}

/** Reads what it is sent and says how much it was. Its port. */
async function startSink(closers: (() => unknown)[]): Promise<number> {
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (part: Buffer) => (bytes += part.length));
    request.on('end', () => {
      const body = String(bytes);
      response.setHeader('content-length', body.length);
      response.end(body);
    });
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Cluster {
  readonly port: number;
  /** For the load program. */
  readonly words: readonly string[];
  readonly pids: readonly number[];
  cookie(): Promise<string>;
}

async function startCluster(parts: Parts, name: string, isApart: boolean): Promise<Cluster> {
  const { folder, target } = parts;
  const [auth, webPort] = [await freePort(), await freePort()];
  const service = `app_service:
  enabled: yes
  apps:
    - {name: wiki, uri: "http://127.0.0.1:${target}", public_addr: ${HOST}}
`;
  const door = startOne(
    parts,
    `${name}-door`,
    `auth_service:
  listen_addr: 127.0.0.1:${auth}
  cluster_name: ${name}.example.com
  tokens: ["app:bench-token-of-the-agent"]
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
    const agent = startOne(
      parts,
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
  await until('the application', async () =>
    (await ctl('get', 'app_server', '--format=json')).includes('wiki'),
  );
  const home = join(folder, `${name}-home`);
  mkdirSync(home);
  await logIn(folder, { ctl, home, webPort, pin, name });
  const profile = await gate(home, 'apps', 'config', '--format=json', 'wiki');
  const { cert = '', key = '' } = JSON.parse(profile) as Record<string, string>;
  return {
    port: webPort,
    words: [String(webPort), 'gatehouse-app', cert, key, '127.0.0.1', '-'],
    pids: daemons.map(({ pid }) => pid),
    cookie: () => launchByHand(webPort),
  };
}

function startOne({ folder, closers, nodeFlags }: Parts, host: string, config: string): TestDaemon {
  const own = join(folder, `${host}-config`);
  mkdirSync(own);
  const head = `version: v3
gatehouse:
  nodename: ${host}
  data_dir: ${join(folder, host)}
  diag_addr: 127.0.0.1:0
  log: {severity: INFO, format: {output: json}}
`;
  const env = nodeFlags === '' ? {} : { NODE_OPTIONS: nodeFlags };
  const daemon = startDaemon({ config: head + config, folder: own, env });
  closers.push(() => daemon.stop());
  return daemon;
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

async function logIn(folder: string, { ctl, home, webPort, pin, name }: Login): Promise<void> {
  const role = join(folder, `${name}-role.yaml`);
  writeFileSync(
    role,
    "kind: role\nversion: v5\nmetadata: {name: bench}\nspec: {allow: {app_labels: {'*': '*'}}}\n",
  );
  await ctl('create', '-f', role);
  const invite = await ctl('users', 'add', USER, '--roles=bench');
  const token = /newuser\/([0-9a-f]+)/.exec(invite)?.[1] ?? '';
  const password = join(folder, `${name}-password`);
  writeFileSync(password, PASSWORD, { mode: 0o600 });
  const proxy = `--proxy=127.0.0.1:${webPort}`;
  await gate(home, 'signup', token, proxy, `--ca-pin=${pin}`, `--password-file=${password}`);
  await gate(home, 'login', proxy, `--user=${USER}`, `--ca-pin=${pin}`, `--password-file=${password}`);
  await gate(home, 'apps', 'login', 'wiki');
}

interface Reply {
  readonly cookies: readonly string[];
  readonly location: string;
}

/** As a browser does it: login, application, proxy, application. The cookie of the application. */
async function launchByHand(port: number): Promise<string> {
  const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };
  const login = await ask(port, '127.0.0.1', '/v1/webapi/sessions', {}, { user: USER, password: PASSWORD });
  const first = await ask(port, HOST, '/small', page);
  const second = await ask(port, '127.0.0.1', pathOf(first.location), { ...page, cookie: login.cookies[0] });
  const third = await ask(port, HOST, pathOf(second.location), { ...page, cookie: first.cookies[0] });
  return third.cookies.find((cookie) => cookie.includes('gatehouse-app')) ?? '';
}

const pathOf = (location: string): string => location.replace(/^https:\/\/[^/]+/, '');

function ask(port: number, host: string, path: string, headers: object, body?: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { host, 'content-type': 'application/json', ...headers },
        rejectUnauthorized: false,
        agent: false,
      },
      (reply) => {
        reply.resume();
        reply.on('end', () =>
          resolve({
            cookies: (reply.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';', 1)[0] ?? ''),
            location: reply.headers.location ?? '',
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
