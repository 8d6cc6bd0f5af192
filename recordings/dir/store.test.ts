// The suite of stores holds S18, S26 and S33 for this store; what follows it is about files.
import { randomUUID } from 'node:crypto';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { recordingStoreConformance } from '../conformance/store.ts';
import {
  HOST,
  OTHER_HOST,
  sessionId,
  START,
  threeSegments,
  uploadOf,
  wholeSegment,
} from '../conformance/samples.ts';
import { FaultyDisk } from '../conformance/test-spool.ts';
import { sha256 } from '../format/segment.ts';
import type { RecordingStore } from '../store.ts';
import { openDirRecordings } from './store.ts';

const folder = tempFolder();
const SESSION = sessionId(1);

recordingStoreConformance('dir', () => {
  const path = join(folder, randomUUID());
  const clock = new FakeClock(START);
  return Promise.resolve({
    clock,
    open: () => openDirRecordings({ path, clock }),
    remove: () => rm(path, { recursive: true, force: true }),
  });
});

interface Opened {
  readonly store: RecordingStore;
  readonly path: string;
  readonly disk: FaultyDisk;
}

async function open(path = join(folder, randomUUID())): Promise<Opened> {
  const disk = new FaultyDisk();
  const store = await openDirRecordings({ path, clock: new FakeClock(START), disk });
  return { store, path, disk };
}

async function put(store: RecordingStore, session = SESSION): Promise<void> {
  const bytes = await wholeSegment(session);
  await store.putWhole(HOST, [{ session, bytes, sha256: sha256(bytes) }]);
}

describe('the folder', () => {
  test('ok: it is laid out as documented, and others may not read it', async () => {
    const { store, path } = await open();
    const [first] = await threeSegments(SESSION);
    await store.putSegment(HOST, uploadOf(SESSION, 1, first!));
    await put(store, sessionId(2));
    const names = (await readdir(path, { recursive: true })).toSorted();
    expect(names).toEqual(
      [
        'default',
        `default/${SESSION}`,
        `default/${SESSION}/000001.segment`,
        `default/${SESSION}/owner.json`,
        `default/${sessionId(2)}.segment`,
        'index',
        'index/2026-03-01.index',
        'tmp',
      ].toSorted(),
    );
    for (const name of names) expect((await stat(join(path, name))).mode & 0o027).toBe(0);
  });

  test('ok: what a crash left half-written is removed after a while', async () => {
    const { path } = await open();
    const now = Date.parse(START) / 1000;
    for (const [name, age] of [
      ['old', 7200],
      ['new', 60],
    ] as const) {
      await writeFile(join(path, 'tmp', name), 'half');
      await utimes(join(path, 'tmp', name), now - age, now - age);
    }
    await open(path);
    expect(await readdir(join(path, 'tmp'))).toEqual(['new']);
  });

  test('S28 a link in place of a recording is neither written to nor read', async () => {
    const { store, path } = await open();
    const victim = join(folder, 'secret');
    await writeFile(victim, 'secret');
    await symlink(victim, join(path, 'default', `${SESSION}.segment`));
    await expect(put(store)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const read = async (): Promise<void> => {
      for await (const piece of store.source(SESSION).open(1)) expect(piece).toBeUndefined();
    };
    await expect(read()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await readFile(victim, 'utf8')).toBe('secret');
  });

  test('S33 refuses: uploads that would take the last of the disk from the audit log; what is there is still completed', async () => {
    const path = join(folder, randomUUID());
    let free = 1024 ** 3 + 1024 ** 2;
    const space = async () => ({ free, total: 100 * 1024 ** 3 });
    const store = await openDirRecordings({ path, clock: new FakeClock(START), space });
    const [first, ...others] = await threeSegments(SESSION);
    await store.putSegment(HOST, uploadOf(SESSION, 1, first!));
    free = 1024 ** 3;
    await expect(store.putSegment(HOST, uploadOf(SESSION, 2, others[0]!))).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    });
    await expect(put(store, sessionId(2))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(await store.get(sessionId(2))).toBeUndefined();
    const completion = { session: SESSION, segments: 1, head: sha256(first!), missing: [] };
    expect(await store.complete(HOST, completion)).toMatchObject({ segments: 1 });
    // A twentieth of a small disk.
    const small = {
      path,
      clock: new FakeClock(START),
      space: async () => ({ free: 3 << 20, total: 40 << 20 }),
    };
    await put(await openDirRecordings(small), sessionId(2));
  });

  test('S18 refuses: a recording in one piece and in segments at once, whoever is first', async () => {
    for (let round = 0; round < 20; round++) {
      const { store, path } = await open();
      const [, second] = await threeSegments(SESSION);
      const uploads = [
        () => put(store),
        () => store.putSegment(OTHER_HOST, uploadOf(SESSION, 2, second!)),
      ].map((upload) => upload());
      if (round % 2 === 0) uploads.reverse();
      const ends = await Promise.allSettled(uploads);
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const names = (await readdir(join(path, 'default'))).filter((name) => name.startsWith(SESSION));
      expect(names).toHaveLength(1);
    }
  });

  test('ok: a recording that was damaged where it lies does not hide the others', async () => {
    const { store, path } = await open();
    await put(store, sessionId(1));
    await put(store, sessionId(2));
    await truncate(join(path, 'default', `${sessionId(1)}.segment`), 0);
    expect(await store.get(sessionId(1))).toMatchObject({ status: 'interrupted' });
    expect((await store.list({ limit: 10 })).recordings).toHaveLength(2);
    expect(await store.remove(sessionId(1))).toBe(true);
  });
});

