// Questions on a terminal. A password is read without being shown; where there is no terminal nothing is asked, and the
// message says which flag to use.
import { StringDecoder } from 'node:string_decoder';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { oneLine } from './format/text.ts';
import type { Io, Keys } from './io.ts';

const MAX_LENGTH = 1024;
const ENTER = new Set(['\r', '\n', '\u0004']);
const BACKSPACE = new Set(['\u007f', '\b']);
const INTERRUPT = '\u0003';
const KILL_LINE = '\u0015';

/** True when somebody is there to answer. */
export function canAsk(io: Io): boolean {
  return io.stdin.isTTY === true && io.stdin.setRawMode !== undefined;
}

/** The answer, without being shown. USAGE with `instead` when there is no terminal. */
export async function askSecret(io: Io, question: string, instead: string): Promise<Secret> {
  return new Secret(await ask(io, question, instead, false));
}

/** The answer, shown as it is typed. USAGE with `instead` when there is no terminal. */
export async function askText(io: Io, question: string, instead: string): Promise<string> {
  return (await ask(io, question, instead, true)).trim();
}

async function ask(io: Io, question: string, instead: string, isShown: boolean): Promise<string> {
  if (!canAsk(io)) throw new GatehouseError('USAGE', `there is no terminal to ask on; ${instead}`);
  const show = (text: string): void => {
    if (isShown) io.stderr.write(text);
  };
  const answer = await readLine(io.stdin as unknown as Keys, show, () => io.stderr.write(oneLine(question)));
  io.stderr.write('\n');
  if (answer !== undefined) return answer;
  throw new GatehouseError('USAGE', 'interrupted', { details: { remedy: 'Nothing was done.' } });
}

/** Keys up to Enter; undefined on Ctrl-C. `begin` is called when the terminal shows no keys by itself any more. */
function readLine(keys: Keys, show: (text: string) => void, begin: () => void): Promise<string | undefined> {
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  return new Promise((resolve) => {
    const end = (answer: string | undefined): void => {
      keys.off('data', take);
      keys.setRawMode(false);
      keys.pause();
      resolve(answer);
    };
    const take = (chunk: Buffer): void => {
      for (const char of decoder.write(chunk)) {
        if (ENTER.has(char)) return end(typed.join(''));
        if (char === INTERRUPT) return end(undefined);
        if (BACKSPACE.has(char)) {
          if (typed.pop() !== undefined) show('\b \b');
        } else if (char === KILL_LINE) {
          show('\b \b'.repeat(typed.length));
          typed = [];
        } else if (!/\p{Cc}/u.test(char) && typed.length < MAX_LENGTH) {
          typed.push(char);
          show(char);
        }
      }
    };
    keys.setRawMode(true);
    begin();
    keys.on('data', take);
    keys.resume();
  });
}
