// The matrix of OpenSSH: every way to a node, every kind of credential, and what people do with a connection. Named by
// client and credential. Needs root, to make the account that is logged in to.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { must, NODE } from '#test/kit/cluster.ts';
import { freePort } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { BEHIND_NAT, openSshHouse, WAYS, type SshHouse } from './house.ts';

let house: SshHouse;
const children: ChildProcess[] = [];
const servers: Server[] = [];
const HOSTS = [`direct.${NODE}`, ...WAYS.flatMap((way) => [`${way}.${NODE}`, `${way}.${BEHIND_NAT}`])];
const FAR = `jump.${BEHIND_NAT}`;

beforeAll(async () => {
  house = await openSshHouse();
}, 120_000);
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => house.stop());

/** A program that goes on, such as `ssh -N`; ended with the test. */
function start(...words: readonly string[]): ChildProcess {
  const env = { ...process.env, HOME: house.alice.home };
  const child = spawn('ssh', ['-F', house.config, ...words], { env, stdio: 'ignore' });
  children.push(child);
  return child;
}

/** A server on loopback that says one line to all. */
async function greeter(): Promise<number> {
  const server = createServer((socket) => void socket.on('error', () => {}).end('hello from afar\n'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const curl = (...words: readonly string[]) =>
  house.run('curl', ['-s', '--http0.9', '--max-time', '20', ...words]);

describe('OpenSSH, certificate in a file, by', () => {
  it.each(HOSTS)('ok: %s: ssh runs a command, with its input, both outputs and exit code', async (host) => {
    const input = 'line\n'.repeat(50_000);
    const ran = await house.run('ssh', ['-F', house.config, host, 'id -un; wc -c; echo no >&2; exit 3'], {
      input,
    });
    expect(ran).toEqual({ code: 3, stdout: `${house.account.name}\n250000\n`, stderr: 'no\n' });
  });

  it.each(HOSTS)('ok: %s: scp by SFTP and by its old protocol, and sftp, there and back', async (host) => {
    const data = Buffer.alloc(3_000_000, `${host} 0123456789 `);
    const [there, back] = [house.path('there'), house.path('back')];
    writeFileSync(there, data);
    for (const flags of [[], ['-O']]) {
      const scp = async (...words: readonly string[]) =>
        must(await house.run('scp', ['-q', '-p', '-F', house.config, ...flags, ...words]));
      await scp(there, `${host}:sent`);
      await scp(`${host}:sent`, back);
      expect(readFileSync(back).equals(data)).toBe(true);
    }
    const batch = `put ${there} by-sftp\nrename by-sftp renamed\nget renamed ${back}\nrm renamed sent\n`;
    must(await house.run('sftp', ['-q', '-b', '-', '-F', house.config, host], { input: batch }));
    expect(readFileSync(back).equals(data)).toBe(true);
  });

  it.each([`direct.${NODE}`, FAR])('ok: %s: scp -r of a folder, both protocols', async (host) => {
    for (const flags of [[], ['-O']]) {
      const name = `tree${flags.join('')}`;
      mkdirSync(house.path(`${name}/deep`), { recursive: true });
      writeFileSync(house.path(`${name}/deep/file with blank`), 'x');
      const scp = async (...words: readonly string[]) =>
        must(await house.run('scp', ['-q', '-r', '-F', house.config, ...flags, ...words]));
      await scp(house.path(name), `${host}:${name}`);
      await scp(`${host}:${name}`, house.path(`${name}-back`));
      expect(readFileSync(house.path(`${name}-back/deep/file with blank`), 'utf8')).toBe('x');
    }
  });
});

describe('OpenSSH, other credentials', () => {
  it.each(['ed25519', 'ecdsa-p256', 'rsa-2048'] as const)(
    'ok: a %s key with a certificate, in a file and in an agent alone',
    async (type) => {
      const key = await house.credential(type);
      const config = house.configWith(key);
      for (const host of [`direct.${NODE}`, FAR]) {
        expect(must(await house.run('ssh', ['-F', config, host, 'echo in']))).toBe('in\n');
      }
      const socket = await startAgent(key);
      // A list of its own: `IdentityFile` of the configuration has alice's other certificate.
      const agentOnly = house.path(`agent-${type}.config`);
      const text = readFileSync(house.config, 'utf8').replaceAll(house.config, agentOnly);
      writeFileSync(
        agentOnly,
        text
          .replace(/^ +IdentityFile .*\n/m, '  IdentityFile none\n')
          .replace('IdentitiesOnly yes', 'IdentitiesOnly no')
          .replace(/^ +IdentityAgent .*/m, `  IdentityAgent ${socket}`),
      );
      for (const host of [`direct.${NODE}`, FAR, `subsystem.${NODE}`]) {
        const ran = await house.run('ssh', ['-F', agentOnly, host, 'echo by agent']);
        expect(ran).toEqual({ code: 0, stdout: 'by agent\n', stderr: '' });
      }
    },
  );
});

/** An ssh-agent with this key and its certificate, and no file left; ended with the test. */
async function startAgent(key: string): Promise<string> {
  const socket = `${key}.sock`;
  children.push(spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' }));
  await until('the agent listens', () => existsSync(socket));
  must(await house.run('ssh-add', ['-q', key], { env: { SSH_AUTH_SOCK: socket } }));
  return socket;
}

describe.each([`direct.${NODE}`, FAR, `gate.${BEHIND_NAT}`])('OpenSSH, to %s', (host) => {
  it('ok: a terminal, of the size and kind that was asked for', async () => {
    const typed = 'stty size; echo $TERM; tty | cut -c1-9; exit 4\n';
    const ran = await house.run(
      'script',
      ['-qec', `stty rows 33 cols 101; ssh -F ${house.config} ${host}`, '/dev/null'],
      { input: typed, env: { TERM: 'vt100' } },
    );
    expect(ran.code).toBe(4);
    expect(ran.stdout).toMatch(/33 101\r\n(.*\r\n)*.*vt100\r\n(.*\r\n)*.*\/dev\/pts/);
  });

  it('ok: ControlMaster: many sessions on one connection', async () => {
    const path = join(house.cluster.daemon.folder, 'm');
    start('-N', '-o', 'ControlMaster=yes', '-o', `ControlPath=${path}`, host);
    await until('the master is there', () => existsSync(path));
    const words = Array.from({ length: 8 }, (_, i) => `word ${i}`);
    const ran = await Promise.all(
      words.map((word) => house.ssh('-o', `ControlPath=${path}`, host, `echo ${word}`)),
    );
    expect(ran.map(({ stdout }) => stdout.trim())).toEqual(words);
    must(await house.ssh('-o', `ControlPath=${path}`, '-O', 'exit', host));
  });

  it('ok: -L, -D and -W reach what the node reaches', async () => {
    const [port, local, socks] = [await greeter(), await freePort(), await freePort()];
    start('-N', '-L', `${local}:127.0.0.1:${port}`, '-D', String(socks), host);
    await until('the forward works', async () =>
      (await curl(`127.0.0.1:${local}`)).stdout.includes('hello from afar'),
    );
    expect(must(await curl('--socks5-hostname', `127.0.0.1:${socks}`, `127.0.0.1:${port}`))).toBe(
      'hello from afar\n',
    );
    expect(must(await house.ssh('-W', `127.0.0.1:${port}`, host))).toBe('hello from afar\n');
  });

  it('ok: -R: a port and a socket of the node lead here', async () => {
    const [port, remote] = [await greeter(), await freePort()];
    start('-N', '-R', `${remote}:127.0.0.1:${port}`, host);
    await until('the forward works', async () =>
      (await curl(`127.0.0.1:${remote}`)).stdout.includes('hello from afar'),
    );
    const socket = `/tmp/gatehouse-${remote}.sock`;
    start('-N', '-R', `${socket}:127.0.0.1:${port}`, host);
    await until('the socket works', async () =>
      (await curl('--unix-socket', socket, 'x')).stdout.includes('hello from afar'),
    );
  });

  it('ok: -A: the agent of here signs there', async () => {
    const socket = await startAgent(house.alice.key);
    // Not `none`, as the configuration has it: that agent would be forwarded.
    const agent = ['-A', '-o', `IdentityAgent=${socket}`];
    const ran = await house.ssh(
      ...agent,
      host,
      'ssh-add -L | grep -v cert > k.pub && ssh-add -T k.pub && echo signed',
    );
    expect(ran).toEqual({ code: 0, stdout: 'signed\n', stderr: '' });
  });

  it('ok: -Y: a display there, with its cookie', async () => {
    const ran = await house.run(
      'ssh',
      ['-F', house.config, '-Y', host, 'echo $DISPLAY; xauth list $DISPLAY'],
      {
        env: { DISPLAY: '127.0.0.1:77' },
      },
    );
    expect(ran.stdout).toMatch(/^(localhost|127\.0\.0\.1):\d+\.0\n.*MIT-MAGIC-COOKIE-1 +[0-9a-f]{32}\n$/);
  });
});
