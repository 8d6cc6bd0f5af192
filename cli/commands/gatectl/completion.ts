// `gatectl completion`: prints a script for the user's shell.
import { command, usage, type Command, type Program } from '../../arguments.ts';
import { completionScript, SHELLS } from '../../completion.ts';
import type { Gatectl } from './context.ts';

/** The program is handed in: its table loads this file. */
export const completion = (program: Program<Gatectl>): Command<Gatectl> =>
  command({
    flags: {},
    positionals: [{ name: 'SHELL', says: 'bash, zsh or fish', words: SHELLS }],
    examples: [
      'gatectl completion bash > /etc/bash_completion.d/gatectl',
      'gatectl completion zsh > ~/.zfunc/_gatectl',
      'gatectl completion fish > ~/.config/fish/completions/gatectl.fish',
    ],
    async run({ out }: Gatectl, { words: [word = ''] }) {
      const shell = SHELLS.find((name) => name === word);
      if (shell === undefined) throw usage(`SHELL must be one of ${SHELLS.join(', ')}`);
      out.formatted(await completionScript(program, shell));
    },
  });
