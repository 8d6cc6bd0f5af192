// The SSH service with a stock OpenSSH client at the other end: what people type, and what they read when they are
// refused or cut. Needs root (it becomes an account made for the test), openssh-client and xauth.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { knownHostsCertAuthorityLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { makeAccount, programsOf } from '#test/kit/account.ts';
import { freePort } from '#test/kit/openssh.ts';
import { makeTestNode, NODE_ID, type TestNode, type UserKeyOptions } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import type { AgentEvent } from './context.ts';
import { openSessionRuntime, type SessionRuntime } from './session/runtime.ts';
import { sessionServer } from './session/serve.ts';

const ACCOUNT = makeAccount();
const NAME = ACCOUNT.name;
const ALLOW = { logins: [NAME, 'root'], node_labels: { '*': ['*'] } };
const OPTIONS = { forward_agent: true, permit_x11_forwarding: true };
let node: TestNode;
let runtime: SessionRuntime;
let folder: string;
let port: number;
const children: ChildProcess[] = [];
const servers: Server[] = [];

afterAll(() => ACCOUNT.remove());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-openssh-'));
  runtime = openSessionRuntime({ clock: systemClock });
  const events: AgentEvent[] = [];
  const host = {
    clock: systemClock,
    log: silentLog,
    hostId: NODE_ID,
    hostname: 'web-1',
    clusterName: 'test.example.com',
    dataDir: folder,
    labels: () => ({}),
    emit: (event: AgentEvent) => void events.push(event),
  };
  node = makeTestNode(
    {
      host,
      findAccount: (login) => runtime.accounts.find(login),
      prefixOf: (account) => runtime.launcher.prefixOf(account),
      serveSession: sessionServer({ host, runtime, permitUserEnv: false, record: () => undefined }),
      config: {
        allowTcpForwarding: true,
        fileCopy: true,
        x11: { enabled: true, displayOffset: 150, maxDisplays: 50 },
      },
    },
    systemClock,
  );
  node.view.putRole('access', { allow: ALLOW, options: OPTIONS });
  const address = await node.service.listen({ host: '127.0.0.1', port: 0 });
  port = Number(address.split(':')[1]);
  writeFileSync(
    join(folder, 'known_hosts'),
    `${knownHostsCertAuthorityLine([NODE_ID], node.view.hostAuthority.publicKey)}\n`,
  );
  writeKey();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) server.close();
  await node.close();
  runtime.close();
  rmSync(folder, { recursive: true, force: true });
});

function writeKey(about: UserKeyOptions = {}): void {
  const { privateKey, certificate } = node.userKey('joe', { principals: [NAME, 'root'], ...about });
  writeFileSync(join(folder, 'user'), openSshPrivateKey(privateKey).reveal(), { mode: 0o600 });
  const line = sshCertificateLine(parseSshCertificate(certificate ?? new Uint8Array()));
  writeFileSync(join(folder, 'user-cert.pub'), `${line}\n`);
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const options = {
    IdentityFile: join(folder, 'user'),
    CertificateFile: join(folder, 'user-cert.pub'),
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    HostKeyAlias: NODE_ID,
    GlobalKnownHostsFile: 'none',
    UserKnownHostsFile: join(folder, 'known_hosts'),
    StrictHostKeyChecking: 'yes',
    ExitOnForwardFailure: 'yes',
    ForwardX11Trusted: 'yes',
  };
  const child = spawn(
    'ssh',
    ['-F', 'none', '-p', String(port)]
      .concat(Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]))
      .concat(args),
    { env: { PATH: '/usr/bin:/bin', HOME: folder, ...env }, stdio: 'pipe' },
  );
  children.push(child);
  return child;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
async function ended(child: ChildProcess): Promise<Ended> {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (data) => void (out += String(data)));
  child.stderr?.on('data', (data) => void (err += String(data)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, err };
}
const ssh = (...args: readonly string[]): Promise<Ended> => ended(start(args));
const at = `${NAME}@127.0.0.1`;

/** Says hello to whoever connects; `text` is sent first. */
async function startTarget(text = 'hello'): Promise<number> {
  const server = createServer((socket) => socket.end(text));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
const heardAt = (target: number | string): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    const socket = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target);
    socket.on('data', (data) => void (said += String(data)));
    socket.once('end', () => resolve(said)).on('error', reject);
  });
