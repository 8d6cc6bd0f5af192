// A real disk that is full, for the spool and for the store: nothing is half-written, strict sessions end, others go on
// and say what is missing, and once there is room everything works again without a restart.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, type TestContext } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { FACTS, HOST, printed, sessionId, spoolSource } from './conformance/samples.ts';
import { openDirRecordings } from './dir/store.ts';
import { readRecording } from './read.ts';
import { openRecorder } from './recorder/open.ts';
import type { SessionRecorder } from './recorder.ts';
import { openSpool } from './spool/open.ts';
import { startUploader } from './spool/uploader.ts';
import type { RecordingFailure, Spool } from './spool.ts';
import { verifyRecording } from './verify.ts';

const mounted: string[] = [];
afterAll(() => {
  for (const place of mounted) {
    execFileSync('umount', ['--lazy', place]);
    rmSync(place, { recursive: true, force: true });
  }
});

/** A disk of its own; without the right to mount one, the test says so. */
function smallDisk(context: TestContext, size: string): string {
  const place = mkdtempSync(join(tmpdir(), 'gatehouse-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place], { stdio: 'ignore' });
  } catch {
    rmSync(place, { recursive: true });
    context.skip('no right to mount a small disk');
  }
  mounted.push(place);
  return place;
}

/** A file that takes all that is left. */
function fillDisk(path: string): void {
  const file = openSync(path, 'w');
  for (let size = 65_536; size >= 1;) {
    try {
      writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size = Math.floor(size / 2);
    }
  }
  closeSync(file);
}

const clock = new FakeClock();

async function openOn(place: string, failures: RecordingFailure[]): Promise<Spool> {
  return openSpool({
    dir: join(place, 'spool'),
    maxBytes: 1 << 30,
    clock,
    log: silentLog,
    onFailure: (failure) => failures.push(failure),
  });
}

function record(spool: Spool, session: string, mode: 'strict' | 'best_effort'): SessionRecorder {
  const kind = 'interactive';
  return openRecorder({
    spool,
    sessionId: session,
    facts: FACTS,
    mode,
    kind,
    sync: false,
    clock,
    log: silentLog,
  });
}

test('ok: R16 the disk of the host fills up while sessions run', async (context) => {
  const place = smallDisk(context, '4m');
  const failures: RecordingFailure[] = [];
  const spool = await openOn(place, failures);
  const strict = record(spool, sessionId(1), 'strict');
  const other = record(spool, sessionId(2), 'best_effort');
  await strict.started;
  other.output(Buffer.from('before '));
  await other.flush();

  const over: unknown[] = [];
  strict.failed.catch((error: unknown) => over.push(error));
  for (let at = 0; over.length === 0 && at < 1000; at++)
    if (!strict.output(randomBytes(30_000))) await strict.drained();
  await until('the strict session has to end', () => over.length > 0);
  expect(over).toMatchObject([{ code: 'STORAGE_FULL' }]);
  fillDisk(join(place, 'filler'));
  await expect(record(spool, sessionId(3), 'strict').started).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  const lost = randomBytes(400_000);
  other.output(lost);
  await expect(other.flush()).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  expect(failures.map(({ session }) => session)).toEqual([1, 3, 2].map(sessionId));

  rmSync(join(place, 'filler'));
  await until('the strict one is closed', async () => {
    await clock.advance(1000);
    return spool.closed().some(({ session, last }) => session === sessionId(1) && last);
  });
  other.output(Buffer.from('after'));
  await other.end({});
  const source = spoolSource(spool, sessionId(2));
  expect(await printed(readRecording(source))).toBe('before after');
  expect(await verifyRecording(source)).toMatchObject({ ok: true, end: { omitted_bytes: lost.length } });
  await spool.close();
});

test('ok: a host whose disk is full when it starts records once there is room', async (context) => {
  const place = smallDisk(context, '1m,nr_inodes=2');
  const failures: RecordingFailure[] = [];
  const filler = join(place, 'filler');
  closeSync(openSync(filler, 'w'));
  const spool = await openOn(place, failures);
  const recorder = record(spool, sessionId(1), 'best_effort');
  recorder.output(Buffer.from('lost '));
  await expect(recorder.flush()).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  execFileSync('mount', ['-o', 'remount,nr_inodes=100', place]);
  await clock.advance(10_000);
  recorder.output(Buffer.from('kept'));
  await recorder.end({});
  expect(await printed(readRecording(spoolSource(spool, sessionId(1))))).toBe('kept');
  await spool.close();
});

test('ok: the disk of the store fills up while hosts upload', async (context) => {
  const place = smallDisk(context, '8m');
  const host = mkdtempSync(join(tmpdir(), 'gatehouse-host-'));
  try {
    const store = await openDirRecordings({ path: join(place, 'sessions'), clock: systemClock });
    const failures: RecordingFailure[] = [];
    const spool = await openOn(host, failures);
    const uploader = startUploader({
      spool,
      clock,
      log: silentLog,
      target: {
        putSegment: (upload) => store.putSegment(HOST, upload),
        complete: async (completion) => void (await store.complete(HOST, completion)),
        putWhole: async (uploads) => void (await store.putWhole(HOST, uploads)),
      },
    });
    fillDisk(join(place, 'filler'));
    const shown = new Map<string, string>();
    for (let n = 1; n <= 6; n++) {
      const recorder = record(spool, sessionId(n), 'best_effort');
      const bytes = randomBytes(n === 1 ? 3_000_000 : 10_000);
      for (let at = 0; at < bytes.length; at += 50_000)
        if (!recorder.output(bytes.subarray(at, at + 50_000))) await recorder.drained();
      await recorder.end({});
      shown.set(sessionId(n), bytes.toString('latin1'));
    }
    for (let second = 0; second < 100; second++) await clock.advance(1000);
    await until('it was tried', () => !uploader.status().healthy);
    expect(uploader.status().waiting).toBe(6);

    rmSync(join(place, 'filler'));
    let isDone = false;
    void uploader.flush().then(() => (isDone = true));
    await until('everything is uploaded', async () => {
      await clock.advance(1000);
      return isDone;
    });
    for (const [session, text] of shown) {
      expect((await printed(readRecording(store.source(session)))) === text).toBe(true);
      expect(await verifyRecording(store.source(session))).toMatchObject({ ok: true });
    }
    expect((await store.list({ limit: 100 })).recordings).toHaveLength(6);
    expect(failures).toEqual([]);
    await uploader.close();
    await spool.close();
    await store.close();
  } finally {
    rmSync(host, { recursive: true });
  }
});
