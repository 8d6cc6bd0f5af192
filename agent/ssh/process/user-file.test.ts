// What is asked of a person's files, with that person's rights and in bounded time.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { Account } from '../account/passwd.ts';
import { Launcher } from './launcher.ts';
import { Terminals } from './terminals.ts';
import { readUserFile, userHas, type UserFileParts } from './user-file.ts';

let folder: string;
let terminals: Terminals;
let parts: UserFileParts;
let account: Account;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-userfile-'));
  terminals = new Terminals();
  parts = { clock: systemClock, launcher: new Launcher(terminals), terminals };
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  account = { name: 'joe', uid, gid, home: folder, loginShell: '/bin/sh' };
});
afterEach(() => {
  terminals.close();
  rmSync(folder, { recursive: true, force: true });
});

it('ok: what is there, and what is a folder', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  expect(await userHas(parts, account, file, 'anything')).toBe(true);
  expect(await userHas(parts, account, file, 'folder')).toBe(false);
  expect(await userHas(parts, account, folder, 'folder')).toBe(true);
});

it.each(['', 'relative', '-e', '/tmp\0/x', '/nowhere'])('refuses: %j', async (path) => {
  expect(await userHas(parts, account, path, 'anything')).toBe(false);
});

it('S28 refuses: to look where the person may not', async (context) => {
  if (process.getuid?.() !== 0) context.skip('only root can become somebody else');
  const closed = join(folder, 'closed');
  mkdirSync(join(closed, 'within'), { recursive: true });
  chmodSync(folder, 0o755);
  chmodSync(closed, 0o700);
  const nobody = { ...account, name: 'nobody', uid: 65_534, gid: 65_534 };
  expect(await userHas(parts, nobody, folder, 'folder')).toBe(true);
  expect(await userHas(parts, nobody, join(closed, 'within'), 'folder')).toBe(false);
});

it('S33 refuses: to wait for what never answers', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const clock = new FakeClock();
  const reading = readUserFile({ ...parts, clock }, account, pipe);
  await clock.advance(5000);
  expect(await reading).toBe('');
});
