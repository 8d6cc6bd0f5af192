// `gate ssh`, `scp`, `sftp`, `join` and `play` as people use them: real processes, a real cluster, a terminal that is typed
// into. Needs root, for the account that is logged in to.
import { spawn as spawnTerminal, type IPty } from '@lydell/node-pty';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeAccount, type TestAccount } from '#test/kit/account.ts';
import { NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { freePort, type Ran } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

const GATE = fileURLToPath(new URL('../../../bin/gate', import.meta.url));
const MIB = 1024 ** 2;
let account: TestAccount;
let cluster: TestCluster;
let joe: Person;
let folder: string;
let where: string;
const typed: Typed[] = [];

beforeAll(async () => {
  account = makeAccount();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-gate-ssh-'));
  cluster = await startCluster();
  joe = await cluster.person('joe', ['access'], [account.name]);
  where = `${account.name}@${NODE}`;
});
afterEach(() => {
  for (const one of typed.splice(0)) one.end();
});
afterAll(async () => {
  await cluster.stop();
  account.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** As runProgram, with an input. */
async function gate(args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const child = spawn(GATE, args, {
    env: { ...process.env, HOME: joe.home, LANG: 'C.UTF-8' },
    stdio: 'pipe',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString('latin1')));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

/** `gate` on a terminal. */
class Typed {
  readonly #pty: IPty;
  screen = '';
  code: number | undefined;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const all = { ...process.env, HOME: joe.home, TERM: 'xterm', LANG: 'C.UTF-8', ...env };
    this.#pty = spawnTerminal(GATE, [...args], { cols: 100, rows: 30, env: all });
    this.#pty.onData((text) => (this.screen += text));
    this.#pty.onExit(({ exitCode }) => (this.code = exitCode));
    typed.push(this);
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
  }

  async shows(text: string | RegExp): Promise<void> {
    await until(`${String(text)} in ${JSON.stringify(this.screen)}`, () =>
      typeof text === 'string' ? this.screen.includes(text) : text.test(this.screen),
    );
  }

  async ended(): Promise<number> {
    await until('the end', () => this.code !== undefined);
    return this.code ?? -1;
  }

  end(): void {
    if (this.code === undefined) this.#pty.kill('SIGKILL');
  }
}

/** A shell that answers: what is typed before it reads is lost to its first prompt. */
async function shell(): Promise<Typed> {
  const terminal = new Typed(['ssh', where]);
  await terminal.shows('$');
  return terminal;
}

describe('commands', () => {
  test('ok: output, errors, input and exit code', async () => {
    const ran = await gate(['ssh', where, 'cat; id -un; echo err >&2; exit 7'], 'input\n');
    expect(ran).toEqual({ code: 7, stdout: `input\n${account.name}\n`, stderr: 'err\n' });
  });

  test('ok: by labels, by address and by id, with the words as they are', async () => {
    const byLabels = await gate([
      'ssh',
      `${account.name}@env=test,team=core`,
      'printf',
      "'%s|'",
      '-a',
      '--help',
    ]);
    expect(byLabels).toMatchObject({ code: 0, stdout: `[${NODE}] -a|--help|\n` });
    const { stdout } = await joe.gate('ls', '-f', 'json');
    const [node] = JSON.parse(stdout) as { metadata: { name: string }; spec: { addr: string } }[];
    for (const host of [node?.metadata.name ?? '', '127.0.0.1', `${NODE}.test.example.com`])
      expect(await gate(['ssh', '-l', account.name, host, 'echo', 'here'])).toMatchObject({
        code: 0,
        stdout: 'here\n',
      });
  });

  test('ok: signals, ends of readers, and a terminal when it is wanted', async () => {
    expect((await gate(['ssh', where, 'kill -KILL $$'])).code).toBe(137);
    expect((await gate(['ssh', '-tt', where, 'tty'])).stdout).toMatch(/^\/dev\/pts\/\d+\r\n$/);
    expect((await gate(['ssh', '-T', where, 'tty'])).stdout).toBe('not a tty\n');
  });

  test('ok: much in both directions is the same', async () => {
    const bytes = randomBytes(20 * MIB);
    const { stdout, code } = await gate(['ssh', where, 'cat'], bytes);
    expect([code, sha(Buffer.from(stdout, 'latin1'))]).toEqual([0, sha(bytes)]);
  });

  test.each<[string, () => string[], number, RegExp]>([
    ['a server that is not there', () => ['ssh', 'root@nope', 'id'], 255, /no such server/],
    [
      'an account that is not ours',
      () => ['ssh', `daemon@${NODE}`, 'id'],
      255,
      /access denied \(denial [0-9a-f-]{36}\)/,
    ],
    ['labels that nothing has', () => ['ssh', 'root@env=nope', 'id'], 255, /no server that you may use/],
    [
      'a line that is not understood',
      () => ['ssh', '-o', 'StrictHostKeyChecking=no', where],
      2,
      /always checked/,
    ],
  ])('refuses: %s', async (_, args, code, message) => {
    const ran = await gate(args());
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toMatch(message);
  });

  test('refuses: without a login, saying how to get one', async () => {
    const home = join(folder, 'nobody');
    const child = spawn(GATE, ['ssh', where, 'id'], { env: { PATH: process.env['PATH'] ?? '', HOME: home } });
    let stderr = '';
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, stderr]).toEqual([255, expect.stringContaining('gate login')]);
  });
});

describe('terminals', () => {
  test('ok: a shell with the size of the window, which follows it, and its exit code', async () => {
    const terminal = await shell();
    terminal.type('stty size; echo "TERM is $TERM"\r');
    await terminal.shows('30 100');
    await terminal.shows('TERM is xterm\r\n');
    terminal.resize(120, 40);
    await until('the new size', async () => {
      terminal.type('stty size\r');
      await terminal.shows(/\d+ \d+/);
      return terminal.screen.includes('40 120');
    });
    terminal.type('exit 5\r');
    expect(await terminal.ended()).toBe(5);
  });

  test('ok: Ctrl-C is for the program there', async () => {
    const terminal = await shell();
    terminal.type('sleep 600\r');
    await terminal.shows('sleep 600\r\n');
    terminal.type('\u0003');
    terminal.type('echo "still $((20 + 3))"\r');
    await terminal.shows('still 23');
    terminal.type('exit\r');
    await terminal.ended();
  });

  test('ok: ~. ends it whatever the program does', async () => {
    const terminal = await shell();
    terminal.type('trap "" HUP INT TERM; sleep 600\r');
    await terminal.shows('sleep 600\r\n');
    terminal.type('\r~.');
    expect(await terminal.ended()).toBe(255);
  });

  test('ok: the terminal is afterwards as before, also when the cluster is cut off', async () => {
    const script = `stty -a > ${folder}/before; ${GATE} ssh ${where}; stty -a > ${folder}/after; echo all-over`;
    const pty = spawnTerminal('/bin/sh', ['-c', script], {
      cols: 80,
      rows: 24,
      env: { ...process.env, HOME: joe.home },
    });
    let screen = '';
    pty.onData((text) => (screen += text));
    await until('the prompt', () => screen.includes('$'));
    pty.write('kill -KILL $$\r');
    await until('the end', () => screen.includes('all-over'));
    expect(readFileSync(join(folder, 'after'), 'utf8')).toBe(readFileSync(join(folder, 'before'), 'utf8'));
  });

  test('ok: asks to log in first, when somebody is there to answer', async () => {
    const home = mkdtempSync(join(folder, 'fresh-'));
    const flags = [`--proxy=${cluster.web}`, '--user=joe'];
    const terminal = new Typed([...flags, 'ssh', where, 'echo', 'logged-in'], { HOME: home });
    await terminal.shows(/sha256:[0-9a-f]{64}/);
    terminal.type('yes\r');
    await terminal.shows(/Password of joe/);
    terminal.type(`${joe.password}\r`);
    await terminal.shows('logged-in');
    expect(await terminal.ended()).toBe(0);
  });
});

describe('forwards', () => {
  test('ok: -L, -R and -D while -N waits', async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const target = (echo.address() as AddressInfo).port;
    const [local, remote, socks] = [await freePort(), await freePort(), await freePort()];
    const args = ['ssh', '-N', '-L', `${local}:127.0.0.1:${target}`, '-D', String(socks)];
    const child = spawn(GATE, [...args, '-R', `127.0.0.1:${remote}:127.0.0.1:${target}`, where], {
      env: { ...process.env, HOME: joe.home },
      stdio: 'ignore',
    });
    try {
      expect(await echoed(local, 'local')).toBe('local');
      expect(await echoed(remote, 'remote')).toBe('remote');
      const ask = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, target >> 8, target & 255]);
      expect((await echoed(socks, Buffer.concat([ask, Buffer.from('socks')]))).slice(-5)).toBe('socks');
    } finally {
      child.kill();
      echo.close();
    }
  });
});

