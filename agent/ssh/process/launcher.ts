// Starts programs as the accounts of this machine. util-linux and coreutils do what Node cannot: `setpriv` becomes the
// account with its groups, `setsid --ctty` gives it the terminal, `env` goes to its home with its rights and starts a
// login shell under its own name. They replace one another, so what is left is the program and nothing around it.
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { GatehouseError } from '#core/errors/error.ts';
import { runCommand } from '../../run-command.ts';
import type { Account } from '../account/passwd.ts';
import type { CleanSpawnOptions } from '#client/clean-spawn.ts';
import type { Terminals } from './terminals.ts';

/** What is run: a command by the login shell, as sshd has it, or the login shell itself. */
export type Program = { readonly kind: 'command'; readonly command: string } | { readonly kind: 'shell' };

export interface LaunchOptions {
  readonly account: Account;
  readonly program: Program;
  /** The whole environment. Nothing in it may change what the programs in between do: see environment.ts. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables from the account's own files; set when its rights are taken, whatever they are. */
  readonly ownEnv?: Readonly<Record<string, string>>;
  /** Input, output, errors. With `terminal` all are the same. */
  readonly stdio: readonly [number, number, number];
  readonly terminal: boolean;
}

export interface Launched {
  /** Leads a process group and a session of its own. */
  readonly process: ChildProcess;
  /** The home could not be entered; the program starts in `/`. */
  readonly isHomeless: boolean;
}

const PLACES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];
const NEEDED = ['setpriv', 'setsid', 'env'] as const;
type Tool = (typeof NEEDED)[number];
/** Shells that are made a login shell by this option. Others are started without it. */
const TAKES_LOGIN_OPTION = new Set(
  'sh bash rbash dash ash busybox zsh rzsh ksh ksh93 mksh lksh pdksh oksh yash fish tcsh csh'.split(' '),
);
const UMASK = 0o022;

export class Launcher {
  readonly #terminals: Terminals;
  readonly #ownUid = process.getuid?.() ?? 0;
  readonly #tools: Readonly<Partial<Record<Tool, string>>>;
  #canName: Promise<boolean> | undefined;

  constructor(terminals: Terminals) {
    this.#terminals = terminals;
    this.#tools = Object.fromEntries(NEEDED.map((tool) => [tool, findTool(tool)]));
  }

  /** What stands in front of a program so that it runs as the account; NOT_SUPPORTED where that cannot be done. */
  prefixOf(account: Pick<Account, 'uid' | 'gid'>): readonly string[] {
    if (account.uid === this.#ownUid && account.uid !== 0) return [];
    return [this.#tool('setpriv'), `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--'];
  }

  /**
   * Starts it at once. NOT_FOUND when the shell is not there, NOT_SUPPORTED when this machine lacks a program for it,
   * UNAVAILABLE when the system cannot start one more process.
   */
  async launch(options: LaunchOptions): Promise<Launched> {
    const { account, env, stdio, terminal } = options;
    requireShell(account);
    const isOther = this.prefixOf(account).length > 0;
    const canName = await this.#canNameShells();
    const isHomeless = !isFolder(account.home);
    const words = [
      ...(terminal ? [this.#tool('setsid'), '--ctty', '--'] : []),
      ...this.prefixOf(account),
      ...this.#env(options, { isOther, isHomeless, canName }),
      ...shellWords(options, canName),
    ];
    const [file = '', ...args] = words;
    const cwd = isOther || isHomeless ? '/' : account.home;
    // Without a terminal nobody else makes it a session of its own; with one, setsid would need another process for it.
    const child = this.#start(file, args, { cwd, env: { ...env }, stdio: [...stdio], detached: !terminal });
    await started(child);
    return { process: child, isHomeless };
  }

  #start(file: string, args: readonly string[], options: CleanSpawnOptions): ChildProcess {
    const before = process.umask(UMASK);
    try {
      return this.#terminals.spawn(file, args, options);
    } finally {
      process.umask(before);
    }
  }

  /** `env` is in the line where there is something for it to do. */
  #env(
    { account, program, ownEnv = {} }: LaunchOptions,
    how: { readonly isOther: boolean; readonly isHomeless: boolean; readonly canName: boolean },
  ): string[] {
    const own = Object.entries(ownEnv).map(([name, value]) => `${name}=${value}`);
    const goHome = how.isOther && !how.isHomeless ? [`--chdir=${account.home}`] : [];
    const name = program.kind === 'shell' && how.canName ? [`--argv0=-${baseName(account.loginShell)}`] : [];
    if (own.length + goHome.length + name.length === 0) return [];
    return [this.#tool('env'), ...goHome, ...name, ...own];
  }

  #tool(tool: Tool): string {
    const path = this.#tools[tool];
    if (path === undefined) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        `this server needs the program ${tool} (of util-linux and coreutils) to start sessions`,
      );
    }
    return path;
  }

  /** GNU env of 2024 and later can start a program under another name, which is how shells are told of a login. */
  #canNameShells(): Promise<boolean> {
    const env = this.#tools.env;
    this.#canName ??=
      env === undefined
        ? Promise.resolve(false)
        : runCommand([env, '--argv0=-x', 'true'], {
            env: { PATH: PLACES.join(':') },
            signal: new AbortController().signal,
          }).then(({ ok }) => ok);
    return this.#canName;
  }
}

function shellWords({ account, program }: LaunchOptions, canName: boolean): string[] {
  if (program.kind === 'command') return [account.loginShell, '-c', program.command];
  return !canName && TAKES_LOGIN_OPTION.has(baseName(account.loginShell))
    ? [account.loginShell, '-l']
    : [account.loginShell];
}

/** A shell with "=" in its path would be a variable to env. */
function requireShell({ loginShell }: Account): void {
  try {
    accessSync(loginShell, constants.X_OK);
    if (!loginShell.includes('=') && statSync(loginShell).isFile()) return;
  } catch {
    // The same message.
  }
  throw new GatehouseError(
    'NOT_FOUND',
    `the login shell ${JSON.stringify(loginShell)} cannot be run on this server`,
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    // Homes on a file server may be closed to root and open to their owners.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** Spawning has begun when this returns; failures to start come as an event in the next turn. */
function started(child: ChildProcess): Promise<void> {
  if (child.pid !== undefined) return Promise.resolve();
  return new Promise((_, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new GatehouseError('UNAVAILABLE', `the server cannot start a program (${cause.code ?? 'unknown'})`, {
          cause,
        }),
      ),
    );
  });
}

function findTool(tool: Tool): string | undefined {
  return PLACES.map((place) => `${place}/${tool}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
