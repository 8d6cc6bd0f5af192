// Guides as tests: the console blocks of a page are run, in order, in one shell, and what they print is compared with
// what the page shows. So a page cannot promise what the programs do not do.
//
//   ```console
//   $ a command, with a here-document or a trailing backslash if it needs more lines
//   what it prints; "…" stands for any text in a line, a line of only "…" for any lines
//   ```
//
// A command must end with 0, unless the page shows an ERROR.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';

export interface Step {
  readonly line: number;
  readonly command: string;
  readonly expected: readonly string[];
}

export interface Outcome {
  readonly output: readonly string[];
  readonly status: number;
}

const BLOCK = /^```console\n(.*?)^```$/gms;
const HERE_DOCUMENT = /<<\s*['"]?(\w+)['"]?/;

/** The commands of all console blocks, in order. */
export function readSteps(page: string): Step[] {
  return [...page.matchAll(BLOCK)].flatMap((block) => {
    const firstLine = page.slice(0, block.index).split('\n').length + 1;
    return readBlock((block[1] ?? '').split('\n').slice(0, -1), firstLine);
  });
}

function readBlock(lines: readonly string[], firstLine: number): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < lines.length;) {
    const start = at;
    const command: string[] = [];
    do command.push(lines[at++] ?? '');
    while (at < lines.length && goesOn(command));
    const expected: string[] = [];
    while (at < lines.length && lines[at]?.startsWith('$ ') !== true) expected.push(lines[at++] ?? '');
    steps.push({ line: firstLine + start, command: command.join('\n').slice(2), expected });
  }
  return steps;
}

/** After a trailing backslash, and until the last line of a here-document. */
function goesOn(command: readonly string[]): boolean {
  const last = command.at(-1) ?? '';
  const ending = HERE_DOCUMENT.exec(command[0] ?? '')?.[1];
  return ending === undefined ? last.endsWith('\\') : last !== ending || command.length === 1;
}

/** True when the printed lines are what the page shows. */
export function matches(expected: readonly string[], output: readonly string[]): boolean {
  const [first, ...rest] = expected;
  if (first === undefined) return output.length === 0;
  if (first === '…') {
    return output.some((_, from) => matches(rest, output.slice(from))) || matches(rest, []);
  }
  const [line, ...others] = output;
  return line !== undefined && lineMatches(first, line) && matches(rest, others);
}

function lineMatches(expected: string, line: string): boolean {
  const parts = expected
    .trimEnd()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(line.trimEnd());
}

/** One shell for a whole page: variables and folders last, as they do for a reader. */
export class Shell {
  readonly #process: ChildProcess;
  readonly #mark = `mark-${randomBytes(8).toString('hex')}`;
  #text = '';
  #arrived: () => void = () => {};

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#process = spawn('bash', ['--noprofile', '--norc'], { cwd: folder, env });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#arrived();
    });
    this.#process.stdin?.write('exec 2>&1\n');
  }

  async run(command: string): Promise<Outcome> {
    this.#process.stdin?.write(`{ ${command}\n} </dev/null\nprintf '\\n%s %s\\n' ${this.#mark} $?\n`);
    const end = new RegExp(`\n${this.#mark} (\\d+)\n`);
    for (;;) {
      const found = end.exec(this.#text);
      if (found !== null) {
        const printed = this.#text.slice(0, found.index);
        this.#text = this.#text.slice(found.index + found[0].length);
        return { output: printed === '' ? [] : printed.split('\n'), status: Number(found[1]) };
      }
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
  }

  /** Ends what the page left running in the background, then the shell. */
  async close(): Promise<void> {
    await this.run('for job in $(jobs -p); do kill "$job"; done; wait');
    this.#process.stdin?.end();
  }
}
