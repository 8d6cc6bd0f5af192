import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import { printed, sampleSegments, sessionId } from '../conformance/samples.ts';
import { openTestSpool, type TestSpool } from '../conformance/test-spool.ts';
import { readRecording } from '../read.ts';
import { verifyRecording } from '../verify.ts';
import { nameOf } from './names.ts';

const folder = tempFolder();
const SESSION = sessionId(1);

/** A folder as a dead process left it. */
async function deadSpool(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const dir = join(folder, randomUUID());
  const dead = join(dir, 'p999999999-0.aaaa');
  await mkdir(dead, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dead, name), bytes);
  return dir;
}

const at = (number: number, state: 'part' | 'seg' | 'end'): string =>
  nameOf({ session: SESSION, number, state });

/** Three segments without an end, each of two blocks: one, two, three… */
async function unended(): Promise<[Buffer, Buffer, Buffer]> {
  const words = ['one ', 'two ', 'three ', 'four ', 'five ', 'six '];
  const segments = [0, 2, 4].map((first) =>
    words.slice(first, first + 2).map((output, index) => [{ at: (first + index) * 1000, output }]),
  );
  return (await sampleSegments({ session: SESSION, segments, end: null })) as [Buffer, Buffer, Buffer];
}

async function textOf({ source }: TestSpool): Promise<string> {
  return printed(readRecording(source(SESSION)));
}

describe('what a dead process left', () => {
  test('ok: an open segment gets an end after its last whole block', async () => {
    const [one, two] = await unended();
    for (const cut of [0, 1, 20]) {
      const dir = await deadSpool({
        [at(1, 'seg')]: one,
        [at(2, 'part')]: two.subarray(0, two.length - cut),
      });
      const opened = await openTestSpool(folder, { dir });
      expect(await textOf(opened)).toBe(cut === 0 ? 'one two three four ' : 'one two three ');
      expect(await verifyRecording(opened.source(SESSION))).toMatchObject({
        ok: true,
        end: { reason: 'interrupted', segments: 2 },
      });
    }
  });

  test('ok: every byte that was written before it is kept, wherever the file was cut', async () => {
    const [one] = await unended();
    for (let length = 0; length <= one.length; length += 3) {
      const dir = await deadSpool({ [at(1, 'part')]: one.subarray(0, length) });
      const opened = await openTestSpool(folder, { dir });
      const closed = opened.spool.closed();
      if (closed.length === 0) continue;
      const text = await textOf(opened);
      expect(['one ', 'one two ']).toContain(text);
      expect(await verifyRecording(opened.source(SESSION))).toMatchObject({ ok: true });
    }
  });

  test('ok: damage in the middle hides nothing that follows', async () => {
    const words = ['one ', 'two ', 'three '];
    const blocks = words.map((output, index) => [{ at: index, output }]);
    const [made] = await sampleSegments({ session: SESSION, segments: [blocks], end: null });
    const [one] = await sampleSegments({ session: SESSION, segments: [blocks.slice(0, 1)], end: null });
    made![one!.length + 5]! ^= 1;
    const opened = await openTestSpool(folder, { dir: await deadSpool({ [at(1, 'part')]: made! }) });
    expect(await textOf(opened)).toBe('one three ');
    expect((await verifyRecording(opened.source(SESSION))).findings).toMatchObject([{ kind: 'damaged' }]);
  });

  test.each([
    ['is empty', Buffer.alloc(0)],
    ['holds noise', Buffer.from('noise noise noise noise noise')],
  ])('ok: when the open segment %s, the end gets a segment of its own', async (_, bytes) => {
    const [one, two] = await unended();
    const dir = await deadSpool({ [at(1, 'seg')]: one, [at(2, 'seg')]: two, [at(3, 'part')]: bytes });
    const opened = await openTestSpool(folder, { dir });
    expect(await textOf(opened)).toBe('one two three four ');
    expect(await verifyRecording(opened.source(SESSION))).toMatchObject({ ok: true, segments: 3 });
  });

  test('ok: the first segments may be uploaded and gone', async () => {
    const [, two] = await unended();
    const opened = await openTestSpool(folder, { dir: await deadSpool({ [at(2, 'seg')]: two }) });
    expect(opened.spool.closed()).toMatchObject([
      { number: 2, last: false },
      { number: 3, last: true },
    ]);
  });

  test('ok: a recording that had ended is left as it is', async () => {
    const [made] = await sampleSegments({ session: SESSION, segments: [[[{ at: 0, output: 'done' }]]] });
    for (const state of ['end', 'part'] as const) {
      const opened = await openTestSpool(folder, { dir: await deadSpool({ [at(1, state)]: made! }) });
      expect(opened.spool.closed()).toMatchObject([{ number: 1, last: true, bytes: made!.length }]);
      expect(await verifyRecording(opened.source(SESSION))).toMatchObject({
        ok: true,
        end: { reason: 'closed' },
      });
    }
  });

  test('ok: on a full disk it is finished later', async () => {
    const [one] = await unended();
    const dir = await deadSpool({});
    const opened = await openTestSpool(folder, { dir });
    opened.disk.writeError = 'ENOSPC';
    const dead = join(dir, 'p999999999-0.bbbb');
    await mkdir(dead);
    await writeFile(join(dead, at(1, 'part')), one);
    await opened.spool.adopt();
    expect(opened.spool.closed()).toEqual([]);
    opened.disk.writeError = undefined;
    await opened.spool.adopt();
    expect(await textOf(opened)).toBe('one two ');
    expect(await verifyRecording(opened.source(SESSION))).toMatchObject({ ok: true });
  });

  test('ok: what another running process writes is not touched', async () => {
    const dir = join(folder, randomUUID());
    const first = await openTestSpool(folder, { dir });
    const recorder = first.record({ sessionId: SESSION });
    recorder.output(Buffer.from('running'));
    await recorder.flush();
    const second = await openTestSpool(folder, { dir });
    expect(second.spool.closed()).toEqual([]);
    await recorder.end({});
    expect(await textOf(first)).toBe('running');
    expect(second.spool.closed()).toEqual([]);
  });

  test('ok: what a process left in order is taken over by the next', async () => {
    const dir = join(folder, randomUUID());
    const first = await openTestSpool(folder, { dir });
    const ended = first.record({ sessionId: SESSION });
    ended.output(Buffer.from('ended'));
    await ended.end({});
    const open = first.record({ sessionId: sessionId(2) });
    open.output(Buffer.from('open'));
    await open.flush();
    await first.spool.close();
    const second = await openTestSpool(folder, { dir });
    expect(second.spool.closed()).toHaveLength(2);
    expect(second.spool.usedBytes()).toBeGreaterThan(100);
    expect(await textOf(second)).toBe('ended');
    expect(await verifyRecording(second.source(sessionId(2)))).toMatchObject({
      end: { reason: 'interrupted' },
    });
  });

  test('ok: files that are not ours are put aside', async () => {
    const dir = await deadSpool({ 'core.1234': Buffer.from('x') });
    await openTestSpool(folder, { dir });
    expect(await readdir(join(dir, 'quarantine'))).toEqual(['core.1234']);
  });

  test('S28 a link in place of a segment is not followed', async () => {
    const dir = await deadSpool({});
    const victim = join(folder, 'victim');
    await writeFile(victim, 'keep me');
    await symlink(victim, join(dir, 'p999999999-0.aaaa', at(1, 'part')));
    const { spool } = await openTestSpool(folder, { dir });
    expect(spool.closed()).toEqual([]);
    expect(await readFile(victim, 'utf8')).toBe('keep me');
  });
});

