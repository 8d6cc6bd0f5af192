import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Account } from '../account/passwd.ts';
import { closedForLogins, messageOfTheDay, type GreetingFiles } from './greeting.ts';

let folder: string;
let files: GreetingFiles;
let account: Account;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-motd-'));
  files = { messages: [join(folder, 'dynamic'), join(folder, 'motd')], noLogin: join(folder, 'nologin') };
  account = { name: 'joe', uid: 1000, gid: 1000, home: join(folder, 'home'), loginShell: '/bin/sh' };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const hasNothing = async (): Promise<boolean> => false;

it('ok: the message of the day, in lines of a terminal', async () => {
  const never = (): Promise<boolean> => Promise.reject(new Error('there is nothing to say'));
  expect(await messageOfTheDay(account, never, files)).toBe('');
  writeFileSync(join(folder, 'dynamic'), 'news\n');
  writeFileSync(join(folder, 'motd'), 'be\r\nnice\n');
  expect(await messageOfTheDay(account, hasNothing, files)).toBe('news\r\nbe\r\nnice\r\n');
});
it('ok: not for those who want none', async () => {
  writeFileSync(join(folder, 'motd'), 'news\n');
  const has = async (path: string): Promise<boolean> => path === join(account.home, '.hushlogin');
  expect(await messageOfTheDay(account, has, files)).toBe('');
});
it('S33 ok: a message without end is cut', async () => {
  writeFileSync(join(folder, 'motd'), 'x'.repeat(1_000_000));
  expect(await messageOfTheDay(account, hasNothing, files)).toHaveLength(32 * 1024);
});
it('refuses: logins while /etc/nologin is there, but for root', () => {
  expect(closedForLogins(account, files)).toBeUndefined();
  writeFileSync(files.noLogin, 'down until noon\n');
  expect(closedForLogins(account, files)).toBe('down until noon\n');
  expect(closedForLogins({ ...account, uid: 0 }, files)).toBeUndefined();
  writeFileSync(files.noLogin, '');
  expect(closedForLogins(account, files)).toContain('/etc/nologin');
});
