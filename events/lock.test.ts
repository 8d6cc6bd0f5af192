// The lock of an audit folder: against this process, other processes, other containers, and after a kill.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import { lockFolder } from './lock.ts';

const home = tempFolder();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(home, 'lock-'));
});

const MODULE = pathToFileURL(join(import.meta.dirname, 'lock.ts')).href;
/** Takes the lock, says so or why not, and stays. */
const script = (stay: boolean): string[] => [
  '--input-type=module',
  '--eval',
  `import { lockFolder } from ${JSON.stringify(MODULE)};
   const answer = await lockFolder(${JSON.stringify(folder)}).then(() => 'taken', (error) => error.code);
   process.stdout.write(answer);
   ${stay ? 'process.stdin.resume();' : ''}`,
];
const tryElsewhere = (): string =>
  spawnSync(process.execPath, script(false), { encoding: 'utf8', cwd: import.meta.dirname }).stdout;

test('refuses: a second part of this process; the folder is free again at once', async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(tryElsewhere()).toBe('UNAVAILABLE');
  lock.release();
  lock.release();
  (await lockFolder(folder)).release();
  expect(readdirSync(folder)).toEqual(['.lock']);
  expect(statSync(join(folder, '.lock')).size).toBe(0);
});

test('refuses: a process in another container, where our process id is of somebody else', async () => {
  const lock = await lockFolder(folder);
  const { stdout } = spawnSync(
    'unshare',
    ['--pid', '--fork', '--mount-proc', process.execPath, ...script(false)],
    { encoding: 'utf8', cwd: import.meta.dirname },
  );
  // Only root may make containers; others ask from a process like ours.
  expect(stdout || tryElsewhere()).toBe('UNAVAILABLE');
  lock.release();
});

test('ok: of many that start at once exactly one has it', async () => {
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  const taken = results.filter(({ status }) => status === 'fulfilled');
  expect(taken).toHaveLength(1);
});

test('ok: what a killed process had is free at once', async () => {
  const holder = spawn(process.execPath, script(true), { cwd: import.meta.dirname });
  const [answer] = (await once(holder.stdout, 'data')) as [Buffer];
  expect(answer.toString()).toBe('taken');
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await lockFolder(folder)).release();
});

test('S28 a link in place of the lock is not followed, and a file of something else is left alone', async () => {
  const target = join(home, 'precious');
  writeFileSync(target, '');
  symlinkSync(target, join(folder, '.lock'));
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  const other = mkdtempSync(join(home, 'lock-'));
  writeFileSync(join(other, '.lock'), 'what somebody wrote here '.repeat(100));
  await expect(lockFolder(other)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(statSync(join(other, '.lock')).size).toBe(2500);
});
