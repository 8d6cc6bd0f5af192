import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FakeClock } from '#test/kit/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { printed, sessionId, START } from '../conformance/samples.ts';
import { openTestSpool } from '../conformance/test-spool.ts';
import type { Frame } from '../format/frames.ts';
import { readRecording } from '../read.ts';
import type { RecordingSource } from '../source.ts';
import { playAsJson } from '../playback/export.ts';
import { verifyRecording } from '../verify.ts';

const folder = tempFolder();
const SESSION = sessionId(1);

/** The clock moves on, a second at a time, until it is so: disks take their own time. */
function advanceUntil(
  clock: FakeClock,
  what: string,
  probe: () => boolean | Promise<boolean>,
): Promise<boolean> {
  return until(what, async () => {
    await clock.advance(1000);
    return probe();
  });
}

async function framesOf(source: RecordingSource): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readRecording(source)) frames.push(frame);
  return frames;
}

describe('an interactive session', () => {
  test('ok: what was shown is there, in order and time, from start to end', async () => {
    const { record, clock, source, spool } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    recorder.output(Buffer.from('login\r\n'));
    await clock.advance(1500);
    recorder.resize(120, 40);
    recorder.event('port', { dst_port: 80 });
    await advanceUntil(clock, 'the first segment is closed', () => spool.closed().length === 1);
    const at = clock.now() - Date.parse(START);
    recorder.stderr(Buffer.from('bye\r\n'));
    await recorder.end({ exit_code: 3, participants: ['alice', 'bob'] });
    const frames = await framesOf(source(SESSION));
    expect(frames.map(({ type, at }) => [type, at])).toEqual([
      ['start', 0],
      ['output', 0],
      ['resize', 1500],
      ['event', 1500],
      ['stderr', at],
      ['end', at],
    ]);
    expect(frames[0]).toMatchObject({ meta: { sid: SESSION, user: 'alice', kind: 'interactive' } });
    const end = {
      reason: 'closed',
      exit_code: 3,
      participants: ['alice', 'bob'],
      output_bytes: 7,
      stderr_bytes: 5,
    };
    expect(frames.at(-1)).toMatchObject({ end: { ...end, segments: 2, omitted_bytes: 0 } });
    expect(await verifyRecording(source(SESSION))).toMatchObject({ ok: true });
  });

  test('ok: the bytes are copied: the caller may use its buffer again', async () => {
    const { record, source } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    const buffer = Buffer.from('first');
    recorder.output(buffer);
    buffer.write('XXXXX');
    await recorder.end({});
    expect(await printed(readRecording(source(SESSION)))).toBe('first');
  });

  test('ok: a flood keeps every byte, in segments and with the session told to wait', async () => {
    const { record, source, spool } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    const pieces: Buffer[] = [];
    let waits = 0;
    for (let at = 0; at < 400; at++) {
      const piece = randomBytes(20_000);
      pieces.push(piece);
      if (recorder.output(piece)) continue;
      waits++;
      await recorder.drained();
    }
    await recorder.end({});
    expect(waits).toBeGreaterThan(0);
    expect(spool.closed().filter(({ session }) => session === SESSION).length).toBeGreaterThan(3);
    expect((await printed(readRecording(source(SESSION)))) === Buffer.concat(pieces).toString('latin1')).toBe(
      true,
    );
    expect(await verifyRecording(source(SESSION))).toMatchObject({ ok: true });
  });

  test('ok: set back clocks do not turn time back, and blocks still leave', async () => {
    const { record, clock, source, spool } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    recorder.output(Buffer.from('a'));
    await clock.advance(1000);
    clock.step(-3_600_000);
    recorder.output(Buffer.from('b'));
    await clock.advance(2000);
    recorder.output(Buffer.from('c'));
    await until('the first block is on disk', async () => (await partBytes(spool.dir)) > 0);
    await recorder.end({});
    const times = (await framesOf(source(SESSION))).map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(10_000);
  });

  test('ok: end may be called again, and nothing comes after it', async () => {
    const { record, source } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    recorder.output(Buffer.from('shown'));
    await Promise.all([recorder.end({}), recorder.end({ exit_code: 7 })]);
    expect(recorder.output(Buffer.from('late'))).toBe(true);
    recorder.event('late', {});
    await recorder.end({});
    const frames = await framesOf(source(SESSION));
    expect(frames.map(({ type }) => type)).toEqual(['start', 'output', 'end']);
  });

  test('refuses: S33 an event that is too large; its name is kept', async () => {
    const { record, source } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    recorder.event('exec', { command: 'x'.repeat(40_000) });
    await recorder.end({ participants: Array.from({ length: 5000 }, () => 'x'.repeat(2000)) });
    const frames = await framesOf(source(SESSION));
    expect(frames[1]).toMatchObject({ name: 'exec', fields: { truncated: true } });
    expect(frames.at(-1)).toMatchObject({ type: 'end' });
  });

  test('refuses: S26 a session id that is a path', async () => {
    const { record } = await openTestSpool(folder);
    expect(() => record({ sessionId: '../../etc/cron.d/x' })).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });
});

