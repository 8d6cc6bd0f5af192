// Graceful restarts with real processes: sessions run on, nobody is turned away, and whatever goes wrong leaves the old
// process as it was. Needs `ssh`, and root.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const folder = tempFolder();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Ports {
  readonly auth: number;
  readonly web: number;
  readonly ssh: number;
  readonly node: number;
}

interface Running {
  readonly daemon: TestDaemon;
  /** Of the process that serves now. */
  pid(): number;
  gatectl(...args: string[]): Promise<string>;
}

function run(name: string, text: string): Running {
  const daemon = startDaemon({
    makeConfig: (dataDir) => `version: v3
gatehouse:
  nodename: ${name}
  data_dir: ${dataDir}
  pid_file: ${dataDir}.pid
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
${text}`,
  });
  const pid = (): number => Number(readFileSync(`${daemon.dataDir}.pid`, 'utf8'));
  closing.push(() => stopAll(daemon));
  const gatectl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${daemon.configPath}`, ...args]);
    if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  return { daemon, pid, gatectl };
}

/** The first process, and whichever took over, also when that happens just now. */
async function stopAll(daemon: TestDaemon): Promise<void> {
  const told = new Set<number>();
  let isOver = false;
  const stopping = daemon.stop().then(() => (isOver = true));
  await until(
    'all processes to end',
    () => {
      const found = pidIn(`${daemon.dataDir}.pid`);
      if (found > 0 && isAlive(found) && !told.has(found)) process.kill(found, 'SIGTERM');
      told.add(found);
      return isOver;
    },
    100_000,
  );
  await stopping;
}

/** 0 while there is none. */
function pidIn(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}

async function runAll(more = ''): Promise<Running & { readonly ports: Ports }> {
  const ports = {
    auth: await freePort(),
    web: await freePort(),
    ssh: await freePort(),
    node: await freePort(),
  };
  const running = run(
    'door',
    `${more}auth_service:
  listen_addr: 127.0.0.1:${ports.auth}
  cluster_name: test.example.com
  tokens: ["node:a-secret-token"]
proxy_service:
  web_listen_addr: 127.0.0.1:${ports.web}
  listen_addr: 127.0.0.1:${ports.ssh}
  tunnel_listen_addr: 127.0.0.1:${ports.web}
  public_addr: 127.0.0.1:${ports.web}
ssh_service:
  listen_addr: 127.0.0.1:${ports.node}
`,
  );
  await running.daemon.ready();
  return { ...running, ports };
}

async function runTunnelled({ gatectl, ports }: Running & { readonly ports: Ports }): Promise<Running> {
  const pin = /sha256:[0-9a-f]{64}/.exec(await gatectl('status'))?.[0] ?? '';
  const node = run(
    'web-1',
    `  auth_servers: ["127.0.0.1:${ports.web}"]
  auth_token: a-secret-token
  ca_pin: "${pin}"
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {listen_addr: 127.0.0.1:0}
`,
  );
  await node.daemon.ready();
  await until('the node with its tunnel', async () => /web-1/.test(await gatectl('nodes', 'ls')));
  return node;
}

/** Files of OpenSSH for the user joe; the path of its configuration, in which `door` and `web-1` are nodes. */
async function sshConfig({ gatectl, ports }: Running & { readonly ports: Ports }): Promise<string> {
  const file = (name: string): string => join(folder, `${name}-${ports.web}`);
  writeFileSync(
    file('role.yaml'),
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
  await gatectl('create', '-f', file('role.yaml'));
  await gatectl('auth', 'sign', '--user=joe', '--format=openssh', `--out=${file('joe')}`);
  writeFileSync(file('known'), await gatectl('auth', 'export', '--type=host'));
  writeFileSync(
    file('config'),
    `Host *
  User root
  IdentityFile ${file('joe')}
  CertificateFile ${file('joe')}-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  LogLevel ERROR
  GlobalKnownHostsFile none
  UserKnownHostsFile ${file('known')}
  StrictHostKeyChecking yes
Host gate
  HostName 127.0.0.1
  HostKeyAlias door.test.example.com
  Port ${ports.web}
Host door
  HostKeyAlias door.test.example.com
  ProxyJump gate
Host web-1
  HostKeyAlias web-1.test.example.com
  ProxyJump gate
`,
  );
  return file('config');
}

interface Ssh {
  readonly said: string;
  readonly ended: Promise<number | null>;
  write(text: string): void;
}

function ssh(config: string, host: string, ...command: string[]): Ssh {
  const child = spawn('ssh', ['-F', config, host, ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  closing.push(() => child.kill());
  const running = {
    said: '',
    ended: new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code))),
    write: (text: string) => void child.stdin.write(text),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => (running.said += data.toString()));
  }
  return running;
}

/** Numbers without end; ends when something is written to it. */
const COUNT = `i=0; while ! read -t 0.05 line; do i=$((i+1)); echo $i; done; echo done`;
const count = (config: string, host: string): Ssh => ssh(config, host, `bash -c '${COUNT}'`);
const counts = (session: Ssh): Promise<unknown> =>
  until(
    'output',
    () => {
      if (/[a-z]/i.test(session.said)) throw new Error(session.said);
      return session.said.includes('\n5\n');
    },
    60_000,
  );
const lines = ({ said }: Ssh): string[] => said.trim().split('\n');

async function restarted({ daemon, pid }: Running, signal: NodeJS.Signals = 'SIGHUP'): Promise<number> {
  const before = pid();
  const isServing = (): number =>
    daemon.log.filter(({ message }) => message.endsWith('the new process serves')).length;
  const times = isServing();
  process.kill(daemon.pid === before || isAlive(daemon.pid) ? daemon.pid : before, signal);
  await until('the new process', () => isServing() > times, 60_000);
  expect(pid()).not.toBe(before);
  return pid();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );

/** First bytes that a port says by itself, or after a request over TLS. */
function knock(port: number, request?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket =
      request === undefined
        ? connect({ port, host: '127.0.0.1', timeout: 20_000 })
        : connectTls({
            port,
            host: '127.0.0.1',
            timeout: 20_000,
            rejectUnauthorized: false,
            ALPNProtocols: ['http/1.1'],
          });
    if (request !== undefined) socket.write(request);
    socket.once('timeout', () => socket.destroy(new Error(`${port} is silent`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${port} closed the connection`)));
    socket.once('data', (data: Buffer) => {
      resolve(data.toString().split('\r\n')[0] ?? '');
      socket.destroy();
    });
  });
}

