// The day files: names, modes, repair after crashes, foreign hands, full disks.
import {
  appendFile,
  chmod,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
} from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { Chain, START } from '../conformance/samples.ts';
import { searchableSinkConformance } from '../conformance/searchable-sink.ts';
import { realDisk, type Disk } from '../disk.ts';
import { openDirSink, type DirSink } from './sink.ts';

searchableSinkConformance('dir', async () => {
  const path = await mkdtemp(join(tmpdir(), 'gatehouse-dir-'));
  return {
    open: () => openDirSink({ path, log: silentLog }),
    remove: () => rm(path, { recursive: true }),
  };
});

let path = '';
let sink: DirSink | undefined;

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'gatehouse-dir-')), 'log');
});

afterEach(async () => {
  await sink?.close();
  sink = undefined;
  await rm(join(path, '..'), { recursive: true });
});

async function open(disk?: Disk): Promise<DirSink> {
  await sink?.close();
  sink = await openDirSink({ path, log: silentLog, disk });
  return sink;
}

const DAY = '2026-03-01.00:00:00.log';
const dayFile = (): string => join(path, DAY);
const linesIn = async (): Promise<string[]> => (await readFile(dayFile(), 'utf8')).trimEnd().split('\n');
const QUERY = { from: 0, to: Date.UTC(2100, 0), limit: 1000, order: 'asc' } as const;