describe('the folder', () => {
  test('ok: only its owner may read it', async () => {
    const { spool, record } = await openTestSpool(folder);
    const recorder = record();
    await recorder.end({});
    const [segment] = spool.closed();
    expect((await stat(spool.dir)).mode & 0o777).toBe(0o700);
    expect((await stat(segment!.path)).mode & 0o777).toBe(0o600);
  });

  test('ok: R34 fifty commands that end at once leave one small file each', async () => {
    const { spool, record } = await openTestSpool(folder);
    const recorders = Array.from({ length: 50 }, () => record({ kind: 'exec' }));
    for (const recorder of recorders) recorder.output(Buffer.from('changed: [host]\r\n'));
    await Promise.all(recorders.map((recorder) => recorder.end({ exit_code: 0 })));
    const closed = spool.closed();
    expect(closed).toHaveLength(50);
    expect(Math.max(...closed.map(({ bytes }) => bytes))).toBeLessThan(1000);
    expect(spool.usedBytes()).toBe(closed.reduce((sum, { bytes }) => sum + bytes, 0));
  });

  test('refuses: more than it may hold, and takes more once there is room', async () => {
    const { spool, record } = await openTestSpool(folder, { maxBytes: 2000 });
    const first = record({ mode: 'strict' });
    await first.end({});
    for (let sessions = 1; spool.usedBytes() < 1700; sessions++) await record().end({});
    const refused = record({ mode: 'strict' });
    await expect(refused.started).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    for (const segment of spool.closed()) await spool.remove(segment);
    expect(spool.usedBytes()).toBe(0);
    const welcome = record({ mode: 'strict' });
    await welcome.started;
    await welcome.end({});
  });

  test('ok: removing twice, and what somebody else removed', async () => {
    const { spool, record } = await openTestSpool(folder);
    await record().end({});
    const [segment] = spool.closed();
    await spool.remove(segment!);
    await spool.remove(segment!);
    expect(spool.usedBytes()).toBe(0);
    expect(spool.closed()).toEqual([]);
  });

  test('ok: a torn write is cut off before the next', async () => {
    const opened = await openTestSpool(folder);
    const header = Buffer.from('header');
    const segment = await opened.spool.begin(SESSION, 1, header);
    await segment.append(Buffer.from('-good'));
    opened.disk.writeError = 'EIO';
    await expect(segment.append(Buffer.from('-torn'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    opened.disk.writeError = undefined;
    await segment.append(Buffer.from('-more'));
    await segment.close(true);
    expect(await readFile(opened.spool.closed()[0]!.path, 'utf8')).toBe('header-good-more');
    await truncate(opened.spool.closed()[0]!.path, 0);
  });
});
