// Sessions of real accounts with stock OpenSSH clients at the other end: as root, which becomes an account made for the
// test, and without root. Needs root, openssh-client, openssh-server (its sftp-server) and passwd.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { programsOf } from '#test/kit/account.ts';
import { until } from '#test/kit/until.ts';
import {
  runProgram,
  startSessionHost,
  type SessionHost,
  type SessionHostOptions,
} from '#test/kit/session-host.ts';

const NAME = `ghs${process.pid % 100_000}`;
const OTHER = `gho${process.pid % 100_000}`;
const GROUP = `ghg${process.pid % 100_000}`;
const HOME = `/home/${NAME}`;
const LATER_GUARD_MS = 15_000;

let folder: string;
const hosts: SessionHost[] = [];
const children: ChildProcess[] = [];

beforeAll(() => {
  execFileSync('groupadd', [GROUP]);
  execFileSync('useradd', ['--create-home', '--shell', '/bin/bash', '--groups', GROUP, NAME]);
  execFileSync('useradd', ['--create-home', '--shell', '/bin/sh', OTHER]);
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-sessions-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const host of hosts.splice(0)) await host.close();
});
afterAll(async () => {
  for (const name of [NAME, OTHER]) {
    // Those that were hung up just now are on their way out, and an account in use is not removed.
    await until(`the end of what ${name} runs`, () => programsOf(name).length === 0, LATER_GUARD_MS);
    execFileSync('userdel', ['--force', '--remove', name], { stdio: 'ignore' });
  }
  execFileSync('groupdel', [GROUP]);
  rmSync(folder, { recursive: true, force: true });
});

async function start(about: Partial<SessionHostOptions> = {}): Promise<SessionHost> {
  const own = mkdtempSync(join(folder, 'host-'));
  const host = await startSessionHost({ folder: own, logins: [NAME, OTHER, 'root'], ...about });
  hosts.push(host);
  return host;
}
/** Starts `ssh` and leaves it running. */
function background(host: SessionHost, login: string, args: readonly string[]): ChildProcess {
  const options = [...host.files.clientOptions(host.port), ...args.slice(0, -1)];
  const child = spawn('ssh', [...options, `${login}@127.0.0.1`, args.at(-1) ?? ''], { stdio: 'pipe' });
  child.stdin?.on('error', () => {});
  children.push(child);
  return child;
}
const firstLine = async (child: ChildProcess): Promise<string> => {
  for await (const line of createInterface({ input: child.stdout! })) return line.trim();
  return '';
};

