import { randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { memorySource, printed, sampleSegments, sessionId } from '../conformance/samples.ts';
import { openTestSpool, type TestSpool } from '../conformance/test-spool.ts';
import { readRecording } from '../read.ts';
import type { Completion, SegmentUpload, UploadTarget } from '../upload.ts';
import { startUploader, type Uploader } from './uploader.ts';

const folder = tempFolder();

/** Keeps what comes; fails as it is told. */
class FakeTarget implements UploadTarget {
  readonly segments = new Map<string, Buffer[]>();
  readonly completions = new Map<string, Completion>();
  readonly calls: string[] = [];
  away = false;
  refuse: (session: string, number: number) => Code | undefined = () => undefined;
  refuseCompletion: (completion: Completion) => GatehouseError | undefined = () => undefined;
  /** Fails after the work is done, as when an answer is lost. */
  losesAnswers = false;
  running = 0;
  mostRunning = 0;

  async putSegment({ session, number, bytes }: SegmentUpload): Promise<void> {
    await this.#called(`put ${session.slice(-2)}.${number}`);
    const code = this.refuse(session, number);
    if (code !== undefined) throw new GatehouseError(code, 'the fake target was told to refuse');
    const segments = this.segments.get(session) ?? [];
    segments[number - 1] = Buffer.from(bytes);
    this.segments.set(session, segments);
    this.#answer();
  }

  async complete(completion: Completion): Promise<void> {
    await this.#called(`complete ${completion.session.slice(-2)}`);
    const error = this.refuseCompletion(completion);
    if (error !== undefined) throw error;
    this.completions.set(completion.session, completion);
    this.#answer();
  }

  async putWhole(uploads: readonly Omit<SegmentUpload, 'number'>[]): Promise<void> {
    await this.#called(`whole ${uploads.length}`);
    for (const { session } of uploads) {
      const code = this.refuse(session, 1);
      if (code !== undefined) throw new GatehouseError(code, 'the fake target was told to refuse');
    }
    for (const { session, bytes, sha256 } of uploads) {
      this.segments.set(session, [Buffer.from(bytes)]);
      this.completions.set(session, { session, segments: 1, head: sha256, missing: [] });
    }
    this.#answer();
  }

  async #called(call: string): Promise<void> {
    this.calls.push(call);
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await new Promise((resolve) => setImmediate(resolve));
    this.running--;
    if (this.away) throw new GatehouseError('UNAVAILABLE', 'away');
  }

  #answer(): void {
    if (this.losesAnswers && this.calls.length % 2 === 0) throw new GatehouseError('UNAVAILABLE', 'lost');
  }

  text(session: string): Promise<string> {
    return printed(readRecording(memorySource(session, this.segments.get(session) ?? [])));
  }
}

interface Setup extends TestSpool {
  readonly target: FakeTarget;
  readonly uploader: Uploader;
}

async function setUp(opened?: TestSpool): Promise<Setup> {
  const spool = opened ?? (await openTestSpool(folder));
  const target = new FakeTarget();
  const uploader = startUploader({ spool: spool.spool, target, clock: spool.clock, log: silentLog });
  onTestFinished(() => uploader.close());
  return { ...spool, target, uploader };
}

/** A recording of `segments` segments that prints their numbers. */
async function record(
  { spool }: TestSpool,
  session: string,
  segments: number,
  upTo = segments,
): Promise<void> {
  const made = await sampleSegments({
    session,
    segments: Array.from({ length: segments }, (_, at) => [[{ at: at * 1000, output: `${at + 1} ` }]]),
  });
  for (const [at, bytes] of made.slice(0, upTo).entries()) {
    const open = await spool.begin(session, at + 1, new Uint8Array());
    await open.append(bytes);
    await open.close(at + 1 === segments);
  }
}

/** Time passes until everything that ended is uploaded or put aside. */
async function uploadAll({ uploader, clock }: Setup): Promise<void> {
  let isDone = false;
  void uploader.flush().then(() => (isDone = true));
  await until('everything is uploaded', async () => {
    await clock.advance(1000);
    return isDone;
  });
}