describe('files', () => {
  test('ok: a file per UTC day, named and protected as documented', async () => {
    const opened = await open();
    await opened.append(new Chain({ start: Date.parse('2017-01-23T23:59:59.999Z'), stepMs: 1 }).logins(2));
    const names = (await readdir(path)).filter((name) => name.endsWith('.log'));
    expect(names.sort()).toEqual(['2017-01-23.00:00:00.log', '2017-01-24.00:00:00.log']);
    expect((await stat(path)).mode & 0o777).toBe(0o750);
    for (const name of names) expect((await stat(join(path, name))).mode & 0o777).toBe(0o640);
  });

  test('ok: each line is one canonical event', async () => {
    const records = new Chain().logins(3);
    await (await open()).append(records);
    expect(await readFile(dayFile(), 'utf8')).toBe(records.map(({ line }) => `${line}\n`).join(''));
  });

  test('refuses: a second writer of the folder, but not after the first has closed', async () => {
    const first = await open();
    await expect(openDirSink({ path, log: silentLog })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await first.close();
    await open();
  });

  test('ok: the lock of a process that no longer runs is taken over', async () => {
    await (await open()).close();
    // What the kernel held is gone with the process; the file that is left means nothing.
    expect((await stat(join(path, '.lock'))).size).toBe(0);
    await open();
  });

  test('refuses: to write through a symbolic link', async () => {
    const opened = await open();
    await symlink(join(path, '..', 'elsewhere'), dayFile());
    await expect(opened.append(new Chain().logins(1))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});

describe('repair', () => {
  test('ok: old days that cannot be written, and are whole, do not matter', async () => {
    await (await open()).append(new Chain().logins(3));
    await sink?.close();
    await chmod(dayFile(), 0o440);
    // Root may write what is read-only; not what is immutable, where the file system knows that.
    const chattr = (flag: string): unknown => spawnSync('chattr', [flag, dayFile()]);
    chattr('+i');
    try {
      const { events } = await (
        await open()
      ).search({ from: START, to: START + 10_000, limit: 10, order: 'asc' });
      expect(events).toHaveLength(3);
    } finally {
      chattr('-i');
    }
  });

  test.each([1, 2, 50, 200])(
    'ok: a line torn %i bytes before its end is moved aside and can come again',
    async (cut) => {
      const records = new Chain().logins(3);
      await (await open()).append(records);
      await sink?.close();
      await truncate(dayFile(), (await stat(dayFile())).size - 1 - cut);
      const again = await open();
      expect(await linesIn()).toEqual(records.slice(0, 2).map(({ line }) => line));
      const torn = (await readFile(join(path, '2026-03-01.torn'), 'utf8')).trimEnd();
      expect(torn).toBe(records[2]!.line.slice(0, -cut));
      await again.append(records);
      expect(await linesIn()).toEqual(records.map(({ line }) => line));
    },
  );

  test('ok: a line that lacks only its newline gets it', async () => {
    const records = new Chain().logins(3);
    await (await open()).append(records);
    await sink?.close();
    await truncate(dayFile(), (await stat(dayFile())).size - 1);
    await (await open()).append(records);
    expect(await linesIn()).toEqual(records.map(({ line }) => line));
    expect(await readdir(path)).not.toContain('2026-03-01.torn');
  });

  test('ok: zeros that a power cut left are moved aside', async () => {
    const records = new Chain().logins(2);
    await (await open()).append(records.slice(0, 1));
    await sink?.close();
    await appendFile(dayFile(), Buffer.alloc(5000));
    await (await open()).append(records);
    expect(await linesIn()).toEqual(records.map(({ line }) => line));
  });

  test('ok: whole lines stay, whatever they hold', async () => {
    await (await open()).append(new Chain().logins(1));
    await sink?.close();
    await appendFile(dayFile(), 'rubbish\n{"event":1}\n');
    await open();
    expect((await linesIn()).slice(1)).toEqual(['rubbish', '{"event":1}']);
    expect((await sink?.search(QUERY))?.events).toHaveLength(1);
  });

  test('ok: a chain that a clock set back moved to an older file goes on after a restart', async () => {
    const late = new Chain({ start: START + 86_400_000, stepMs: -43_200_000 });
    const records = late.logins(4);
    await (await open()).append(records);
    expect(await (await open()).last('auth-1')).toMatchObject({ seq: 4 });
    await sink?.append(records);
    expect((await sink?.search(QUERY))?.events).toHaveLength(4);
  });
});

describe('foreign hands', () => {
  test('ok: a file that was rotated away is made anew', async () => {
    const records = new Chain().logins(4);
    const opened = await open();
    await opened.append(records.slice(0, 2));
    await rename(dayFile(), `${dayFile()}.1`);
    await opened.append(records);
    expect(await linesIn()).toEqual(records.slice(2).map(({ line }) => line));
  });

  test('ok: something appended without a newline does not spoil the next line', async () => {
    const records = new Chain().logins(2);
    const opened = await open();
    await opened.append(records.slice(0, 1));
    await appendFile(dayFile(), 'half a li');
    await opened.append(records);
    expect(await linesIn()).toEqual(records.map(({ line }) => line));
  });

  test('ok: a file that cannot be read is reported by code', async () => {
    const opened = await open();
    await opened.append(new Chain().logins(1));
    await rm(dayFile());
    await symlink(dayFile(), dayFile());
    await expect(opened.search(QUERY)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await chmod(path, 0o750);
  });
});

/** Writes a part, then fails with `reason`, as often as told. */
function failing(reason: string, times: number): Disk {
  let left = times;
  return {
    async write(file, data, position) {
      if (left-- <= 0) return realDisk.write(file, data, position);
      await file.write(data, 0, data.length >> 1, position);
      throw Object.assign(new Error(reason), { code: reason });
    },
  };
}

describe('full disk', () => {
  test.each([
    ['ENOSPC', 'STORAGE_FULL'],
    ['EIO', 'STORAGE_FAILED'],
  ])('ok: %s gives %s, leaves nothing half-written, and the batch can come again', async (reason, code) => {
    const records = new Chain().logins(5);
    const opened = await open(failing(reason, 2));
    await expect(opened.append(records)).rejects.toMatchObject({ code });
    expect((await stat(dayFile())).size).toBe(0);
    await expect(opened.append(records)).rejects.toMatchObject({ code });
    await opened.append(records);
    await opened.append(records);
    expect(await linesIn()).toEqual(records.map(({ line }) => line));
  });

  test('ok: an index of what was taken back does not hide what comes after', async () => {
    const chain = new Chain();
    const opened = await open(failing('EIO', 0));
    await opened.append(chain.logins(500));
    await opened.search({ ...QUERY, search: 'nothing like it' });
    await opened.append(chain.logins(500));
    expect((await opened.search({ ...QUERY, user: 'user-900' })).events).toHaveLength(1);
    expect((await opened.search({ ...QUERY, user: 'user-100' })).events).toHaveLength(1);
  });
});
