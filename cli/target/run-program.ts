// Runs a program of the person's in the foreground, with this process's terminal: psql, aws. No shell is between.
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';
import { GatehouseError } from '#core/errors/error.ts';

export interface ProgramCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What to do when it is not there. */
  readonly remedy: string;
}

const SIGNAL_BASE = 128;
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGTERM: 15,
};

/** Its exit code, 128 and more after a signal. NOT_FOUND when there is no such program. */
export function runProgramInFront({ program, args, env, remedy }: ProgramCall): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      stop();
      const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      const why = isMissing
        ? 'is not in PATH'
        : `cannot be started (${(cause as NodeJS.ErrnoException).code ?? ''})`;
      reject(new GatehouseError('NOT_FOUND', `${program} ${why}`, { cause, details: { remedy } }));
    };
    // A key that interrupts is for the program: both get it from the terminal, and the program decides.
    const ignore = (): void => {};
    const pass = (signal: NodeJS.Signals): void => void child?.kill(signal);
    const stop = (): void => {
      process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', pass).off('SIGHUP', pass);
    };
    process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', pass).on('SIGHUP', pass);
    const child = start(program, args, env, fail);
    child?.once('error', fail);
    child?.once('close', (code, signal) => {
      stop();
      resolve(code ?? SIGNAL_BASE + (SIGNALS[signal ?? ''] ?? 0));
    });
  });
}

/** Some failures to start are thrown, others are events. */
function start(
  program: string,
  args: readonly string[],
  env: ProgramCall['env'],
  fail: (cause: unknown) => void,
): ReturnType<typeof spawnWithoutTerminals> | undefined {
  try {
    return spawnWithoutTerminals(program, args, {
      stdio: ['inherit', 'inherit', 'inherit'],
      env: { ...env },
    });
  } catch (cause) {
    fail(cause);
    return undefined;
  }
}