describe('who a command runs as', () => {
  it('ok: the account, with its groups, its home, its umask and nothing of the agent', async () => {
    const host = await start();
    const { stdout, code } = await host.ssh(NAME, [
      'id -un; id -Gn; pwd; umask; echo $HOME $USER $LOGNAME $SHELL; readlink /proc/self/fd/* | tr "\\n" " "; echo; grep -E "^(CapEff|SigIgn)" /proc/self/status',
    ]);
    const [user, groups, home, umask, variables, files, ...status] = stdout.trim().split('\n');
    expect(code).toBe(0);
    expect([user, home, umask]).toEqual([NAME, HOME, '0022']);
    expect(groups?.split(' ').sort()).toEqual([NAME, GROUP].sort());
    expect(variables).toBe(`${HOME} ${NAME} ${NAME} /bin/bash`);
    expect(files).toMatch(/^pipe:\S+ pipe:\S+ pipe:\S+ /);
    expect(files).not.toMatch(/socket|ptmx|pts|anon_inode/);
    const [ignored, capabilities] = status.map((line) => BigInt(`0x${line.split('\t')[1]}`));
    // Whatever this test itself was started with, except for the two signals that the C library keeps for itself.
    expect((ignored ?? 1n) & ~0x1_8000_0000n).toBe(0n);
    expect(capabilities).toBe(0n);
  });

  it('ok: a login shell in a terminal of its own', async () => {
    const host = await start();
    const { stdout } = await host.ssh(
      NAME,
      ['-tt'],
      'shopt -q login_shell && echo is-login; stat -c "%U %G %a" $(tty); ps -o tty= -p $$; echo $SSH_TTY; exit 5\n',
    );
    expect(stdout).toContain('is-login\r\n');
    expect(stdout).toContain(`${NAME} tty 620\r\n`);
    expect(stdout).toMatch(/\r\n\/dev\/pts\/\d+\r\n/);
    expect(host.runtime.terminals.count).toBe(0);
  });

  it('ok: exit codes, signals, standard input and both outputs', async () => {
    const host = await start();
    expect((await host.ssh(NAME, ['exit 42'])).code).toBe(42);
    expect((await host.ssh(NAME, ['kill -9 $$'])).code).toBe(255);
    const both = await host.ssh(NAME, ['cat; echo err >&2'], 'a\0b\r\n');
    expect(both).toMatchObject({ code: 0, stdout: 'a\0b\r\n', stderr: 'err\n' });
  });

  it('ok: scripts from the input, by every name that programs have for it', async () => {
    const host = await start();
    for (const command of ['bash -s', 'bash /dev/stdin', 'bash /proc/self/fd/0', 'sh']) {
      const { stdout } = await host.ssh(NAME, [command], 'echo from $0 | head -c 4 > /dev/stdout; id -un');
      expect(stdout, command).toBe(`from${NAME}\n`);
    }
    expect((await host.ssh(NAME, ['echo to errors | tee /dev/stderr'])).stderr).toBe('to errors\n');
  });

  it('ok: a command of 100,000 characters', async () => {
    const host = await start();
    const { stdout } = await host.ssh(NAME, [`echo ${'x'.repeat(100_000)} | wc -c`]);
    expect(stdout.trim()).toBe('100001');
  });

  it('ok: ten sessions at once over one connection', async () => {
    const host = await start();
    const socket = join(host.files.folder, 'mux');
    const master = background(host, NAME, ['-M', '-S', socket, 'echo up; sleep 60']);
    expect(await firstLine(master)).toBe('up');
    const results = await Promise.all(
      Array.from({ length: 9 }, (_, index) =>
        runProgram('ssh', ['-F', 'none', '-S', socket, 'x', `seq 1 2000 | tail -1; exit ${index}`]),
      ),
    );
    expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(
      results.map((_, index) => [index, '2000\n']),
    );
  });
});

describe('accounts', () => {
  it('refuses: one that is not there, by name and by number', async () => {
    const host = await start({ logins: ['nosuchuser', '0', NAME] });
    for (const login of ['nosuchuser', '0']) {
      const { code, stderr } = await host.ssh(login, ['id']);
      expect([code, stderr.trim()]).toEqual([254, `there is no account "${login}" on this server`]);
    }
  });
  it('refuses: one that has expired, and one whose shell lets nobody in, SFTP included', async () => {
    const host = await start();
    execFileSync('usermod', ['--shell', '/usr/sbin/nologin', OTHER]);
    const shell = await host.ssh(OTHER, ['-tt'], '');
    expect(shell.stdout).toContain('not available');
    const sftp = await host.run('sftp', ['-b', '-', `${OTHER}@127.0.0.1`], 'pwd\n');
    expect(sftp.code).not.toBe(0);
    execFileSync('usermod', ['--shell', '/bin/sh', '--expiredate', '1', OTHER]);
    const later = await start();
    // What was asked of the name service is kept for some seconds, in each runtime.
    expect((await later.ssh(OTHER, ['id'])).stderr).toContain('has expired');
    execFileSync('usermod', ['--expiredate', '', OTHER]);
  });
  it('ok: without a home it is told, and starts in /', async () => {
    const host = await start();
    execFileSync('usermod', ['--home', '/home/nowhere-at-all', OTHER]);
    const { stdout, stderr } = await host.ssh(OTHER, ['pwd']);
    expect([stdout, stderr]).toEqual([
      '/\n',
      'Could not chdir to home directory /home/nowhere-at-all: No such file or directory\n',
    ]);
    execFileSync('usermod', ['--home', `/home/${OTHER}`, OTHER]);
  });
});