describe('the index', () => {
  const indexOf = (path: string): string => join(path, 'index', '2026-03-01.index');

  test('ok: half a line of a crash and lines of noise hide nothing', async () => {
    const { store, path } = await open();
    await put(store, sessionId(1));
    await appendFile(indexOf(path), 'noise\n\n000000000000000 half a li');
    await put(store, sessionId(2));
    await appendFile(indexOf(path), `${'9'.repeat(15)} ${sessionId(3)} {"no": json`);
    const found = (await store.list({ limit: 10 })).recordings.map(({ session }) => session);
    expect(found.toSorted()).toEqual([sessionId(1), sessionId(2)]);
  });

  test('ok: a question that few answer is answered in parts', async () => {
    const { store, path } = await open();
    await put(store, sessionId(1));
    const line = (await readFile(indexOf(path), 'utf8')).trimEnd();
    const lines = Array.from({ length: 25_000 }, (_, at) =>
      line
        .replaceAll(sessionId(1), sessionId(at + 2))
        .replace('"alice"', at === 24_999 ? '"bob"' : '"alice"'),
    );
    await appendFile(indexOf(path), `${lines.join('\n')}\n`);
    const first = await store.list({ limit: 10, user: 'nobody' });
    expect(first.recordings).toEqual([]);
    expect(first.next).toBeDefined();
    const rest = await store.list({ limit: 10, user: 'nobody', cursor: first.next! });
    expect(rest).toEqual({ recordings: [] });
    expect((await store.list({ limit: 1, user: 'bob' })).recordings).toHaveLength(1);
  });

  test('ok: other files in the folder are not read', async () => {
    const { store, path } = await open();
    await mkdir(join(path, 'index', 'backup'));
    await writeFile(join(path, 'index', 'notes.txt'), 'x');
    expect(await store.list({ limit: 1 })).toEqual({ recordings: [] });
  });
});

describe('a full disk', () => {
  test.each([
    ['ENOSPC', 'STORAGE_FULL'],
    ['EIO', 'STORAGE_FAILED'],
  ])('ok: %s is %s, nothing is half there, and the upload can come again', async (error, code) => {
    const { store, path, disk } = await open();
    const [first] = await threeSegments(SESSION);
    const upload = uploadOf(SESSION, 1, first!);
    disk.writeError = error;
    await expect(store.putSegment(HOST, upload)).rejects.toMatchObject({ code });
    await expect(put(store, sessionId(2))).rejects.toMatchObject({ code });
    expect(await store.get(sessionId(2))).toBeUndefined();
    expect(await readdir(join(path, 'tmp'))).toEqual([]);
    disk.writeError = undefined;
    await store.putSegment(HOST, upload);
    await put(store, sessionId(2));
    expect((await store.list({ limit: 10 })).recordings).toHaveLength(2);
  });

  test('ok: an index that could not be written is written when the upload comes again', async () => {
    const { store, disk } = await open();
    const bytes = await wholeSegment(SESSION);
    const upload = { session: SESSION, bytes, sha256: sha256(bytes) };
    const write = disk.write.bind(disk);
    let writes = 0;
    disk.write = (file, data, position) => {
      if (++writes === 2) disk.writeError = 'ENOSPC';
      return write(file, data, position);
    };
    await expect(store.putWhole(HOST, [upload])).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    disk.writeError = undefined;
    await store.putWhole(HOST, [upload]);
    expect((await store.list({ limit: 10 })).recordings).toHaveLength(1);
  });
});