describe('uploading', () => {
  test('ok: recordings of many segments arrive whole and in order, and leave the spool', async () => {
    const setup = await setUp();
    for (let n = 1; n <= 5; n++) await record(setup, sessionId(n), 4);
    await uploadAll(setup);
    for (let n = 1; n <= 5; n++) {
      expect(await setup.target.text(sessionId(n))).toBe('1 2 3 4 ');
      expect(setup.target.completions.get(sessionId(n))).toMatchObject({ segments: 4, missing: [] });
    }
    expect(setup.spool.closed()).toEqual([]);
    expect(setup.spool.usedBytes()).toBe(0);
    expect(setup.target.mostRunning).toBeLessThanOrEqual(3);
    expect(setup.uploader.status()).toEqual({ waiting: 0, bytes: 0, healthy: true });
  });

  test('ok: R34 two hundred small ones travel in a few calls', async () => {
    const setup = await setUp();
    for (let n = 1; n <= 200; n++) await record(setup, sessionId(n), 1);
    await uploadAll(setup);
    expect(setup.target.completions.size).toBe(200);
    expect(setup.target.calls.every((call) => call.startsWith('whole'))).toBe(true);
    expect(setup.target.calls.length).toBeLessThanOrEqual(5);
    expect(setup.spool.closed()).toEqual([]);
  });

  test('ok: a single small one does not wait for others for ever', async () => {
    const setup = await setUp();
    await record(setup, sessionId(1), 1);
    expect(setup.target.calls).toEqual([]);
    await setup.clock.advance(500);
    await until('it is there', () => setup.target.completions.size === 1);
  });

  test('ok: a recording that goes on is uploaded too, but its newest segment stays in the spool', async () => {
    const setup = await setUp();
    await record(setup, sessionId(1), 4, 3);
    await until('three are uploaded', () => setup.target.segments.get(sessionId(1))?.length === 3);
    await until('two are removed', () => setup.spool.closed().length === 1);
    expect(setup.spool.closed()).toMatchObject([{ number: 3, last: false }]);
    expect(setup.target.completions.size).toBe(0);
  });

  test('ok: what closes while an upload runs is not forgotten', async () => {
    const setup = await setUp();
    const recorder = setup.record({ sessionId: sessionId(1), sync: true });
    for (let second = 0; second < 30; second++) {
      recorder.output(Buffer.from(`${second} `));
      await setup.clock.advance(1000);
    }
    await recorder.end({});
    await uploadAll(setup);
    expect((await setup.target.text(sessionId(1))).split(' ')).toHaveLength(31);
    expect(setup.spool.closed()).toEqual([]);
  });

  test('ok: R16 another process goes on where the last one died', async () => {
    const first = await openTestSpool(folder);
    await record(first, sessionId(1), 3, 2);
    await record(first, sessionId(2), 1);
    await first.spool.close();
    const setup = await setUp(await openTestSpool(folder, { dir: first.spool.dir }));
    await uploadAll(setup);
    expect(await setup.target.text(sessionId(1))).toBe('1 2 ');
    expect(setup.target.completions.get(sessionId(1))).toMatchObject({ segments: 3 });
    expect(setup.target.completions.has(sessionId(2))).toBe(true);
  });
});

