// Runs a command line of a program inside the test process: what it printed, where, and its exit code.
import { Readable } from 'node:stream';
import type { Flags, Program } from '#cli/arguments.ts';
import type { Io } from '#cli/io.ts';
import { runProgram } from '#cli/run.ts';
import type { Clock } from '#core/clock.ts';
import { FakeClock } from './clock.ts';

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliMachine {
  readonly stdin?: string;
  readonly env?: Io['env'];
  readonly home?: string;
  readonly clock?: Clock;
  readonly uid?: number | undefined;
  /** Stdout and stderr say they are terminals. */
  readonly isTTY?: boolean;
  /** A config file of the machine, as if it were in /etc; none when left out. */
  readonly configPaths?: readonly string[];
  /** In place of `stdin`. */
  readonly keys?: Io['stdin'];
}

/** Words are split at spaces when the line is one text. */
export async function runCli<C, G extends Flags>(
  program: Program<C, G>,
  line: string | readonly string[],
  machine: CliMachine = {},
): Promise<CliRun> {
  const printed = { stdout: '', stderr: '' };
  const sink = (name: keyof typeof printed): Io['stdout'] => ({
    isTTY: machine.isTTY,
    write: (chunk) =>
      (printed[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')),
  });
  const words = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line;
  const exitCode = await runProgram(program, words, {
    stdin: machine.keys ?? Readable.from(machine.stdin === undefined ? [] : [Buffer.from(machine.stdin)]),
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: machine.env ?? {},
    home: machine.home,
    hostname: 'box.example.com',
    uid: 'uid' in machine ? machine.uid : process.getuid?.(),
    clock: machine.clock ?? new FakeClock(Date.now()),
    configPaths: machine.configPaths ?? [],
  });
  return { exitCode, ...printed };
}
