// Looks at files of a person with that person's rights: root would follow links to where the person may not look (S28).
// In a process of its own and bounded in size and time: the file may be a pipe that nobody writes into, or lie on a file
// system of the person's that never answers, and then this process must go on.
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

const ENVIRONMENT = { PATH: '/usr/bin:/bin' };

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
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const found: Buffer[] = [];
    child.stdout?.on('data', (part: Buffer) => found.push(part));
    const finish = (text: string): void => {
      timer.cancel();
      resolve(text);
    };
    const timer = parts.clock.after(TIMEOUT_MS, () => {
      child.kill('SIGKILL');
      // What hangs in the file system cannot be killed either.
      finish('');
    });
    child.once('error', () => finish(''));
    child.once('close', (code) => finish(code === 0 ? Buffer.concat(found).toString('utf8') : ''));
  });
}

/**
 * Whether the path is there, or is a folder, for that person. An absolute path; false when it cannot be known in time.
 * Never rejects.
 */
export async function userHas(
  parts: UserFileParts,
  account: Account,
  path: string,
  as: 'anything' | 'folder',
): Promise<boolean> {
  // Names come from clients: some cannot even be asked for.
  if (!path.startsWith('/') || path.includes('\0')) return false;
  try {
    const words = [...parts.launcher.prefixOf(account), '/usr/bin/test', as === 'folder' ? '-d' : '-e', path];
    return await succeeds(parts, words);
  } catch {
    return false;
  }
}

function succeeds({ clock, terminals }: UserFileParts, [file = '', ...args]: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = terminals.spawn(file, args, {
      cwd: '/',
      env: ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    const finish = (answer: boolean): void => {
      timer.cancel();
      resolve(answer);
    };
    const timer = clock.after(TIMEOUT_MS, () => {
      child.kill('SIGKILL');
      // What hangs in the file system cannot be killed either.
      finish(false);
    });
    child.once('error', () => finish(false));
    child.once('close', (code) => finish(code === 0));
  });
}