describe('environment', () => {
  it('S22 ok: the language of the client, and nothing else of it', async () => {
    const host = await start();
    const { stdout } = await host.ssh(NAME, [
      '-oSetEnv=LC_TIME=de_DE.UTF-8 LD_PRELOAD=/tmp/evil.so BASH_ENV=/tmp/evil PATH=/tmp FOO=x',
      'echo "$LC_TIME|$LD_PRELOAD|$BASH_ENV|$FOO"; echo $PATH; echo $SSH_CONNECTION',
    ]);
    const [language, path, connection] = stdout.split('\n');
    expect(language).toBe('de_DE.UTF-8|||');
    expect(path).not.toContain('/tmp');
    expect(connection).toMatch(/^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+$/);
  });

  it('S22 S28 ok: ~/.ssh/environment only when permitted, with the rights of its owner, and no loaders', async () => {
    mkdirSync(join(HOME, '.ssh'), { recursive: true });
    const file = join(HOME, '.ssh/environment');
    writeFileSync(file, 'MINE=yes\nLD_PRELOAD=/tmp/evil.so\nPATH=/opt/mine:/usr/bin:/bin\n');
    const command = 'echo "$MINE|$LD_PRELOAD|$PATH"';
    const off = await start();
    expect((await off.ssh(NAME, [command])).stdout).toMatch(/^\|\|/);
    const on = await start({ parts: { permitUserEnv: true } });
    expect((await on.ssh(NAME, [command])).stdout).toBe('yes||/opt/mine:/usr/bin:/bin\n');
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'MINE=stolen\n', { mode: 0o600 });
    rmSync(file);
    symlinkSync(secret, file);
    expect((await on.ssh(NAME, [command])).stdout).toMatch(/^\|/);
    rmSync(file);
    // A pipe that nobody writes into must not keep the person waiting for ever.
    execFileSync('mkfifo', [file]);
    chownSync(file, statSync(HOME).uid, statSync(HOME).gid);
    expect((await on.ssh(NAME, [command])).code).toBe(0);
    rmSync(file);
  });

  it('ok: the socket of a forwarded agent', async () => {
    const host = await start({ forwards: { openAgent: () => Promise.resolve('/run/agent.sock') } });
    const agent = execFileSync('ssh-agent', ['-s']).toString();
    const [, socket = '', , pid = ''] = /SSH_AUTH_SOCK=([^;]+)(.|\n)*SSH_AGENT_PID=(\d+)/.exec(agent) ?? [];
    try {
      const options = host.files.clientOptions(host.port, `-oIdentityAgent=${socket}`, '-A');
      const { stdout } = await runProgram('ssh', [...options, `${NAME}@127.0.0.1`, 'echo $SSH_AUTH_SOCK']);
      expect(stdout).toBe('/run/agent.sock\n');
    } finally {
      process.kill(Number(pid));
    }
  });
});

