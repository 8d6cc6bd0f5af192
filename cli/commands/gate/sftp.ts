// `gate sftp`: files of a server, interactively or by a list of commands.
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { readInput } from '../../input.ts';
import type { Io } from '../../io.ts';
import { CONNECTION_FAILED } from '../../ssh/session/run-session.ts';
import { connectSftp } from '../../ssh/sftp/connect.ts';
import { noProgress, progressOn } from '../../ssh/sftp/progress.ts';
import { SftpShell, shellErrorText } from '../../ssh/sftp/shell.ts';
import { sshSettings } from '../../ssh/settings.ts';
import type { Gate } from './context.ts';
import { fileFlags, NO_SESSION_FLAGS, removedAtEnd } from './scp.ts';

export const sftp = command({
  about:
    'Type help for the commands. With -b, or without a terminal, commands are read from a file or from standard input, and\nthe first that fails ends it with exit code 1, unless a dash is written before it.',
  flags: {
    batch: flag.text({ says: 'Commands, one in each line; - is standard input.', short: 'b', value: 'FILE' }),
    ...fileFlags,
  },
  positionals: [{ name: '[LOGIN@]HOST', says: 'the server' }],
  failureCode: CONNECTION_FAILED,
  examples: ['gate sftp root@web-1', "echo 'get /etc/hosts' | gate sftp root@web-1"],
  async run(gate: Gate, { flags, words: [where = ''] }) {
    const { io } = gate;
    const settings = sshSettings({ ...NO_SESSION_FLAGS, ...flags }, {});
    const isInteractive = flags.batch === undefined && io.stdin.isTTY === true;
    const lines = isInteractive ? undefined : (await readInput(io, flags.batch ?? '-')).text.split('\n');
    const drafts = removedAtEnd();
    const { sftp: client, person, close } = await connectSftp(gate, { where, settings, ttlMs: flags.ttl });
    try {
      const shell = new SftpShell({
        sftp: client,
        drafts: drafts.set,
        progress: settings.isQuiet || !isInteractive ? noProgress : progressOn(io),
        onLine: (text) => io.stdout.write(`${text}\n`),
        onNote: (text) => person.problem(text),
        local: resolve('.'),
        remote: await client.realPath('.'),
      });
      if (lines !== undefined) return await runBatch(shell, lines, person.problem);
      await runInteractive(shell, io, person.problem);
      return 0;
    } finally {
      drafts.stop();
      close();
    }
  },
});

async function runBatch(
  session: SftpShell,
  lines: readonly string[],
  tell: (text: string) => void,
): Promise<number> {
  for (const [index, line] of lines.entries()) {
    const mayFail = line.startsWith('-');
    try {
      if (!(await session.run(mayFail ? line.slice(1) : line))) return 0;
    } catch (error) {
      const text = shellErrorText(error);
      if (text !== undefined) tell(`line ${index + 1}: ${text}`);
      if (!mayFail) return 1;
    }
  }
  return 0;
}

async function runInteractive(session: SftpShell, io: Io, tell: (text: string) => void): Promise<void> {
  const reader = createInterface({
    input: io.stdin as unknown as NodeJS.ReadableStream,
    output: io.stdout as unknown as NodeJS.WritableStream,
    prompt: 'sftp> ',
  });
  try {
    reader.prompt();
    for await (const line of reader) {
      try {
        if (!(await session.run(line))) return;
      } catch (error) {
        const text = shellErrorText(error);
        if (text !== undefined) tell(oneLine(text));
      }
      reader.prompt();
    }
  } finally {
    reader.close();
  }
}
