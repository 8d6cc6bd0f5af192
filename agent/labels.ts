// Labels whose values are what commands print: each command runs at its period, without a shell, with a small
// environment, and with bounds on time and output.
import { sleep, type Clock } from '#core/clock.ts';
import type { CommandLabel } from '#config/labels.ts';
import type { Log } from '#core/log.ts';
import { runCommand } from './run-command.ts';

export interface CommandLabelsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: readonly CommandLabel[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A command printed something else than before. */
  readonly onChange?: () => void;
  /** For tests; starts a program. */
  readonly run?: typeof runCommand;
}

export interface CommandLabels {
  /** Resolves when every command has ended once. */
  readonly ready: Promise<void>;
  /** What each command printed last; empty after a failure. */
  results(): Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Programs that run at one time. */
const MAX_AT_ONCE = 4;
const MAX_VALUE = 1024;
const FROM_ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Starts at once; the caller closes it. */
export function startCommandLabels(options: CommandLabelsOptions): CommandLabels {
  const { clock, log, commands, run = runCommand } = options;
  const results: Record<string, string> = {};
  const closing = new AbortController();
  const { signal } = closing;
  const env = environmentOf(options.environment);
  const seat = seats(MAX_AT_ONCE);

  const note = (name: string, value: string): void => {
    if (results[name] === value) return;
    results[name] = value;
    options.onChange?.();
  };
  const evaluate = async ({ name, command }: CommandLabel): Promise<void> => {
    await seat(async () => {
      if (signal.aborted) return;
      const outcome = await run(command, { env, signal });
      if (outcome.ok) {
        note(name, cleanValue(outcome.output));
        return;
      }
      note(name, '');
      if (!signal.aborted)
        log.warn(
          { label: name, program: command[0], reason: outcome.reason },
          'the command of a label failed',
        );
    });
  };
  const repeat = async (label: CommandLabel): Promise<void> => {
    while (!signal.aborted) {
      await sleep(clock, label.periodMs, signal).catch(() => {});
      if (!signal.aborted) await evaluate(label);
    }
  };
  const first = commands.map(evaluate);
  const ready = async (): Promise<void> => void (await Promise.all(first));
  const running = commands.map(async (label, index) => {
    await first[index];
    await repeat(label);
  });
  return {
    ready: ready(),
    results: () => results,
    async close() {
      closing.abort();
      await Promise.all(running);
    },
  };
}

/** One line without control characters, as labels are. */
export function cleanValue(output: string): string {
  return output
    .trim()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, MAX_VALUE)
    .trim();
}

/** Commands get what programs need to work, and nothing that may be a secret of this process. */
export function environmentOf(given: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of FROM_ENVIRONMENT) {
    const value = given[name];
    if (value !== undefined && value !== '') env[name] = value;
  }
  return env;
}

/** Lets at most `count` run; the others wait in order. */
function seats(count: number): (work: () => Promise<void>) => Promise<void> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
