// The files that make a daemon the only one of its place: data directory, lock, pid file.
import { spawn, type ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { prepareDataDir } from './data-dir.ts';
import { writePidFile } from './pid-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-places-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const failure = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );
const user = { uid: process.getuid?.() };

describe('data directory', () => {
  it('ok: made for the owner alone, also where folders above are missing, and through a link', async () => {
    const path = join(folder, 'a', 'b');
    expect(await prepareDataDir(path, user, silentLog)).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    symlinkSync(path, join(folder, 'link'));
    expect(await prepareDataDir(join(folder, 'link'), user, silentLog)).toBe(path);
  });

  it('ok: one that is open to others is closed, and that is told', async () => {
    const warnings: object[] = [];
    mkdirSync(join(folder, 'open'), { mode: 0o755 });
    const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
    await prepareDataDir(join(folder, 'open'), user, log);
    expect(statSync(join(folder, 'open')).mode & 0o777).toBe(0o700);
    expect(warnings).toEqual([expect.objectContaining({ was: '0755' })]);
  });

  it('S28 refuses: to close a folder that holds what is not ours, such as /etc or /tmp; it is left as it was', async () => {
    const path = join(folder, 'shared');
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, 'passwd'), '');
    const error = await failure(prepareDataDir(path, user, silentLog));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(error.message).toContain('passwd');
    expect(statSync(path).mode & 0o777).toBe(0o755);
    writeFileSync(join(path, 'daemon.lock'), '');
    await prepareDataDir(path, user, silentLog);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('refuses: one of another user, a file, and one that cannot be made; each with what to do', async () => {
    const foreign = await failure(prepareDataDir(folder, { uid: 12345 }, silentLog));
    expect(foreign).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(foreign.message).toMatch(/belongs to user id \d+.*chown -R 12345/);
    writeFileSync(join(folder, 'file'), '');
    expect((await failure(prepareDataDir(join(folder, 'file'), user, silentLog))).message).toContain(
      'is a file',
    );
    const under = await failure(prepareDataDir(join(folder, 'file', 'x'), user, silentLog));
    expect(under).toMatchObject({ code: 'INVALID_CONFIG' });
  });
});

describe('lock', () => {
  const MODULE = fileURLToPath(new URL('./data-dir-lock.ts', import.meta.url));
  const [lockFile, holderFile] = [() => join(folder, '.daemon.lock'), () => join(folder, 'daemon.lock')];

  /** Another process that takes the lock and keeps it until it is killed. */
  async function holder(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      `import { lockDataDir } from ${JSON.stringify(MODULE)};
       await lockDataDir(${JSON.stringify(folder)});
       process.stdout.write('taken');
       process.stdin.resume();`,
    ]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return child;
  }

  it('ok: one at a time, given back, and no traces but an empty file for the owner alone', async () => {
    const lock = await lockDataDir(folder);
    const error = await failure(lockDataDir(folder));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error.message).toContain(`in use by process ${process.pid} (\`fuser ${lockFile()}\` finds it)`);
    // Looking at it has not let go of it.
    await failure(lockDataDir(folder));
    await lock.release();
    await lock.release();
    expect(readdirSync(folder)).toEqual(['.daemon.lock']);
    const { mode, size } = statSync(lockFile());
    expect([mode & 0o777, size]).toEqual([0o600, 0]);
    await (await lockDataDir(folder)).release();
  });

  it('ok: of many at once exactly one wins, also over a stale lock', async () => {
    for (let round = 0; round < 30; round++) {
      if (round % 2 === 1) writeFileSync(holderFile(), '999999 gone/1\n');
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => lockDataDir(folder)));
      const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]?.value.release();
      expect(readdirSync(folder)).toEqual(['.daemon.lock']);
    }
  });

  it('ok: one of another process holds, whatever its file says of it, and ends with it', async () => {
    const child = await holder();
    const refused = await failure(lockDataDir(folder));
    expect(refused.message).toContain(`in use by process ${child.pid}`);
    // As in another container, where the same number is nobody, or this very process.
    for (const words of ['999999\n', `${process.pid}\n`, '', 'what is this']) {
      writeFileSync(holderFile(), words);
      expect((await failure(lockDataDir(folder))).code).toBe('UNAVAILABLE');
    }
    rmSync(holderFile());
    expect((await failure(lockDataDir(folder))).message).toContain('in use by another process');
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
    await (await lockDataDir(folder)).release();
  });

  it.each([
    ['of a process that is gone', '999999 x/1\n'],
    ['of another process that got the number of this one', `${process.pid}\n`],
    ['that is damaged', 'what is this'],
    ['that is empty', ''],
  ])('ok: a lock %s is replaced', async (_, text) => {
    writeFileSync(holderFile(), text);
    const lock = await lockDataDir(folder);
    expect(readFileSync(holderFile(), 'utf8')).toBe(`${process.pid}\n`);
    await lock.release();
  });

  it('S28 refuses: a link or a folder in the place of the lock', async () => {
    symlinkSync(join(folder, 'elsewhere'), lockFile());
    expect((await failure(lockDataDir(folder))).code).toBe('STORAGE_FAILED');
    rmSync(lockFile());
    mkdirSync(lockFile());
    expect((await failure(lockDataDir(folder))).code).toBe('STORAGE_FAILED');
    expect(readdirSync(folder)).toEqual(['.daemon.lock']);
  });
});

describe('pid file', () => {
  it('ok: replaces a stale one, readable by all, and goes; that of another process stays', async () => {
    const path = join(folder, 'a.pid');
    writeFileSync(path, '999999\n');
    const file = await writePidFile(path);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    await file.remove();
    expect(readdirSync(folder)).toEqual([]);
    const other = await writePidFile(path);
    writeFileSync(path, '1\n');
    await other.remove();
    expect(readFileSync(path, 'utf8')).toBe('1\n');
  });

  it('refuses: a place that cannot be written', async () => {
    const error = await failure(writePidFile(join(folder, 'no', 'a.pid')));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(error.message).toContain('--pid-file');
  });
});