async function partBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(dir, { recursive: true }))
    if (name.endsWith('.part')) bytes += (await readFile(join(dir, name))).length;
  return bytes;
}

describe('when segments leave', () => {
  const segments = (spool: Awaited<ReturnType<typeof openTestSpool>>['spool']): number =>
    spool.closed().length;

  test('ok: live ones after seconds, and later ones after more', async () => {
    const { record, clock, spool } = await openTestSpool(folder);
    const recorder = record({ sync: true });
    const closedAfter: number[] = [];
    for (let second = 1; second <= 120; second++) {
      recorder.output(Buffer.from('.'));
      const before = segments(spool);
      await clock.advance(1000);
      await recorder.flush();
      // Closing goes on in the background.
      if (second % 5 === 0) await recorder.flush();
      if (segments(spool) > before) closedAfter.push(second);
    }
    expect(closedAfter.length).toBeGreaterThanOrEqual(4);
    expect(closedAfter.length).toBeLessThanOrEqual(8);
    expect(closedAfter[0]).toBeLessThanOrEqual(9);
    await recorder.end({});
  });

  test('ok: spooled ones wait, and nothing is written while nothing is shown', async () => {
    const { record, clock, spool, disk } = await openTestSpool(folder);
    const recorder = record();
    recorder.output(Buffer.from('$ '));
    await clock.advance(3000);
    await until('the block is written', () => disk.writes === 1);
    await clock.advance(120_000);
    expect(segments(spool)).toBe(0);
    expect(disk.writes).toBe(1);
    await advanceUntil(clock, 'the segment is closed', () => segments(spool) === 1);
    await clock.advance(86_400_000);
    expect(disk.writes).toBe(1);
    await recorder.end({});
  });
});

describe('a command without a terminal', () => {
  test('ok: R34 the first 64 KiB are kept, the rest is counted, and the disk is written to once', async () => {
    const { record, source, disk, spool } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION, kind: 'exec' });
    const piece = randomBytes(10_000);
    for (let at = 0; at < 1000; at++) expect(recorder.output(piece)).toBe(true);
    recorder.stderr(Buffer.from('failed'));
    await recorder.end({ exit_code: 1 });
    expect(disk.writes).toBe(1);
    expect(spool.closed()).toMatchObject([{ session: SESSION, number: 1, last: true }]);
    const frames = await framesOf(source(SESSION));
    const kept = frames.filter(({ type }) => type === 'output' || type === 'stderr');
    expect(kept.reduce((sum, frame) => sum + ('bytes' in frame ? frame.bytes.length : 0), 0)).toBe(65_536);
    expect(frames.at(-2)).toMatchObject({ type: 'gap', omittedBytes: 10_000_006 - 65_536 });
    expect(frames.at(-1)).toMatchObject({
      end: { output_bytes: 10_000_000, stderr_bytes: 6, omitted_bytes: 10_000_006 - 65_536 },
    });
  });

  test('ok: strict keeps all of it', async () => {
    const { record, source } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION, kind: 'exec', mode: 'strict' });
    await recorder.started;
    for (let at = 0; at < 30; at++) if (!recorder.output(Buffer.alloc(10_000, 'x'))) await recorder.drained();
    await recorder.end({});
    expect((await printed(readRecording(source(SESSION)))).length).toBe(300_000);
  });

  test('ok: one that runs long is on disk before it ends', async () => {
    const { record, clock, disk } = await openTestSpool(folder);
    const recorder = record({ kind: 'exec' });
    recorder.output(Buffer.from('following the log'));
    await clock.advance(9000);
    expect(disk.writes).toBe(0);
    await clock.advance(2000);
    await until('it is written', () => disk.writes === 1);
    await recorder.end({});
  });
});