/** Tries until somebody listens. */
async function echoed(port: number, text: string | Buffer): Promise<string> {
  return until(`an answer at ${port}`, async () => {
    let got = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.on('data', (part: Buffer) => (got += part.toString('latin1')));
    socket.end(text);
    await new Promise((resolve) => socket.once('close', resolve));
    return got === '' ? undefined : got;
  });
}

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('files', () => {
  test('ok: 100 MB there and back are the same', async () => {
    const source = join(folder, 'big');
    writeFileSync(source, randomBytes(100 * MIB));
    expect(await gate(['scp', source, `${where}:big`])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(sha(readFileSync(join(account.home, 'big')))).toBe(sha(readFileSync(source)));
    expect((await gate(['scp', '-p', `${where}:~/big`, join(folder, 'back')])).code).toBe(0);
    expect(sha(readFileSync(join(folder, 'back')))).toBe(sha(readFileSync(source)));
  });

  test('refuses: what is not there, what is not permitted; the rest is copied', async () => {
    writeFileSync(join(account.home, 'fine'), 'fine');
    const ran = await gate(['scp', `${where}:nope`, `${where}:/etc/shadow`, `${where}:fine`, folder]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toBe('nope: no such file on the server\n/etc/shadow: the server does not permit it\n');
    expect([existsSync(join(folder, 'shadow')), readFileSync(join(folder, 'fine'), 'utf8')]).toEqual([
      false,
      'fine',
    ]);
    expect((await gate(['scp', '-P', '1', `${where}:fine`, folder])).code).toBe(255);
  });

  test('ok: a list of commands for sftp, and on a terminal', async () => {
    const batch = `mkdir d\ncd d\nput ${join(folder, 'fine')} "a b"\nls -l\n-rm nope\npwd\n`;
    const ran = await gate(['sftp', where], batch);
    expect([ran.code, ran.stdout]).toEqual([0, expect.stringMatching(/^-rw.* a b\n.*\/d\n$/)]);
    expect(await gate(['sftp', where], 'rm nope\nls\n')).toMatchObject({ code: 1, stdout: '' });
    const terminal = new Typed(['sftp', where]);
    await terminal.shows('sftp> ');
    terminal.type('ls d\r');
    await terminal.shows('a b');
    terminal.type('bye\r');
    expect(await terminal.ended()).toBe(0);
  });
});

describe('sessions of others, and past ones', () => {
  test('ok: is listed, joined, left, ended, and played', async () => {
    const owner = await shell();
    const session = await until('the session in the list', async () => {
      const { stdout } = await joe.gate('sessions', 'ls', '-f', 'json');
      const all = JSON.parse(stdout) as { metadata: { name: string }; spec: { login: string } }[];
      return all.find(({ spec }) => spec.login === account.name)?.metadata.name;
    });
    const peer = new Typed(['join', session, '--mode=peer']);
    await peer.shows('joined as peer');
    await owner.shows('joined as peer');
    peer.type('echo "seen by $((1 + 1))"\r');
    await owner.shows('seen by 2');
    await peer.shows('seen by 2');
    peer.type('\r~.');
    expect(await peer.ended()).toBe(255);
    await owner.shows('joe left');
    const observer = new Typed(['join', session]);
    await observer.shows('joined as observer');
    observer.type('\u0003');
    expect(await observer.ended()).toBe(0);
    owner.type('exit\r');
    await owner.ended();
    await until('the recording', async () =>
      (await joe.gate('recordings', 'ls', '-f', 'json')).stdout.includes(session),
    );
    await until('all of it', async () =>
      (
        JSON.parse((await joe.gate('recordings', 'ls', '-f', 'json')).stdout) as {
          sid: string;
          status: string;
        }[]
      ).some(({ sid, status }) => sid === session && status === 'closed'),
    );
    expect((await joe.gate('play', session)).stdout).toContain('seen by 2\n');
    const file = join(folder, 'session.json');
    expect((await joe.gate('recordings', 'export', session, '--as=json', `--out=${file}`)).code).toBe(0);
    expect((await joe.gate('play', file, '-f', 'text')).stdout).toContain('seen by 2\n');
    const player = new Typed(['play', session, '--speed=100', '--skip-idle']);
    await player.shows('seen by 2');
    expect(await player.ended()).toBe(0);
    expect(player.screen).toContain('\u001b[?25h');
  });

  test('refuses: sessions and recordings that are not there', async () => {
    const none = '4c146ec8-eab6-41e6-b1b3-40167e68e931';
    expect(await gate(['join', none])).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('no such session'),
    });
    expect((await joe.gate('play', none)).code).toBe(1);
    expect((await joe.gate('play', join(folder, 'nope'))).stderr).toContain('no such file');
  });
});