/** New connections one after another until stopped; what they were answered, and how often. */
function keepKnocking(one: () => Promise<string>): () => Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  const over = new AbortController();
  const loop = (async () => {
    while (!over.signal.aborted) {
      const answer = await one().catch((error: Error) => `failed: ${error.message}`);
      seen[answer] = (seen[answer] ?? 0) + 1;
    }
  })();
  return async () => {
    over.abort();
    await loop;
    return seen;
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`;

describe('graceful restart', () => {
  it('ok: sessions directly and by tunnel run on, nobody new is refused, twice, then the old processes end', async () => {
    const door = await runAll();
    const { ports, daemon } = door;
    const web1 = await runTunnelled(door);
    const config = await sshConfig(door);
    const sessions = [count(config, 'door'), count(config, 'web-1')];
    for (const session of sessions) await counts(session);
    const knocking = [
      keepKnocking(() => knock(ports.ssh)),
      keepKnocking(() => knock(ports.node)),
      keepKnocking(() => knock(ports.web, get('/v1/webapi/find'))),
      keepKnocking(() => knock(ports.auth, get('/v1/ping'))),
      keepKnocking(async () => {
        const session = ssh(config, 'door', 'echo', 'hello');
        const code = await session.ended;
        return `${code} ${session.said.trim()}`;
      }),
    ];
    const first = door.pid();
    const second = await restarted(door);
    const sizes = sessions.map(({ said }) => said.length);
    await until('more output', () => sessions.every(({ said }, index) => said.length > (sizes[index] ?? 0)));
    // Told to the first process, which init systems still know: it passes it on.
    expect(isAlive(first)).toBe(true);
    const third = await restarted(door);
    await restarted(web1);
    const answers = [];
    for (const stop of knocking) answers.push(await stop());
    expect(answers.map((seen) => Object.keys(seen))).toEqual([
      [expect.stringMatching(/^SSH-2.0-/)],
      [expect.stringMatching(/^SSH-2.0-/)],
      ['HTTP/1.1 200 OK'],
      [expect.stringMatching(/^HTTP\/1.1 [24]0/)],
      ['0 hello'],
    ]);
    for (const session of sessions) session.write('\n');
    expect(await Promise.all(sessions.map(({ ended }) => ended))).toEqual([0, 0]);
    for (const session of sessions) {
      const all = lines(session);
      expect(all.at(-1)).toBe('done');
      expect(all.slice(0, -1)).toEqual(all.slice(0, -1).map((_, index) => String(index + 1)));
    }
    await until('the old processes to end', () => !isAlive(first) && !isAlive(second), 60_000);
    expect(door.pid()).toBe(third);
    expect(daemon.log.filter(({ level }) => level === 'error')).toEqual([]);
    // What the sessions were is on record, though the processes that held them had no auth service any more.
    await until('both on record', async () => {
      const events = JSON.parse(await door.gatectl('audit', 'ls', '--format=json')) as Record<
        string,
        unknown
      >[];
      const of = (type: string) => events.filter(({ event }) => event === type);
      const sids = of('exec').flatMap(({ command, sid }) =>
        String(command).includes('read -t') ? [sid] : [],
      );
      const uploads = of('session.upload').map(({ sid }) => sid);
      return sids.length === 2 && sids.every((sid) => uploads.includes(sid));
    });
  });

  it('refuses: sockets for the programs of users, also in a process that inherited them', async () => {
    const door = await runAll();
    const config = await sshConfig(door);
    const pid = await restarted(door);
    const shell = ssh(config, 'door', 'sleep 30 & echo $!; wait');
    const child = Number(await until('the process', () => /^\d+\n/.exec(shell.said)?.[0]));
    const ofDaemon = new Set(socketsOf(pid));
    expect(ofDaemon.size).toBeGreaterThan(4);
    expect(socketsOf(child).filter((socket) => ofDaemon.has(socket))).toEqual([]);
    process.kill(child);
  });

  it('ok: after USR2 the old process keeps its sessions until TERM', async () => {
    const door = await runAll();
    const config = await sshConfig(door);
    const first = door.pid();
    const session = count(config, 'door');
    await counts(session);
    await restarted(door, 'SIGUSR2');
    session.write('\n');
    expect(await session.ended).toBe(0);
    expect(await knock(door.ports.node)).toMatch(/^SSH-2.0-/);
    expect(isAlive(first)).toBe(true);
    process.kill(first, 'SIGTERM');
    await until('its end', () => !isAlive(first));
    expect(await knock(door.ports.node)).toMatch(/^SSH-2.0-/);
    expect(await door.gatectl('status')).toContain('test.example.com');
  });
});

describe('a graceful restart that fails', () => {
  const FAILED = 'graceful restart: the new process could not take over; this one goes on';

  async function goesOn({ daemon, pid, gatectl }: Running, times: number): Promise<void> {
    await until(
      'the failure',
      () => daemon.log.filter(({ message }) => message === FAILED).length === times,
      60_000,
    );
    await until('the auth service', async () =>
      (await gatectl('status').catch(() => '')).includes('test.example.com'),
    );
    expect(pid()).toBe(daemon.pid);
  }

  it('ok: with a configuration that is wrong, the old process goes on without a break', async () => {
    const door = await runAll();
    const good = readFileSync(door.daemon.configPath, 'utf8');
    writeFileSync(door.daemon.configPath, `${good}no_such_service: {enabled: yes}\n`);
    const stop = keepKnocking(() => knock(door.ports.auth, get('/v1/ping')));
    process.kill(door.daemon.pid, 'SIGHUP');
    await until('the failure', () => door.daemon.log.some(({ message }) => message === FAILED), 60_000);
    expect(Object.keys(await stop())).toEqual([expect.stringMatching(/^HTTP\/1.1 [24]0/)]);
    writeFileSync(door.daemon.configPath, good);
    await goesOn(door, 1);
    await restarted(door);
  });

  it('ok: killed at any point of its start, the old process takes everything back', async () => {
    const door = await runAll();
    const config = await sshConfig(door);
    const session = count(config, 'door');
    await counts(session);
    const first = door.pid();
    const known = new Set(childrenOf(first));
    const successor = (): number | undefined => childrenOf(first).find((pid) => !known.has(pid));
    // As soon as it is there, and as soon as it has the data directory.
    const moments: (() => boolean)[] = [() => true, () => isHolder(door, successor())];
    for (const [index, isTime] of moments.entries()) {
      process.kill(first, 'SIGHUP');
      const pid = await until('the new process', () => isTime() && successor(), 60_000);
      process.kill(pid, 'SIGKILL');
      await goesOn(door, index + 1);
    }
    expect(await knock(door.ports.node)).toMatch(/^SSH-2.0-/);
    await restarted(door);
    session.write('\n');
    expect(await session.ended).toBe(0);
  });

  it('ok: when the process that took over dies while the old one has sessions, another one is started', async () => {
    const door = await runAll();
    const config = await sshConfig(door);
    const session = count(config, 'door');
    await counts(session);
    const second = await restarted(door);
    process.kill(second, 'SIGKILL');
    const third = await until(
      'another process',
      () => {
        const found = door.pid();
        return found !== second && found;
      },
      120_000,
    );
    await until(
      'it to serve',
      async () => /^SSH-2.0-/.test(await knock(door.ports.node).catch(() => '')),
      60_000,
    );
    expect(isAlive(third)).toBe(true);
    session.write('\n');
    expect(await session.ended).toBe(0);
  });
});

function isHolder(door: Running, pid: number | undefined): boolean {
  try {
    return (
      pid !== undefined &&
      readFileSync(join(door.daemon.dataDir, 'daemon.lock'), 'utf8').trim() === String(pid)
    );
  } catch {
    return false;
  }
}

const socketsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)].filter((target) => target.startsWith('socket:'));
    } catch {
      return [];
    }
  });

describe('TERM', () => {
  it('ok: with a drain_timeout, sessions go on to their end and nobody new is let in', async () => {
    const house = await runAll('  drain_timeout: 60s\n');
    const config = await sshConfig(house);
    const session = count(config, 'door');
    await counts(session);
    house.daemon.kill('SIGTERM');
    await house.daemon.logged('stopping when no session is left');
    await until('the door is shut', () =>
      knock(house.ports.web).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    );
    const before = lines(session).length;
    await until('more output', () => lines(session).length > before + 5, 60_000);
    expect(house.daemon.isRunning).toBe(true);
    session.write('\n');
    expect(await session.ended).toBe(0);
    expect(lines(session).at(-1)).toBe('done');
    expect(await house.daemon.ended).toEqual({ code: 0, signal: null });
  });

  it('ok: what does not end is ended with its time', async () => {
    const house = await runAll('  drain_timeout: 1s\n');
    const session = count(await sshConfig(house), 'door');
    await counts(session);
    house.daemon.kill('SIGTERM');
    expect(await house.daemon.ended).toEqual({ code: 0, signal: null });
    expect(await session.ended).not.toBe(0);
  });
});