describe('a target that fails', () => {
  test('ok: while it is away one call asks now and then; afterwards everything arrives', async () => {
    const setup = await setUp();
    setup.target.away = true;
    for (let n = 1; n <= 10; n++) await record(setup, sessionId(n), 2);
    for (let minute = 0; minute < 60; minute++) {
      await setup.clock.advance(60_000);
      await until('calls are over', () => setup.target.running === 0);
    }
    expect(setup.uploader.status()).toMatchObject({ waiting: 10, healthy: false });
    expect(setup.target.calls.length).toBeLessThan(150);
    setup.target.away = false;
    await uploadAll(setup);
    expect(setup.target.completions.size).toBe(10);
    expect(setup.uploader.status().healthy).toBe(true);
    expect(setup.failures).toEqual([]);
  });

  test('ok: lost answers change nothing', async () => {
    const setup = await setUp();
    setup.target.losesAnswers = true;
    for (let n = 1; n <= 4; n++) await record(setup, sessionId(n), n);
    await uploadAll(setup);
    expect(setup.target.completions.size).toBe(4);
    expect(await setup.target.text(sessionId(4))).toBe('1 2 3 4 ');
  });

  test.each(['BAD_REQUEST', 'TOO_LARGE', 'ALREADY_EXISTS'] as const)(
    'ok: R16 a segment that is refused with %s is put aside, and the rest of its recording arrives',
    async (code) => {
      const setup = await setUp();
      setup.target.refuse = (session, number) =>
        session === sessionId(1) && number === 2 ? code : undefined;
      await record(setup, sessionId(1), 3);
      await record(setup, sessionId(2), 3);
      await uploadAll(setup);
      expect(setup.target.completions.get(sessionId(1))).toMatchObject({ segments: 3, missing: [2] });
      expect(setup.target.completions.get(sessionId(2))).toMatchObject({ missing: [] });
      expect(setup.failures).toMatchObject([{ session: sessionId(1), step: 'upload', code }]);
      expect(await readdir(join(setup.spool.dir, 'quarantine'))).toHaveLength(1);
      expect(setup.spool.closed()).toEqual([]);
    },
  );

  test('ok: the last segment may be the one that is refused', async () => {
    const setup = await setUp();
    setup.target.refuse = (_, number) => (number === 2 ? 'BAD_REQUEST' : undefined);
    await record(setup, sessionId(1), 2);
    await uploadAll(setup);
    expect(setup.target.completions.get(sessionId(1))).toMatchObject({ segments: 2, missing: [2] });
    expect(setup.spool.closed()).toEqual([]);
  });

  test('ok: one bad recording in a batch does not hold up the others', async () => {
    const setup = await setUp();
    setup.target.refuse = (session) => (session === sessionId(7) ? 'BAD_REQUEST' : undefined);
    for (let n = 1; n <= 20; n++) await record(setup, sessionId(n), 1);
    await uploadAll(setup);
    expect(setup.target.completions.get(sessionId(7))).toMatchObject({ missing: [1] });
    expect([...setup.target.completions.values()].filter(({ missing }) => missing.length === 0)).toHaveLength(
      19,
    );
  });

  test('ok: a file that was damaged on this host is put aside', async () => {
    const setup = await setUp();
    setup.target.away = true;
    await record(setup, sessionId(1), 3);
    const second = setup.spool.closed().find(({ number }) => number === 2);
    await writeFile(second!.path, '');
    setup.target.away = false;
    await uploadAll(setup);
    expect(setup.target.completions.get(sessionId(1))).toMatchObject({ segments: 3, missing: [2] });
  });

  test('ok: a recording that is denied does not hold up others, and is put aside after a while', async () => {
    const setup = await setUp();
    setup.target.refuse = (session) => (session === sessionId(1) ? 'ACCESS_DENIED' : undefined);
    await record(setup, sessionId(1), 2);
    await record(setup, sessionId(2), 2);
    await until('the other one is there', () => setup.target.completions.has(sessionId(2)));
    await uploadAll(setup);
    expect(setup.target.completions.has(sessionId(1))).toBe(false);
    expect(await readdir(join(setup.spool.dir, 'quarantine'))).toHaveLength(2);
    expect(setup.failures).toMatchObject([{ code: 'ACCESS_DENIED' }, { code: 'ACCESS_DENIED' }]);
  });

  test('ok: segments that the target lost are sent again, or named as missing', async () => {
    const setup = await setUp();
    setup.target.refuseCompletion = ({ missing }) =>
      missing.includes(1)
        ? undefined
        : new GatehouseError('CONDITION_FAILED', 'lacks segments', { details: { missing: [1, 3] } });
    await record(setup, sessionId(1), 3);
    await uploadAll(setup);
    expect(setup.target.calls.filter((call) => call === 'put 01.3')).toHaveLength(2);
    expect(setup.target.completions.get(sessionId(1))).toMatchObject({ missing: [1] });
  });
});

test('ok: closing waits for what is under way and starts nothing more', async () => {
  const setup = await setUp();
  for (let n = 1; n <= 9; n++) await record(setup, sessionId(n), 2);
  await setup.uploader.close();
  const calls = setup.target.calls.length;
  expect(setup.target.running).toBe(0);
  await record(setup, randomUUID(), 2);
  await setup.clock.advance(120_000);
  expect(setup.target.calls.length).toBe(calls);
});
