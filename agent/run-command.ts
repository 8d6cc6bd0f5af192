// Runs one program to its end and takes what it prints: no shell, nothing on its input, bounded in time and output,
// and gone with everything it started when the time is up.
import type { ChildProcess } from 'node:child_process';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';

export type CommandOutcome =
  | { readonly ok: true; readonly output: string }
  | {
      readonly ok: false;
      readonly reason: string;
      /** When it ended by itself. */
      readonly exitCode?: number;
    };

export interface CommandOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Default 10 s. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 16 * 1024;

/** Never throws; `reason` is fit for a log and holds nothing of the output. */
export function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  const [program = '', ...args] = command;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const stop = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  return new Promise((resolve) => {
    const cannotStart = (error: NodeJS.ErrnoException): void =>
      resolve({ ok: false, reason: `cannot be started (${error.code ?? error.message})` });
    let child: ChildProcess;
    try {
      child = spawnWithoutTerminals(program, args, {
        cwd: '/',
        env: { ...options.env },
        stdio: ['ignore', 'pipe', 'ignore'],
        // A group of its own, so that its children can be ended with it.
        detached: true,
      });
    } catch (error) {
      // Some failures to start are thrown, others are events.
      cannotStart(error as NodeJS.ErrnoException);
      return;
    }
    const parts: Buffer[] = [];
    let size = 0;
    let why: string | undefined;
    const end = (reason: string): void => {
      why ??= reason;
      endGroup(child.pid);
      child.stdout?.destroy();
    };
    const onStop = (): void => end(options.signal.aborted ? 'stopped' : `no end after ${timeoutMs / 1000} s`);
    stop.addEventListener('abort', onStop, { once: true });
    // There is none when this process has no file descriptor left.
    child.stdout?.on('data', (part: Buffer) => {
      size += part.length;
      if (size > MAX_OUTPUT_BYTES) end(`more than ${MAX_OUTPUT_BYTES} bytes of output`);
      else parts.push(part);
    });
    const finish = (outcome: CommandOutcome): void => {
      stop.removeEventListener('abort', onStop);
      resolve(outcome);
    };
    child.once('error', (error) => {
      stop.removeEventListener('abort', onStop);
      cannotStart(error);
    });
    child.once('close', (code, signal) => {
      if (why !== undefined) finish({ ok: false, reason: why });
      else if (code === 0) finish({ ok: true, output: Buffer.concat(parts).toString('utf8') });
      else if (code === null) finish({ ok: false, reason: `ended by ${String(signal)}` });
      else finish({ ok: false, reason: `exit code ${code}`, exitCode: code });
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
