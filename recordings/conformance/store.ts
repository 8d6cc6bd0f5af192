// The suite for stores of recordings. A plain function with a factory; each case opens its own store.
import { describe, expect, test } from 'vitest';
import type { FakeClock } from '#test/kit/clock.ts';
import { encodeHeader, MAX_SEGMENT_BYTES, NO_PREVIOUS } from '../format/segment.ts';
import { readRecording } from '../read.ts';
import type { RecordingEntry, RecordingQuery, RecordingStore } from '../store.ts';
import { verifyRecording } from '../verify.ts';
import { HOST, OTHER_HOST, printed, sessionId, threeSegments, uploadOf, wholeSegment } from './samples.ts';
import { sha256 } from '../format/segment.ts';

export interface StoreFixture {
  open(): Promise<RecordingStore>;
  readonly clock: FakeClock;
  /** Removes what the store kept; called after all are closed. */
  remove(): Promise<void>;
}

const SESSION = sessionId(1);
const MINUTE = 60_000;
const DAY = 86_400_000;
const startedAt = (ms: number): string => new Date(Date.parse('2026-02-01T00:00:00Z') + ms).toISOString();

/** Uploads a recording of three segments and completes it. */
async function putThree(store: RecordingStore, session: string, meta = {}): Promise<RecordingEntry> {
  const segments = await threeSegments(session, meta);
  for (const [at, bytes] of segments.entries())
    await store.putSegment(HOST, uploadOf(session, at + 1, bytes));
  return store.complete(HOST, { session, segments: 3, head: sha256(segments[2]!), missing: [] });
}

async function wholeUpload(
  session: string,
  meta = {},
): Promise<{ session: string; sha256: string; bytes: Buffer }> {
  const bytes = await wholeSegment(session, meta);
  return { session, bytes, sha256: sha256(bytes) };
}

async function listAll(store: RecordingStore, query: Partial<RecordingQuery> = {}): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ limit: 3, ...query, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.recordings.map(({ session }) => session));
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}