describe('files', () => {
  const put = async (host: SessionHost, args: readonly string[], from: string, to: string) =>
    await host.run('scp', [...args, from, `${NAME}@127.0.0.1:${to}`]);

  it.each([
    ['SFTP', []],
    ['the old scp', ['-O']],
  ])('ok: scp by %s, both ways, owned by the account, on record', async (how, args) => {
    const host = await start();
    const [from, back] = [join(host.files.folder, 'from'), join(host.files.folder, 'back')];
    writeFileSync(from, Buffer.alloc(3_000_000, 'contents '));
    expect(await put(host, args, from, 'target.bin')).toMatchObject({ code: 0 });
    const target = join(HOME, 'target.bin');
    expect(statSync(target).uid).toBe(statSync(HOME).uid);
    expect(await host.run('scp', [...args, `${NAME}@127.0.0.1:target.bin`, back])).toMatchObject({ code: 0 });
    expect(readFileSync(back).equals(readFileSync(from))).toBe(true);
    const isOld = how !== 'SFTP';
    const told = host.eventsOf(isOld ? 'scp' : 'sftp').filter(({ action }) => action !== 'setstat');
    expect(told.map(({ action, success }) => [action, success])).toEqual([
      ['write', true],
      ['read', true],
    ]);
    expect(told[0]).toMatchObject(isOld ? { len: 3_000_000, path: 'target.bin' } : { rx: 3_000_000 });
    expect(told[1]).toMatchObject(isOld ? { len: 3_000_000 } : { tx: 3_000_000 });
    expect(host.eventsOf('exec')).toHaveLength(2);
    rmSync(target);
  });

  it('S26 refuses: files that the account may not touch, by any protocol', async () => {
    const host = await start();
    const own = join(host.files.folder, 'x');
    writeFileSync(own, 'x');
    for (const args of [[], ['-O']]) {
      expect((await put(host, args, own, '/etc/gatehouse-must-not-be')).code).not.toBe(0);
      expect((await host.run('scp', [...args, `${NAME}@127.0.0.1:/etc/shadow`, `${own}2`])).code).not.toBe(0);
    }
    expect(existsSync('/etc/gatehouse-must-not-be')).toBe(false);
    expect(
      host.eventsOf('sftp').some(({ path, success }) => path === '/etc/shadow' && success === false),
    ).toBe(true);
  });

  it('S10 refuses: sftp and scp where the roles forbid it', async () => {
    const host = await start({ options: { fileCopy: false } });
    const own = join(host.files.folder, 'x');
    writeFileSync(own, 'x');
    for (const args of [[], ['-O']]) expect((await put(host, args, own, 'x')).code).not.toBe(0);
    expect((await host.run('sftp', ['-b', '-', `${NAME}@127.0.0.1`], 'pwd\n')).code).not.toBe(0);
    expect(host.eventsOf('session.rejected')).toHaveLength(3);
    expect(existsSync(join(HOME, 'x'))).toBe(false);
  });

  it('ok: our own server does what the sftp client asks', async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    const server = join(own, 'server');
    const main = fileURLToPath(new URL('../sftp/main.ts', import.meta.url));
    writeFileSync(
      server,
      `#!/bin/sh\nexec ${process.execPath} --disable-warning=ExperimentalWarning ${main}\n`,
    );
    chmodSync(server, 0o755);
    writeFileSync(join(own, 'from'), Buffer.alloc(5_000_000, 'contents '));
    const batch = [
      `lcd ${own}`,
      `cd ${own}`,
      'mkdir d',
      'put -p from d/a',
      'rename d/a d/b',
      'chmod 600 d/b',
      'ln -s b d/l',
      'ln d/b d/h',
      'ls -la d',
      'df d',
      'get d/b back',
      'rm d/b',
      'rm d/l',
      'rm d/h',
      'rmdir d',
    ];
    const { code, stdout, stderr } = await runProgram(
      'sftp',
      ['-D', server, '-b', '-'],
      `${batch.join('\n')}\n`,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/-rw------- 2 .* 5000000 .* b\n/);
    expect(readFileSync(join(own, 'back')).equals(readFileSync(join(own, 'from')))).toBe(true);
    expect(existsSync(join(own, 'd'))).toBe(false);
  });
});

