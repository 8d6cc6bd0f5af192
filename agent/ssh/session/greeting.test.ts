import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  mkdirSync(account.home);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('ok: the message of the day, in lines of a terminal', () => {
  expect(messageOfTheDay(account, files)).toBe('');
  writeFileSync(join(folder, 'dynamic'), 'news\n');
  writeFileSync(join(folder, 'motd'), 'be\r\nnice\n');
  expect(messageOfTheDay(account, files)).toBe('news\r\nbe\r\nnice\r\n');
});
it('ok: not for those who want none', () => {
  writeFileSync(join(folder, 'motd'), 'news\n');
  symlinkSync('/nowhere', join(account.home, '.hushlogin'));
  expect(messageOfTheDay(account, files)).toBe('');
});
it('S33 ok: a message without end is cut', () => {
  writeFileSync(join(folder, 'motd'), 'x'.repeat(1_000_000));
  expect(messageOfTheDay(account, files)).toHaveLength(32 * 1024);
});
it('refuses: logins while /etc/nologin is there, but for root', () => {
  expect(closedForLogins(account, files)).toBeUndefined();
  writeFileSync(files.noLogin, 'down until noon\n');
  expect(closedForLogins(account, files)).toBe('down until noon\n');
  expect(closedForLogins({ ...account, uid: 0 }, files)).toBeUndefined();
  writeFileSync(files.noLogin, '');
  expect(closedForLogins(account, files)).toContain('/etc/nologin');
});
