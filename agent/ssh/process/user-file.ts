// Reads a small file of a person with that person's rights: root would follow links to where the person may not look
// (S28). Bounded in size and time, because the file may be a pipe that nobody writes into.
import type { Clock } from '#core/clock.ts';
import type { Account } from '../account/passwd.ts';
import type { Launcher } from './launcher.ts';
import type { Terminals } from './terminals.ts';

const MAX_BYTES = 64 * 1024;
const TIMEOUT_MS = 5000;

export interface UserFileParts {
  readonly clock: Clock;
  readonly launcher: Launcher;
  readonly terminals: Terminals;
}

/** The first 64 KiB; empty when it cannot be read, whatever the reason. */
export function readUserFile(parts: UserFileParts, account: Account, path: string): Promise<string> {
  const [file = '', ...args] = [
    ...parts.launcher.prefixOf(account),
    '/usr/bin/head',
    '-c',
    String(MAX_BYTES),
    '--',
    path,
  ];
  return new Promise((resolve) => {
    const child = parts.terminals.spawn(file, args, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const timer = parts.clock.after(TIMEOUT_MS, () => child.kill('SIGKILL'));
    const found: Buffer[] = [];
    child.stdout?.on('data', (part: Buffer) => found.push(part));
    const finish = (text: string): void => {
      timer.cancel();
      resolve(text);
    };
    child.once('error', () => finish(''));
    child.once('close', (code) => finish(code === 0 ? Buffer.concat(found).toString('utf8') : ''));
  });
}