describe('what is left', () => {
  it('S28 refuses: terminals of others, also to programs that run at the same time', async () => {
    const host = await start();
    const victim = background(host, NAME, ['-tt', 'tty; cat']);
    const tty = await firstLine(victim);
    expect(tty).toMatch(/^\/dev\/pts\/\d+$/);
    const { stdout } = await host.ssh(OTHER, [
      `for f in /proc/self/fd/*; do readlink $f; done; cat ${tty} 2>&1; echo x > ${tty}`,
    ]);
    expect(stdout).not.toMatch(/ptmx|\/dev\/pts\/(?!\d+: )/);
    expect(stdout.match(/ermission denied/g)?.length).toBeGreaterThan(0);
  });

  it('ok: no process and no file stays open, however sessions end', async () => {
    const host = await start();
    await host.ssh(NAME, ['true']);
    await host.runtime.pipes.prepare();
    const count = (): number => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 5; i++) {
      await host.ssh(NAME, ['true']);
      await host.ssh(NAME, ['-tt', 'true']);
      await host.ssh(NAME, ['sleep 600 >/dev/null 2>&1 </dev/null & kill $!']);
      const killed = background(host, NAME, ['-tt', 'echo up; sleep 600']);
      expect(await firstLine(killed)).toBe('up');
      killed.kill('SIGKILL');
      const plain = background(host, NAME, ['echo up; sleep 600']);
      expect(await firstLine(plain)).toBe('up');
      plain.kill('SIGKILL');
    }
    await until('the last process of the account', () => programsOf(NAME).length === 0, LATER_GUARD_MS);
    await until('the last connection', () => host.connections.size === 0, LATER_GUARD_MS);
    // Pipes made ahead come and go by seven.
    await until('files to be closed', () => count() <= before + 14, LATER_GUARD_MS);
    const left = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return [];
      }
    });
    expect(left.filter((file) => /ptmx|pts/.test(file))).toEqual([]);
    expect(host.eventsOf('session.end')).toHaveLength(10);
    expect(host.eventsOf('exec')).toHaveLength(26);
  });

  it('S33 ok: a flood in a terminal leaves memory alone and others at peace', async () => {
    const host = await start();
    const flood = background(host, NAME, ['-tt', 'yes']);
    flood.stdout?.pause();
    const loud = background(host, NAME, ['-tt', 'yes']);
    loud.stdout?.resume();
    await until('the flood', () => host.runtime.terminals.count === 2);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 10; i++) expect((await host.ssh(OTHER, ['echo fine'])).stdout).toBe('fine\n');
    expect(process.memoryUsage.rss() - before).toBeLessThan(96 * 1024 ** 2);
  });
});

describe('an agent without root', () => {
  it('ok: serves its own account, and tells the others', async () => {
    const own = join(folder, 'unprivileged');
    mkdirSync(own);
    chownSync(own, statSync(HOME).uid, statSync(HOME).gid);
    chmodSync(folder, 0o755);
    const main = fileURLToPath(new URL('unprivileged.child.ts', import.meta.url));
    const child = spawn(
      'setpriv',
      ['--reuid', NAME, '--regid', NAME, '--init-groups', '--', process.execPath].concat([
        '--disable-warning=ExperimentalWarning',
        main,
        own,
        NAME,
        OTHER,
      ]),
      { stdio: ['pipe', 'pipe', 'inherit'], cwd: process.cwd(), env: { PATH: '/usr/bin:/bin', HOME } },
    );
    children.push(child);
    const { options } = JSON.parse(await firstLine(child)) as { options: string[] };
    const ssh = (login: string, args: readonly string[], input = '') =>
      runProgram('ssh', [...options, ...args.slice(0, -1), `${login}@127.0.0.1`, args.at(-1) ?? ''], input);
    expect((await ssh(NAME, ['id -un; pwd; echo $HOME'])).stdout).toBe(`${NAME}\n${HOME}\n${HOME}\n`);
    const terminal = await ssh(NAME, ['-tt', 'tty; ps -o tty= -p $$; exit 3']);
    expect(terminal).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^\/dev\/pts\/\d+\r\npts\/\d+\s/) as string,
    });
    const other = await ssh(OTHER, ['id']);
    expect([other.code, other.stderr]).toEqual([254, expect.stringContaining('without root')]);
    const sftp = await runProgram('sftp', [...options, '-b', '-', `${NAME}@127.0.0.1`], 'pwd\n');
    expect(sftp.stdout).toContain(HOME);
  });
});
