// Real pipes for programs without a terminal. Node joins programs by sockets, which cannot be opened as /dev/stdin and
// /dev/stdout (`ssh host bash /dev/stdin` would fail) and are half as fast, and it cannot make pipes. A shell makes one
// for each here-document, and whoever may look into its /proc can open both ends; so some are taken from a shell ahead
// of time, which is then let go. Where the shell has files for here-documents (bash before 5.1), named pipes must do.
import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, readlinkSync, readSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatehouseError } from '#core/errors/error.ts';
import { runCommand } from '../../run-command.ts';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';

/** Both ends, blocking, closed on exec. Whoever takes it closes both. */
export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** All that every shell can name. */
const SHELL_FDS = [3, 4, 5, 6, 7, 8, 9];
/** A constant. The documents are not empty, because some shells have /dev/null for empty ones. */
const SCRIPT = `exec ${SHELL_FDS.map((fd) => `${fd}<<X`).join(' ')}
${SHELL_FDS.map(() => 'x\nX').join('\n')}
echo
read -r x
`;
/** Ready ahead: enough for some commands at once. More are made when these run low. */
const LOW_MARK = 14;
const ENVIRONMENT = { PATH: '/usr/bin:/bin' };

export class Pipes {
  readonly #ready: Pipe[] = [];
  #making: Promise<void> | undefined;
  #isClosed = false;

  /** UNAVAILABLE when pipes cannot be made. */
  async take(count: number): Promise<Pipe[]> {
    while (this.#ready.length < count) await this.prepare();
    const taken = this.#ready.splice(-count);
    if (this.#ready.length < LOW_MARK) this.prepare().catch(() => {});
    return taken;
  }

  /** Makes some ahead. */
  prepare(): Promise<void> {
    this.#making ??= this.#make().finally(() => (this.#making = undefined));
    return this.#making;
  }

  close(): void {
    this.#isClosed = true;
    this.#ready.splice(0).forEach(closePipe);
  }

  async #make(): Promise<void> {
    try {
      if (!this.#isClosed) this.#ready.push(...((await pipesOfShell()) ?? (await namedPipes())));
    } catch (cause) {
      if (cause instanceof GatehouseError) throw cause;
      throw new GatehouseError('UNAVAILABLE', 'pipes cannot be made on this server', { cause });
    }
    if (!this.#isClosed) return;
    this.close();
    throw new GatehouseError('UNAVAILABLE', 'this server is stopping');
  }
}

/** Undefined when the shell has no pipes for here-documents. */
async function pipesOfShell(): Promise<Pipe[] | undefined> {
  const shell = spawnWithoutTerminals('/bin/sh', ['-c', SCRIPT], {
    cwd: '/',
    env: ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const made: Pipe[] = [];
  try {
    await isReady(shell);
    for (const fd of SHELL_FDS) {
      const path = `/proc/${shell.pid}/fd/${fd}`;
      if (!readlinkSync(path).startsWith('pipe:')) throw new GatehouseError('NOT_SUPPORTED', 'files');
      made.push(openBoth(path));
      readSync(made.at(-1)?.readEnd ?? -1, Buffer.alloc(16), 0, 16, null);
    }
    return made;
  } catch {
    made.forEach(closePipe);
    return undefined;
  } finally {
    shell.stdin?.destroy();
    shell.stdout?.destroy();
  }
}

function isReady(maker: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    maker.stdin?.on('error', () => {});
    maker.stdout?.once('data', () => resolve());
    maker.once('error', reject);
    maker.once('exit', () => reject(new GatehouseError('UNAVAILABLE', 'the shell ended')));
  });
}

/** Pipes with names, which lose them at once. They differ from others when opened as /dev/stdin after the input's end. */
async function namedPipes(): Promise<Pipe[]> {
  // Made with mode 0700: nobody else can open what is in it.
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pipes-'));
  try {
    const paths = SHELL_FDS.map((fd) => join(folder, String(fd)));
    const outcome = await runCommand(['mkfifo', '-m', '600', '--', ...paths], {
      env: ENVIRONMENT,
      signal: new AbortController().signal,
    });
    if (!outcome.ok) {
      throw new GatehouseError('UNAVAILABLE', `pipes cannot be made: mkfifo ${outcome.reason}`);
    }
    return paths.map((path) => {
      // A named pipe opens without waiting when its other end is open; both are, through this.
      const both = openSync(path, constants.O_RDWR);
      try {
        return openBoth(`/proc/self/fd/${both}`);
      } finally {
        closeSync(both);
      }
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openBoth(path: string): Pipe {
  const readEnd = openSync(path, constants.O_RDONLY);
  try {
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  } catch (error) {
    closeSync(readEnd);
    throw error;
  }
}

function closePipe({ readEnd, writeEnd }: Pipe): void {
  closeSync(readEnd);
  closeSync(writeEnd);
}
