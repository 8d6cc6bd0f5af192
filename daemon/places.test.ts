// The files that make a daemon the only one of its place: data directory, lock, pid file.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
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
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { prepareDataDir } from './data-dir.ts';
import { writePidFile } from './pid-file.ts';
import { formatProcessId, isRunning, parseProcessId, thisProcess } from './process-id.ts';

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
  it('ok: one at a time, given back, and no traces', async () => {
    const lock = await lockDataDir(folder);
    const error = await failure(lockDataDir(folder));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error.message).toContain(`in use by process ${process.pid}`);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
    await (await lockDataDir(folder)).release();
  });

  it('ok: of many at once exactly one wins, also over a stale lock', async () => {
    for (let round = 0; round < 30; round++) {
      if (round % 2 === 1) writeFileSync(join(folder, 'daemon.lock'), '999999 gone/1\n');
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => lockDataDir(folder)));
      const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]?.value.release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('ok: a process that died while it took over is taken over as well', async () => {
    const words = '999999 gone/1\n';
    const overOf = (text: string) =>
      join(folder, `daemon.lock.over.${createHash('sha256').update(text).digest('hex').slice(0, 32)}`);
    writeFileSync(join(folder, 'daemon.lock'), words);
    writeFileSync(overOf(words), '999998 gone/2\n');
    writeFileSync(overOf('999998 gone/2\n'), '999997 gone/3\n');
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => lockDataDir(folder)));
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]?.value.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['of a process that is gone', '999999 x/1\n'],
    ['of another process that got the number of this one', `${process.pid} other-boot/1\n`],
    ['that is damaged', 'what is this'],
    ['that is empty', ''],
  ])('ok: a lock %s is replaced', async (_, text) => {
    writeFileSync(join(folder, 'daemon.lock'), text);
    const lock = await lockDataDir(folder);
    expect(parseProcessId(readFileSync(join(folder, 'daemon.lock'), 'utf8'))?.pid).toBe(process.pid);
    await lock.release();
  });

  it('ok: a lock that another took meanwhile is not removed', async () => {
    const lock = await lockDataDir(folder);
    writeFileSync(join(folder, 'daemon.lock'), '1 other/1\n');
    await lock.release();
    expect(readFileSync(join(folder, 'daemon.lock'), 'utf8')).toBe('1 other/1\n');
  });
});

describe('process ids', () => {
  it('ok: this process runs, one that ended does not, and a number alone is not enough', async () => {
    const me = thisProcess();
    expect(isRunning(me)).toBe(true);
    expect(parseProcessId(formatProcessId(me))).toEqual(me);
    expect(isRunning({ pid: me.pid, started: 'another-boot/123' })).toBe(false);
    const child = spawn('true');
    await new Promise((resolve) => child.once('close', resolve));
    expect(isRunning({ pid: child.pid ?? 0, started: 'x/1' })).toBe(false);
  });

  it.each(['', 'abc', '12 34 56 78', '-1 x', '99999999999999 x', '1\n2'])(
    'refuses: %j is not one',
    (text) => {
      expect(parseProcessId(text)).toBeUndefined();
    },
  );
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