describe('a disk that fails', () => {
  test('ok: best_effort leaves out what does not fit, says how much, and goes on when there is room', async () => {
    const { record, clock, source, disk, failures } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION });
    recorder.output(Buffer.from('before '));
    recorder.resize(100, 30);
    await recorder.flush();
    disk.writeError = 'ENOSPC';
    recorder.output(Buffer.from('lost while writing '));
    await expect(recorder.flush()).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    recorder.output(Buffer.from('lost before'));
    await clock.advance(10_000);
    recorder.output(Buffer.from('tried again '));
    await expect(recorder.flush()).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    disk.writeError = undefined;
    await clock.advance(10_000);
    recorder.output(Buffer.from('after'));
    await recorder.end({});
    expect(await printed(readRecording(source(SESSION)))).toBe('before after');
    const lost = 'lost while writing lost beforetried again '.length;
    const frames = await framesOf(source(SESSION));
    const gap = frames.findIndex(({ type }) => type === 'gap');
    expect(frames.slice(gap, gap + 2)).toMatchObject([
      { omittedBytes: lost },
      { type: 'resize', columns: 100, rows: 30 },
    ]);
    expect(frames.at(-1)).toMatchObject({ end: { reason: 'closed', omitted_bytes: lost } });
    expect(failures).toMatchObject([{ session: SESSION, step: 'write', code: 'STORAGE_FULL' }]);
    expect(await verifyRecording(source(SESSION))).toMatchObject({ ok: true });
  });

  test('ok: best_effort ends at once on a full disk, and writes the end when there is room', async () => {
    const { record, clock, source, disk } = await openTestSpool(folder);
    disk.writeError = 'ENOSPC';
    const recorder = record({ sessionId: SESSION });
    recorder.output(Buffer.from('never kept'));
    await recorder.end({ exit_code: 0 });
    disk.writeError = undefined;
    await advanceUntil(
      clock,
      'the end is written',
      async () => (await source(SESSION).segments()).length === 1,
    );
    const frames = await framesOf(source(SESSION));
    expect(frames.map(({ type }) => type)).toEqual(['start', 'gap', 'end']);
  });

  test('refuses: R16 strict: the session ends as soon as something cannot be kept', async () => {
    const { record, source, disk, clock, failures } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION, mode: 'strict' });
    await recorder.started;
    recorder.output(Buffer.from('kept'));
    await recorder.flush();
    disk.writeError = 'EIO';
    recorder.output(Buffer.from('lost'));
    await clock.advance(2000);
    await expect(recorder.failed).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(recorder.end({})).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(recorder.drained()).resolves.toBeUndefined();
    expect(failures).toHaveLength(1);
    disk.writeError = undefined;
    await advanceUntil(
      clock,
      'the end is written',
      async () => (await source(SESSION).segments()).length === 1,
    );
    expect((await framesOf(source(SESSION))).at(-1)).toMatchObject({
      end: { reason: 'failed', omitted_bytes: 4 },
    });
  });

  test('refuses: strict: a session that cannot even begin to be recorded', async () => {
    const { record } = await openTestSpool(folder, { maxBytes: 10 });
    const recorder = record({ mode: 'strict' });
    await expect(recorder.started).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    await expect(recorder.failed).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  });

  test('refuses: strict: what is not on stable storage is not kept', async () => {
    const { record, disk } = await openTestSpool(folder);
    disk.syncError = 'EIO';
    const recorder = record({ mode: 'strict' });
    await expect(recorder.started).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test.each(['close', 'last'] as const)(
    'ok: a segment whose sync fails at the %s is closed later',
    async (when) => {
      const { record, source, disk, clock, spool } = await openTestSpool(folder);
      const recorder = record({ sessionId: SESSION });
      recorder.output(Buffer.from('one '));
      if (when === 'close') {
        await clock.advance(3000);
        await until('it is written', () => disk.writes === 1);
        disk.syncError = 'EIO';
        await clock.advance(700_000);
      } else {
        disk.syncError = 'EIO';
        await recorder.end({});
      }
      disk.syncError = undefined;
      const count = when === 'close' ? 1 : 0;
      if (count === 1) await advanceUntil(clock, 'it is closed', () => spool.closed().length === 1);
      recorder.output(Buffer.from('two'));
      await recorder.end({});
      await advanceUntil(clock, 'the last is closed', () => spool.closed().length === count + 1);
      expect(await printed(readRecording(source(SESSION)))).toBe(when === 'close' ? 'one two' : 'one ');
      expect(await verifyRecording(source(SESSION))).toMatchObject({ ok: true });
    },
  );
});

