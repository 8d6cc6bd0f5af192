// What `getent` prints, read: entries of passwd, shadow and group. Apart from asking it, because these are pure. The
// entries come from a directory service as often as from a file, so nothing in them is taken on trust.
import { isAbsolute } from 'node:path';

/** An account of this machine. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Absolute; need not exist. */
  readonly home: string;
  /** Absolute; need not exist. */
  readonly loginShell: string;
}

const DEFAULT_SHELL = '/bin/sh';
const MAX_ID = 2 ** 32 - 2;
const DAY_MS = 86_400_000;

/**
 * The entry whose name is exactly `login`. `getent passwd 0` answers with root: a login that is a number would be
 * somebody else's account (S15).
 */
export function parsePasswd(output: string, login: string): Account | undefined {
  for (const line of output.split('\n')) {
    const [name, , uid, gid, , home = '', loginShell = '', ...rest] = line.split(':');
    if (name !== login || rest.length > 0) continue;
    const ids = [readId(uid), readId(gid)] as const;
    if (ids[0] === undefined || ids[1] === undefined) continue;
    return {
      name,
      uid: ids[0],
      gid: ids[1],
      home: isAbsolute(home) ? home : '/',
      loginShell: isAbsolute(loginShell) ? loginShell : DEFAULT_SHELL,
    };
  }
  return undefined;
}

/** When the account expires, milliseconds since the epoch; undefined when it never does, or the line is not its. */
export function parseShadowExpiry(output: string, login: string): number | undefined {
  const fields = output
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === login);
  const days = readId(fields?.[7]);
  return days === undefined ? undefined : days * DAY_MS;
}

export function parseGroupId(output: string, group: string): number | undefined {
  const fields = output
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === group);
  return readId(fields?.[2]);
}

function readId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}
