// What a person sees before the first prompt: the message of the day, unless ~/.hushlogin is there, and why nobody can
// log in just now. As sshd has it without PAM.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Account } from '../account/passwd.ts';

export interface GreetingFiles {
  readonly messages: readonly string[];
  readonly noLogin: string;
}

const FILES: GreetingFiles = { messages: ['/run/motd.dynamic', '/etc/motd'], noLogin: '/etc/nologin' };
const MAX_BYTES = 32 * 1024;

/**
 * For a terminal: lines end in CR LF. Empty when there is nothing to say. `has`: whether the person has a file of this
 * path; asked only when there is something to say.
 */
export async function messageOfTheDay(
  { home }: Account,
  has: (path: string) => Promise<boolean>,
  files: GreetingFiles = FILES,
): Promise<string> {
  const text = forTerminal(files.messages.map((path) => readStart(path) ?? '').join(''));
  return text === '' || (await has(join(home, '.hushlogin'))) ? '' : text;
}

/** The text of /etc/nologin, which keeps everybody but root out; undefined when there is no such file. */
export function closedForLogins({ uid }: Account, files: GreetingFiles = FILES): string | undefined {
  if (uid === 0) return undefined;
  const text = readStart(files.noLogin);
  return text === undefined ? undefined : text || 'logins are closed on this server (/etc/nologin)\n';
}

export const forTerminal = (text: string): string => text.replace(/\r?\n/g, '\r\n');

function readStart(path: string): string | undefined {
  try {
    // A pipe at this path must not stop the process.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(MAX_BYTES);
      return bytes.subarray(0, readSync(file, bytes, 0, MAX_BYTES, 0)).toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
