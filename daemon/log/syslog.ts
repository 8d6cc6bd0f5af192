// Log lines to the syslog of the machine, through the program `logger`: the runtime has no datagram sockets of the
// local kind, which is what /dev/log is. One long-lived child reads lines; it is started again when it ends.
import type { ChildProcessByStdio } from 'node:child_process';
import { stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { LogOutput } from './output.ts';

export interface SyslogOptions {
  readonly clock: Clock;
  /** Told once when lines get lost. */
  readonly complain: (message: string) => void;
  /** Default: that of the machine. */
  readonly socketPath?: string;
}

/** Facility "daemon" (3), and the severity of each level; PRI = facility * 8 + severity (RFC 5424, 6.2.1). */
const SEVERITIES: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7, trace: 7 };
const FACILITY = 3;
const SOCKET = '/dev/log';
const MAX_WAITING_BYTES = 1024 * 1024;
const RESTART_MS = 1000;
const CLOSE_MS = 1000;

type Child = ChildProcessByStdio<Writable, null, null>;

/** INVALID_CONFIG when there is no program `logger`, or no syslog that it could reach. */
export async function syslogOutput(options: SyslogOptions): Promise<LogOutput> {
  const { socketPath = SOCKET } = options;
  const found = await stat(socketPath).catch(() => undefined);
  if (found?.isSocket() !== true) {
    throw new GatehouseError(
      'INVALID_CONFIG',
      `log.output: no syslog runs on this machine (there is no socket ${socketPath}); start one, or log to stderr`,
      { details: { remedy: '' } },
    );
  }
  const child = start(options.socketPath);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) =>
      reject(
        new GatehouseError(
          'INVALID_CONFIG',
          'log.output: syslog needs the program `logger` (package bsdutils or util-linux); install it, or log to stderr',
          { cause, details: { remedy: '' } },
        ),
      ),
    );
  });
  return new SyslogOutput(child, options);
}

class SyslogOutput implements LogOutput {
  readonly #options: SyslogOptions;
  #child: Child | undefined;
  #isClosed = false;
  #hasComplained = false;

  constructor(child: Child, options: SyslogOptions) {
    this.#options = options;
    this.#adopt(child);
  }

  write(line: string, level: string): void {
    const stdin = this.#child?.stdin;
    if (stdin === undefined || this.#isClosed || stdin.writableLength > MAX_WAITING_BYTES) {
      this.#lost();
      return;
    }
    stdin.write(`<${FACILITY * 8 + (SEVERITIES[level] ?? 6)}>${line}\n`);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const timer = this.#options.clock.after(CLOSE_MS, () => child.kill('SIGKILL'));
    child.stdin?.end();
    await ended;
    timer.cancel();
  }

  #adopt(child: Child): void {
    this.#child = child;
    child.once('error', () => this.#restart());
    // There is none when this process has no file descriptor left.
    child.stdin?.on('error', () => {});
    child.once('close', () => this.#restart());
  }

  #restart(): void {
    if (this.#child === undefined) return;
    this.#child = undefined;
    if (this.#isClosed) return;
    this.#lost();
    this.#options.clock.after(RESTART_MS, () => {
      if (!this.#isClosed) this.#begin();
    });
  }

  #begin(): void {
    try {
      this.#adopt(start(this.#options.socketPath));
    } catch {
      // Some failures to start are thrown, others are events; there is always a next time.
      this.#options.clock.after(RESTART_MS, () => {
        if (!this.#isClosed) this.#begin();
      });
    }
  }

  #lost(): void {
    if (this.#hasComplained || this.#isClosed) return;
    this.#hasComplained = true;
    this.#options.complain('syslog does not take the log at present; lines are lost until it does');
  }
}

function start(socketPath: string | undefined): Child {
  const args = ['--tag', 'gatehouse', `--id=${process.pid}`, '--prio-prefix', '--size', '16384'];
  const socket = socketPath === undefined ? [] : ['--socket', socketPath];
  return spawnWithoutTerminals('logger', [...args, '--socket-errors=on', ...socket], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin:/usr/local/bin' },
    // Ctrl-C in a terminal is for the daemon; the last lines come after it.
    detached: true,
  }) as Child;
}
