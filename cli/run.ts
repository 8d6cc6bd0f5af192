// Runs one command line of a program: finds the command, loads it, shows help, and turns what went wrong into a message
// and an exit code. 0: done; 1: failed, or the answer is no; 2: the command line is not understood.
import { hostname, homedir } from 'node:os';
import { systemClock } from '#core/clock.ts';
import type { Command, Flags, Program } from './arguments.ts';
import { formatError } from './format/error.ts';
import { hasColours, type Io } from './io.ts';
import { findCommand, readArguments } from './parse.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Never throws; what went wrong is on stderr. */
export async function runProgram<C, G extends Flags>(
  program: Program<C, G>,
  words: readonly string[],
  io: Io,
): Promise<number> {
  let failureCode: number | undefined;
  try {
    return await run(program, words, io, (command) => (failureCode = command.failureCode));
  } catch (error) {
    const { text, exitCode } = formatError(error, {
      asJson: wantsJson(words),
      withCauses: words.some((word) => word === '-d' || word === '--debug'),
      colours: hasColours(io.stderr, io.env),
    });
    io.stderr.write(text);
    return exitCode === EXIT.failed ? (failureCode ?? exitCode) : exitCode;
  }
}

async function run<C, G extends Flags>(
  program: Program<C, G>,
  words: readonly string[],
  io: Io,
  onCommand: (command: Command<C>) => void,
): Promise<number> {
  const call = findCommand(program, words);
  if (call.wantsVersion) {
    io.stdout.write(`${program.version}\n`);
    return EXIT.ok;
  }
  if (call.verb === undefined) {
    const { groupHelp } = await import('./help.ts');
    const isAsked = call.wantsHelp;
    (isAsked ? io.stdout : io.stderr).write(groupHelp(program, call.path, call.group));
    return isAsked ? EXIT.ok : EXIT.usage;
  }
  const command = await call.verb.load();
  onCommand(command);
  const { globals, given, wantsHelp } = readArguments(program, call, command);
  if (wantsHelp) {
    const { commandHelp } = await import('./help.ts');
    io.stdout.write(commandHelp(program, call.path, call.verb.says, command));
    return EXIT.ok;
  }
  const context = program.open(io, globals);
  try {
    return (await command.run(context, given)) ?? EXIT.ok;
  } finally {
    await program.close?.(context);
  }
}

/** Looked for in the bare words: the error may be that they are not understood. */
function wantsJson(words: readonly string[]): boolean {
  return words.some(
    (word, at) => word === '--format=json' || (word === '--format' && words[at + 1] === 'json'),
  );
}

/** The machine this process runs on. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    home: process.env['HOME'] || homedir() || undefined,
    hostname: hostname(),
    uid: process.getuid?.(),
    clock: systemClock,
  };
}

/** The body of an entry file: runs the words of this process and sets its exit code. */
export async function main<C, G extends Flags>(program: Program<C, G>): Promise<void> {
  // A reader that went away, such as `head`, wants no more and is told nothing.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.ok);
      const why = error.code === 'ENOSPC' ? 'the disk is full' : (error.code ?? error.message);
      if (stream === process.stdout) process.stderr.write(`ERROR: cannot write the output: ${why}\n`);
      process.exit(EXIT.failed);
    });
  }
  process.exitCode = await runProgram(program, process.argv.slice(2), processIo());
}