const heardSoon = (target: number | string): Promise<string> =>
  until('the forward', () =>
    heardAt(target).then(
      (said) => said || undefined,
      () => undefined,
    ),
  );

describe('login', () => {
  it('ok: runs as the account', async () => {
    expect(await ssh(at, 'id -un; echo $SSH_CONNECTION')).toMatchObject({
      code: 0,
      out: expect.stringMatching(`^${NAME}\n127.0.0.1 \\d+ 127.0.0.1 ${port}\n$`),
    });
  });

  it('refuses: with words that a person reads, and a denial that an admin can look up', async () => {
    node.view.removeRole('access');
    const { code, err } = await ssh(at, 'true');
    expect(code).toBe(255);
    expect(err).toMatch(/access denied \(denial [0-9a-f-]{36}\)/);
  });

  it('ok: a session that is cut says why, within a second, and its programs end', async () => {
    const child = start([at, 'echo ready; exec sleep 1000']);
    const done = ended(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const began = performance.now();
    node.view.setLocks([{ name: 'l', target: { user: 'joe' }, message: 'call the on-call' }]);
    const { code, err } = await done;
    expect(performance.now() - began).toBeLessThan(1000);
    expect(code).toBe(255);
    expect(err).toContain('call the on-call');
    await until('the program to end', () => programsOf(NAME).length === 0);
  });

  it('ok: an idle session ends with the message of the cluster', async () => {
    node.view.setNetworking({ client_idle_timeout: '1s', client_idle_timeout_message: 'go home' });
    expect((await ssh('-tt', at, 'sleep 1000')).err).toContain('go home');
  });

  it('ok: five sessions on one connection, and no more than max_sessions', async () => {
    node.view.putRole('access', { allow: ALLOW, options: { max_sessions: 5 } });
    const control = ['-o', `ControlPath=${join(folder, 'ctl')}`];
    start([...control, '-M', '-N', at]);
    await until('the master', () => existsSync(join(folder, 'ctl')));
    const five = Array.from({ length: 5 }, () => start([...control, at, 'echo on; exec cat']));
    for (const child of five) await new Promise((resolve) => child.stdout?.once('data', resolve));
    // Without this it would go on to connect by itself.
    const sixth = await ssh(...control, '-o', 'ControlMaster=no', '-o', 'ProxyCommand=false', at, 'true');
    expect(sixth.err).toContain('refused by peer');
    expect(sixth.code).not.toBe(0);
    expect(node.service.counts).toMatchObject({ connections: 1, sessions: 5 });
  });
});

describe('forwards', () => {
  it('ok: -L to a port, -L to a socket, -W', async () => {
    const target = await startTarget();
    const [local, socket] = [await freePort(), join(folder, 'l.sock')];
    start(['-N', '-L', `${local}:127.0.0.1:${target}`, '-L', `${socket}:localhost:${target}`, at]);
    expect(await heardSoon(local)).toBe('hello');
    expect(await heardSoon(socket)).toBe('hello');
    expect((await ssh('-W', `127.0.0.1:${target}`, at)).out).toBe('hello');
  });

  it('ok: -D', async () => {
    const target = await startTarget();
    const socks = await freePort();
    start(['-N', '-D', String(socks), at]);
    await heardSoon(target);
    const said = await until('the proxy', () =>
      socksTo(socks, target).then(
        (text) => text || undefined,
        () => undefined,
      ),
    );
    expect(said).toBe('hello');
  });

  it('ok: -R with a port of the server’s choice, and to a path of the account', async () => {
    const target = await startTarget();
    const child = start(['-N', '-v', '-R', `0:127.0.0.1:${target}`, at]);
    let said = '';
    child.stderr?.on('data', (data) => void (said += String(data)));
    const remote = await until('the port', () => /Allocated port (\d+)/.exec(said)?.[1]);
    expect(await heardSoon(Number(remote))).toBe('hello');
    const path = `/tmp/${NAME}.sock`;
    start(['-N', '-R', `${path}:127.0.0.1:${target}`, at]);
    expect(await heardSoon(path)).toBe('hello');
    expect(statSync(path).uid).toBe(Number(execFileSync('id', ['-u', NAME])));
    for (const one of children) one.kill();
    await until('the path to go', () => !existsSync(path));
  });

  it('refuses: -R to a privileged port, for all but root', async () => {
    const taken = await ssh('-N', '-R', '1023:127.0.0.1:1', at);
    expect(taken.err).toContain('remote port forwarding failed');
  });

  it('refuses: every forward when the roles do not permit it', async () => {
    node.view.putRole('access', { allow: ALLOW, options: { port_forwarding: false } });
    expect((await ssh('-W', '127.0.0.1:1', at)).err).toMatch(/forwarding is not permitted|administratively/);
    expect((await ssh('-N', '-R', '0:127.0.0.1:1', at)).err).toContain('forwarding failed');
  });

  it('ok: -A gives the account, and nobody else, the keys of the client', async () => {
    const agent = execFileSync('ssh-agent', ['-a', join(folder, 'agent.sock')], { encoding: 'utf8' });
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent)?.[1]);
    try {
      const env = { SSH_AUTH_SOCK: join(folder, 'agent.sock') };
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'k'), '-C', 'my-key']);
      execFileSync('ssh-add', ['-q', join(folder, 'k')], { env: { ...env, PATH: '/usr/bin' } });
      const command = 'ssh-add -l; stat -c "%U %a" $SSH_AUTH_SOCK $(dirname $SSH_AUTH_SOCK)';
      const { out } = await ended(start(['-A', at, command], env));
      expect(out).toContain('my-key');
      expect(out).toContain(`${NAME} 600\n${NAME} 700\n`);
      node.view.putRole('access', { allow: ALLOW });
      expect((await ended(start(['-A', at, 'echo "[$SSH_AUTH_SOCK]"'], env))).out).toBe('[]\n');
    } finally {
      process.kill(pid);
    }
  });

  it('ok: -X gives a display whose cookie is in the account’s .Xauthority', async () => {
    // Stands for the X server of the client: says who it is to whoever connects.
    const display = await new Promise<number>((resolve) => {
      const server = createServer((socket) => {
        socket.on('error', () => {}).once('data', () => socket.end('X server'));
      });
      servers.push(server);
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port - 6000));
    });
    execFileSync('xauth', [
      '-f',
      join(folder, '.Xauthority'),
      'add',
      `127.0.0.1:${display}`,
      '.',
      'ab'.repeat(16),
    ]);
    const env = { DISPLAY: `127.0.0.1:${display}.0`, XAUTHORITY: join(folder, '.Xauthority') };
    const command = 'echo $DISPLAY; xauth -q list; sleep 5';
    const child = start(['-X', at, command], env);
    let out = '';
    child.stdout?.on('data', (data) => void (out += String(data)));
    const listed = /^localhost:(\d+)\.0\n[^\n]*:\1 +MIT-MAGIC-COOKIE-1 +([0-9a-f]{32})\n/m;
    const [, number, cookie = ''] = await until('the display', () => listed.exec(out) ?? undefined);
    expect(cookie).not.toBe('ab'.repeat(16));
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect(6000 + Number(number), '127.0.0.1');
      socket.once('data', (data) => resolve(String(data))).on('error', reject);
      socket.write(x11Hello(Buffer.from(cookie, 'hex')));
    });
    expect(said).toBe('X server');
    child.kill();
  });
});

/** SOCKS 5 without authentication to 127.0.0.1. */
function socksTo(socks: number, target: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socks, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    socket.once('error', reject);
    socket.write(Buffer.from([5, 1, 0]));
    socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, target >> 8, target & 255]));
    socket.on('data', (data) => void (bytes = Buffer.concat([bytes, data])));
    socket.once('end', () => resolve(bytes.subarray(12).toString()));
  });
}

/** What an X program says first. */
function x11Hello(cookie: Buffer): Buffer {
  const name = 'MIT-MAGIC-COOKIE-1';
  const head = Buffer.from([0x6c, 0, 11, 0, 0, 0, name.length, 0, cookie.length, 0, 0, 0]);
  return Buffer.concat([head, Buffer.from(`${name}\0\0`), cookie]);
}