describe('S33 a session that does not wait', () => {
  test('ok: best_effort leaves out what is too much', async () => {
    const { record, source, disk, failures } = await openTestSpool(folder);
    let open = (): void => undefined;
    disk.gate = new Promise((resolve) => (open = resolve));
    const recorder = record({ sessionId: SESSION });
    const piece = randomBytes(100_000);
    for (let at = 0; at < 100; at++) recorder.output(piece);
    open();
    await recorder.drained();
    recorder.output(Buffer.from('after'));
    await recorder.end({});
    const text = await printed(readRecording(source(SESSION)));
    expect(text.length).toBeLessThan(5_000_000);
    expect(text.endsWith('after')).toBe(true);
    const frames = await framesOf(source(SESSION));
    expect(frames.find(({ type }) => type === 'gap')).toMatchObject({
      omittedBytes: 10_000_005 - text.length,
    });
    expect(failures).toMatchObject([{ code: 'LIMIT_EXCEEDED' }]);
  });

  test('refuses: strict ends the session', async () => {
    const { record, disk } = await openTestSpool(folder);
    const recorder = record({ mode: 'strict' });
    await recorder.started;
    disk.gate = new Promise(() => undefined);
    for (let at = 0; at < 100; at++) recorder.output(randomBytes(100_000));
    await expect(recorder.failed).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('a session of a database', () => {
  test('ok: its events come back as gate play prints them', async () => {
    const { record, source } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION, kind: 'database' });
    expect(recorder.event('db.session.query', { db_query: 'select 1' })).toBe(true);
    expect(recorder.event('db.session.result', { affected_rows: 1 })).toBe(true);
    await recorder.end({});
    const lines: unknown[] = [];
    for await (const line of playAsJson(source(SESSION))) lines.push(JSON.parse(String(line)));
    expect(lines).toMatchObject([
      { event: 'db.session.query', sid: SESSION, db_query: 'select 1' },
      { event: 'db.session.result', affected_rows: 1 },
    ]);
  });

  test('refuses: S35 strict: a session whose events come faster than the disk takes them fails, and none is lost in silence', async () => {
    const { record } = await openTestSpool(folder);
    const recorder = record({ sessionId: SESSION, kind: 'database', mode: 'strict' });
    const fields = { db_query: randomBytes(12_000).toString('hex') };
    let hasRoom = true;
    for (let n = 0; n < 1000; n++) hasRoom = recorder.event('db.session.query', fields);
    expect(hasRoom).toBe(false);
    await expect(recorder.failed).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});