export function recordingStoreConformance(name: string, fixture: () => Promise<StoreFixture>): void {
  type Case = (
    store: RecordingStore,
    clock: FakeClock,
    reopen: () => Promise<RecordingStore>,
  ) => Promise<void>;
  const check = (title: string, run: Case): void => {
    test(title, async () => {
      const made = await fixture();
      const stores = [await made.open()];
      const reopen = async (): Promise<RecordingStore> => {
        await stores.at(-1)?.close();
        const again = await made.open();
        stores.push(again);
        return again;
      };
      try {
        await run(stores[0]!, made.clock, reopen);
      } finally {
        await stores.at(-1)?.close();
        await made.remove();
      }
    });
  };

  describe(`${name}: uploading`, () => {
    check(
      'ok: a recording comes in segments and is read back, after a restart too',
      async (store, _, reopen) => {
        const entry = await putThree(store, SESSION);
        expect(entry).toMatchObject({
          session: SESSION,
          status: 'closed',
          owner: HOST,
          started: Date.parse('2026-03-01T10:00:00Z'),
          meta: { user: 'alice' },
          segments: 3,
          missing: [],
        });
        const again = await reopen();
        expect(await printed(readRecording(again.source(SESSION)))).toBe('one\r\ntwo\r\nthree\r\n');
        expect(await verifyRecording(again.source(SESSION), { head: entry.head! })).toMatchObject({
          ok: true,
        });
        expect(await again.get(SESSION)).toEqual(entry);
        expect((await again.list({ limit: 10 })).recordings).toEqual([entry]);
      },
    );

    check('ok: while it is uploaded it is listed as going on', async (store) => {
      const [first] = await threeSegments(SESSION);
      await store.putSegment(HOST, uploadOf(SESSION, 1, first!));
      expect(await store.get(SESSION)).toMatchObject({
        status: 'recording',
        meta: { user: 'alice' },
        segments: 0,
      });
      expect(await listAll(store, { user: 'alice' })).toEqual([SESSION]);
      expect(await printed(readRecording(store.source(SESSION)))).toBe('one\r\n');
    });

    check('ok: everything may be repeated', async (store) => {
      const first = await putThree(store, SESSION);
      expect(await putThree(store, SESSION)).toEqual(first);
      const whole = await wholeUpload(sessionId(2));
      const [entry] = await store.putWhole(HOST, [whole]);
      expect(await store.putWhole(HOST, [whole])).toEqual([entry]);
      expect((await listAll(store)).toSorted()).toEqual([SESSION, sessionId(2)]);
    });

    check('ok: repeats that overlap', async (store) => {
      await Promise.allSettled(Array.from({ length: 5 }, () => putThree(store, SESSION)));
      await putThree(store, SESSION);
      expect(await verifyRecording(store.source(SESSION))).toMatchObject({ ok: true });
      expect(await listAll(store)).toEqual([SESSION]);
    });

    check('ok: several whole ones at once', async (store, _, reopen) => {
      const uploads = await Promise.all([1, 2, 3, 4].map((n) => wholeUpload(sessionId(n))));
      const entries = await store.putWhole(HOST, uploads);
      expect(entries.map(({ session, status, segments }) => [session, status, segments])).toEqual(
        uploads.map(({ session }) => [session, 'closed', 1]),
      );
      const again = await reopen();
      expect(await listAll(again)).toHaveLength(4);
      expect(await printed(readRecording(again.source(sessionId(3))))).toBe('done\r\n');
      expect(await again.get(sessionId(3))).toMatchObject({
        owner: HOST,
        segments: 1,
        head: uploads[2]!.sha256,
      });
    });

    check('ok: a whole one may also come as a segment, before or after', async (store) => {
      const whole = await wholeUpload(SESSION);
      const completion = { session: SESSION, segments: 1, head: whole.sha256, missing: [] };
      await store.putSegment(HOST, { ...whole, number: 1 });
      await store.putWhole(HOST, [whole]);
      await store.complete(HOST, completion);
      const other = await wholeUpload(sessionId(2));
      await store.putWhole(HOST, [other]);
      await store.putSegment(HOST, { ...other, number: 1 });
      const second = await store.complete(HOST, { ...completion, session: sessionId(2), head: other.sha256 });
      expect(second).toMatchObject({ status: 'closed', segments: 1 });
      expect((await listAll(store)).toSorted()).toEqual([SESSION, sessionId(2)]);
    });

    check('ok: it may be completed without what was lost', async (store) => {
      const [, second, third] = await threeSegments(SESSION);
      await store.putSegment(HOST, uploadOf(SESSION, 2, second!));
      await store.putSegment(HOST, uploadOf(SESSION, 3, third!));
      const head = sha256(third!);
      await expect(
        store.complete(HOST, { session: SESSION, segments: 3, head, missing: [] }),
      ).rejects.toMatchObject({ code: 'CONDITION_FAILED', details: { missing: [1] } });
      const entry = await store.complete(HOST, { session: SESSION, segments: 3, head, missing: [1] });
      expect(entry).toMatchObject({ status: 'closed', missing: [1] });
      expect(entry.meta).toBeUndefined();
      expect(await listAll(store)).toEqual([SESSION]);
      expect(await printed(readRecording(store.source(SESSION)))).toBe('two\r\nthree\r\n');
    });
  });

  describe(`${name}: what it refuses`, () => {
    check('refuses: other bytes under a number that is taken', async (store) => {
      const [first] = await threeSegments(SESSION);
      const [other] = await threeSegments(SESSION, { user: 'mallory' });
      await store.putSegment(HOST, uploadOf(SESSION, 1, first!));
      await expect(store.putSegment(HOST, uploadOf(SESSION, 1, other!))).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
      await putThree(store, SESSION);
      const extra = Buffer.concat([
        encodeHeader({ sid: SESSION, number: 4, previous: NO_PREVIOUS }),
        Buffer.from('more'),
      ]);
      await expect(store.putSegment(HOST, uploadOf(SESSION, 4, extra))).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
      expect(await store.get(SESSION)).toMatchObject({ meta: { user: 'alice' } });
    });

    check('refuses: a whole recording in place of another', async (store) => {
      await store.putWhole(HOST, [await wholeUpload(SESSION)]);
      const other = await wholeUpload(SESSION, { user: 'mallory' });
      await expect(store.putWhole(HOST, [other])).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      await expect(store.putSegment(HOST, { ...other, number: 1 })).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
      await putThree(store, sessionId(2));
      await expect(store.putWhole(HOST, [await wholeUpload(sessionId(2))])).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
    });

    check(
      'refuses: S18 a host that touches the recording of another, or names another as its recorder',
      async (store) => {
        const segments = await threeSegments(SESSION);
        await store.putSegment(HOST, uploadOf(SESSION, 1, segments[0]!));
        const foreign = { code: 'ACCESS_DENIED' };
        await expect(store.putSegment(OTHER_HOST, uploadOf(SESSION, 2, segments[1]!))).rejects.toMatchObject(
          foreign,
        );
        await expect(store.putSegment(OTHER_HOST, uploadOf(SESSION, 1, segments[0]!))).rejects.toMatchObject(
          foreign,
        );
        const completion = { session: SESSION, segments: 1, head: sha256(segments[0]!), missing: [] };
        await expect(store.complete(OTHER_HOST, completion)).rejects.toMatchObject(foreign);
        await expect(store.putWhole(OTHER_HOST, [await wholeUpload(sessionId(2))])).rejects.toMatchObject(
          foreign,
        );
        const [forged] = await threeSegments(sessionId(3));
        await expect(store.putSegment(OTHER_HOST, uploadOf(sessionId(3), 1, forged!))).rejects.toMatchObject(
          foreign,
        );
        expect(await listAll(store)).toEqual([SESSION]);
      },
    );

    check('refuses: bytes that are not what is said of them', async (store) => {
      const [first, second] = await threeSegments(SESSION);
      const good = uploadOf(SESSION, 1, first!);
      const bad = { code: 'BAD_REQUEST' };
      for (const upload of [
        { ...good, sha256: sha256(second!) },
        { ...good, sha256: 'x' },
        { ...good, number: 2 },
        { ...good, number: 0 },
        { ...good, number: 1.5 },
        { ...good, session: sessionId(2) },
        uploadOf(SESSION, 1, Buffer.from('noise')),
        uploadOf(SESSION, 1, Buffer.alloc(0)),
      ])
        await expect(store.putSegment(HOST, upload)).rejects.toMatchObject(bad);
      // The first of three is no whole recording.
      await expect(store.putWhole(HOST, [good])).rejects.toMatchObject(bad);
      expect(await listAll(store)).toEqual([]);
    });

    check('refuses: S33 a segment that is too large, and a batch of too many', async (store) => {
      const [first] = await threeSegments(SESSION);
      const large = Buffer.concat([first!, Buffer.alloc(MAX_SEGMENT_BYTES)]);
      await expect(store.putSegment(HOST, uploadOf(SESSION, 1, large))).rejects.toMatchObject({
        code: 'TOO_LARGE',
      });
      const whole = await wholeUpload(SESSION);
      const many = Array.from({ length: 100 }, () => whole);
      await expect(store.putWhole(HOST, many)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    });

    check('refuses: S26 a session that is a path, wherever one is named', async (store) => {
      const session = '../../../../tmp/aaaaaaaaaaaaaaaaaaaa';
      const bad = { code: 'BAD_REQUEST' };
      const upload = { session, number: 1, sha256: sha256(Buffer.from('x')), bytes: Buffer.from('x') };
      await expect(store.putSegment(HOST, upload)).rejects.toMatchObject(bad);
      await expect(store.putWhole(HOST, [upload])).rejects.toMatchObject(bad);
      await expect(store.get(session)).rejects.toMatchObject(bad);
      await expect(store.remove(session)).rejects.toMatchObject(bad);
      await expect(
        store.complete(HOST, { session, segments: 1, head: '', missing: [] }),
      ).rejects.toMatchObject(bad);
      expect(() => store.source(session)).toThrow(expect.objectContaining(bad));
    });

    check('refuses: a completion of nothing, or another one', async (store) => {
      const completion = { session: SESSION, segments: 3, head: 'a'.repeat(64), missing: [] };
      await expect(store.complete(HOST, completion)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      const segments = await threeSegments(SESSION);
      for (const [at, bytes] of segments.entries())
        await store.putSegment(HOST, uploadOf(SESSION, at + 1, bytes));
      await expect(store.complete(HOST, completion)).rejects.toMatchObject({ code: 'CONDITION_FAILED' });
      await putThree(store, SESSION);
      await expect(store.complete(HOST, completion)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    });
  });

  describe(`${name}: finding and removing`, () => {
    check('ok: nothing is found where nothing is', async (store) => {
      expect(await store.get(SESSION)).toBeUndefined();
      expect(await listAll(store)).toEqual([]);
      expect(await store.remove(SESSION)).toBe(false);
      await expect(store.source(SESSION).segments()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    check('ok: newest first, page by page, over days', async (store) => {
      const days = [0, 3 * DAY, 1 * DAY, 2 * DAY, 3 * DAY + MINUTE, 5 * MINUTE, 3 * DAY + 2 * MINUTE];
      for (const [at, day] of days.entries())
        await store.putWhole(HOST, [await wholeUpload(sessionId(at + 1), { started_at: startedAt(day) })]);
      const expected = [7, 5, 2, 4, 3, 6, 1].map(sessionId);
      for (const limit of [1, 2, 3, 7, 100]) expect(await listAll(store, { limit })).toEqual(expected);
    });

    check('ok: by time, user, server and kind, and by what the caller says', async (store) => {
      const metas = [
        { user: 'alice', started_at: startedAt(0) },
        { user: 'bob', started_at: startedAt(MINUTE), server_id: OTHER_HOST },
        { user: 'alice', started_at: startedAt(2 * MINUTE), kind: 'exec' },
        { user: 'alice', started_at: startedAt(DAY) },
      ];
      for (const [at, meta] of metas.entries())
        await store.putWhole(HOST, [await wholeUpload(sessionId(at + 1), meta)]);
      const base = Date.parse(startedAt(0));
      const ids = (...numbers: number[]): string[] => numbers.map(sessionId);
      expect(await listAll(store, { user: 'alice' })).toEqual(ids(4, 3, 1));
      expect(await listAll(store, { serverId: OTHER_HOST })).toEqual(ids(2));
      expect(await listAll(store, { kind: 'exec' })).toEqual(ids(3));
      expect(await listAll(store, { from: base + MINUTE, to: base + DAY })).toEqual(ids(3, 2));
      expect(await listAll(store, { to: base + 1 })).toEqual(ids(1));
      expect(await listAll(store, { accepts: ({ meta }) => meta?.user !== 'alice' })).toEqual(ids(2));
    });

    check(
      'ok: a recording that claims to come from the future stands at its upload',
      async (store, clock) => {
        await store.putWhole(HOST, [await wholeUpload(SESSION, { started_at: '9999-01-01T00:00:00Z' })]);
        expect(await store.get(SESSION)).toMatchObject({ started: clock.now() });
      },
    );

    check('refuses: limits and cursors that are none', async (store) => {
      for (const query of [
        { limit: 0 },
        { limit: 1001 },
        { limit: 1, cursor: 'x' },
        { limit: 1, cursor: '../a' },
      ])
        await expect(store.list(query)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    });

    check('ok: R33 what is removed is gone, and may be removed again', async (store, _, reopen) => {
      await putThree(store, SESSION);
      await store.putWhole(HOST, [await wholeUpload(sessionId(2))]);
      const [first] = await threeSegments(sessionId(3));
      await store.putSegment(HOST, uploadOf(sessionId(3), 1, first!));
      for (const n of [1, 2, 3]) expect(await store.remove(sessionId(n))).toBe(true);
      const again = await reopen();
      expect(await listAll(again)).toEqual([]);
      for (const n of [1, 2, 3]) {
        expect(await again.get(sessionId(n))).toBeUndefined();
        expect(await again.remove(sessionId(n))).toBe(false);
      }
    });
  });
}
