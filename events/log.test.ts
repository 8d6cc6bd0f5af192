// The pipeline: order, durability, outages of sinks and of the disk, quarantine, restarts.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until as untilSo } from '#test/kit/until.ts';
import type { AuditLog, AuditLogOptions } from './audit-log.ts';
import type { EventInput } from './catalogue.ts';
import { FakeSink } from './conformance/fake-sink.ts';
import { login } from './conformance/samples.ts';
import { openDirSink } from './dir/sink.ts';
import { realDisk, type Disk } from './disk.ts';
import { openAuditLog } from './log.ts';
import { GENESIS, isIntact, parseLine } from './record.ts';

let folder = '';
let clock = new FakeClock();
const opened: AuditLog[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-log-'));
  clock = new FakeClock();
});

afterEach(async () => {
  for (const log of opened.splice(0)) {
    const closing = log.close();
    await clock.advance(60_000);
    await closing;
  }
  await rm(folder, { recursive: true });
});

async function open(sinks: FakeSink[], more: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  const spillDir = join(folder, 'journal');
  const log = await openAuditLog({
    sinks,
    spillDir,
    clock,
    log: silentLog,
    clusterName: 'example',
    writer: 'auth-1',
    ...more,
  });
  opened.push(log);
  return log;
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

const until = (condition: () => boolean): Promise<unknown> =>
  untilSo('what the test waits for to happen', condition);

describe('emitting', () => {
  test('ok: events get their envelope and form a chain', async () => {
    const sink = new FakeSink();
    const log = await open([sink]);
    log.emit(login(1));
    await clock.advance(5);
    log.emit(login(2, { error: 'wrong password' }));
    await log.flush();
    const events = sink.records.map(({ line }) => parseLine(line));
    expect(events[0]).toMatchObject({
      seq: 1,
      prev: GENESIS,
      code: 'GHU00I',
      time: '2026-01-01T00:00:00.000Z',
      ei: 0,
    });
    expect(events[1]).toMatchObject({
      seq: 2,
      prev: events[0]?.hash,
      code: 'GHU00W',
      time: '2026-01-01T00:00:00.005Z',
    });
    expect(events[1]).toMatchObject({
      cluster_name: 'example',
      writer: 'auth-1',
      user: 'user-2',
      success: false,
    });
    expect(sink.records.every(({ line }) => isIntact(line, parseLine(line)))).toBe(true);
  });

  test('ok: the order is that of the calls, durable or not', async () => {
    const sink = new FakeSink();
    const log = await open([sink]);
    const durable: Promise<void>[] = [];
    for (const n of numbers(1, 500)) {
      if (n % 3 === 0) durable.push(log.emitDurably(login(n)));
      else log.emit(login(n));
    }
    await Promise.all(durable);
    await log.flush();
    expect(sink.seqs).toEqual(numbers(1, 500));
    expect(sink.records.every(({ line, seq }) => line.includes(`"user":"user-${seq}"`))).toBe(true);
  });

  test('ok: emitDurably resolves when the event is in the journal, though every sink hangs', async () => {
    const sink = new FakeSink();
    sink.script = ['hang'];
    const log = await open([sink]);
    await log.emitDurably(login(1));
    const [segment = ''] = (await readdir(join(folder, 'journal'))).filter((name) =>
      name.endsWith('.journal'),
    );
    expect(await readFile(join(folder, 'journal', segment), 'utf8')).toContain('"user":"user-1"');
    expect(log.status()).toMatchObject({ pending: 1, oldest: clock.now(), durable: true });
  });

  test('ok: time does not run backwards for a clock that is set back a little', async () => {
    const sink = new FakeSink();
    let now = 1_000_000_000_000;
    const log = await open([sink], { clock: { now: () => now, after: (ms, run) => clock.after(ms, run) } });
    for (const step of [0, -5000, 2000, 8000, -60_000]) {
      now += step;
      log.emit(login(1));
    }
    await log.flush();
    const times = sink.records.map(({ time }) => time - 1_000_000_000_000);
    expect(times).toEqual([0, 0, 0, 5000, -55_000]);
  });

  test('ok: an event that is not JSON leaves its type, and harms nobody', async () => {
    const sink = new FakeSink();
    const log = await open([sink]);
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    log.emit({ ...login(1), roles: 5n } as unknown as EventInput);
    log.emit({ ...login(2), traits: loop } as unknown as EventInput);
    log.emit(login(3));
    await log.flush();
    expect(sink.records.map(({ type }) => type)).toEqual([
      'audit.malformed',
      'audit.malformed',
      'user.login',
    ]);
  });

  test('ok: an event over 8 MiB keeps its small fields and tells what was cut', async () => {
    const sink = new FakeSink();
    const log = await open([sink]);
    log.emit(login(1, { error: 'é'.repeat(6 * 1024 * 1024) }));
    await log.flush();
    const [event] = sink.records.map(
      ({ line }) => JSON.parse(line) as { user: string; error: string; cut: Record<string, string> },
    );
    expect(event?.user).toBe('user-1');
    expect(event?.error).toHaveLength(65_536);
    expect(event?.cut['error']).toMatch(/^12582912 bytes, sha256 [0-9a-f]{64}$/);
  });

  test('ok: an event a relay sends again is kept once', async () => {
    const sink = new FakeSink();
    const log = await open([sink]);
    const relayed = { ...login(1), uid: '0b0e7ed6-6f0f-4d3a-9a52-2f0a9e6e7f10' };
    await Promise.all([log.emitDurably(relayed), log.emitDurably(relayed)]);
    await log.emitDurably(relayed);
    await log.flush();
    expect(sink.records.map(({ uid }) => uid)).toEqual([relayed.uid]);
  });

  test('refuses: to lose an event in silence after close', async () => {
    const log = await open([new FakeSink()]);
    await log.close();
    expect(() => log.emit(login(1))).not.toThrow();
    await expect(log.emitDurably(login(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('closing', () => {
  test('ok: takes less than two seconds, whatever hangs, and nothing is lost', async () => {
    const never = new Promise<never>(() => undefined);
    const stuck = new FakeSink('stuck');
    stuck.script = ['hang', 'hang'];
    stuck.close = () => never;
    const good = new FakeSink('good');
    const checkpoint = { sign: () => never, store: () => never, load: () => Promise.resolve([]) };
    const log = await open([good, stuck], { checkpoint });
    for (const n of numbers(1, 10)) await log.emitDurably(login(n));
    await good.has(10);
    let isClosed = false;
    const waits = countWaits(clock, 600);
    const closing = log.close().then(() => (isClosed = true));
    // Time passes only while it waits for somebody, so that a slow disk costs none of the two seconds.
    let spent = 0;
    await untilSo('the log to be closed', async () => {
      if (waits.count > 0 && !isClosed) {
        await clock.advance(100);
        spent += 100;
      }
      return isClosed;
    });
    expect(spent).toBeLessThan(2000);
    await closing;
    const again = new FakeSink('stuck');
    await (await open([new FakeSink('good'), again])).flush();
    expect(again.seqs).toEqual(numbers(1, 10));
  });
});

describe('sinks that fail', () => {
  test('ok: an outage holds up one sink only, and ends with all events in order', async () => {
    const bad = new FakeSink('bad');
    const good = new FakeSink('good');
    bad.script = ['UNAVAILABLE', 'part', 'STORAGE_FAILED', 'part', 'UNAUTHENTICATED'];
    const log = await open([bad, good]);
    for (const n of numbers(1, 50)) log.emit(login(n));
    await log.flush();
    expect(good.seqs).toEqual(numbers(1, 50));
    expect(log.status()).toMatchObject({ healthy: false, durable: true, pending: 50 });
    expect(log.status().sinks[0]).toMatchObject({
      name: 'bad',
      pending: 50,
      failing: { code: 'UNAVAILABLE' },
    });
    for (let turn = 0; bad.records.length < 50 && turn < 100; turn++) await clock.advance(1000);
    await log.flush();
    expect(bad.seqs).toEqual(numbers(1, 50));
    expect(log.status()).toMatchObject({ healthy: true, pending: 0, oldest: undefined });
  });

  test('ok: a sink that hangs is asked again after the time-out', async () => {
    const bad = new FakeSink('bad');
    const good = new FakeSink('good');
    bad.script = ['hang'];
    const log = await open([bad, good], { limits: { appendTimeoutMs: 10_000 } });
    await log.emitDurably(login(1));
    await good.has(1);
    expect(bad.records).toEqual([]);
    await clock.advance(10_000);
    await until(() => log.status().sinks[0]?.failing !== undefined);
    await clock.advance(1000);
    await log.flush();
    expect(bad.seqs).toEqual([1]);
  });

  test('ok: while a sink is away, memory stays flat and events come from the journal', async () => {
    const sink = new FakeSink();
    sink.script = Array.from({ length: 3 }, () => 'UNAVAILABLE' as const);
    const log = await open([sink], { limits: { segmentBytes: 200_000 } });
    const filler = 'x'.repeat(50_000);
    for (const n of numbers(1, 400)) log.emit(login(n, { error: filler }));
    await log.flush();
    expect(log.status().journalBytes).toBeGreaterThan(20_000_000);
    for (let turn = 0; sink.records.length < 400 && turn < 100; turn++) {
      await clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await sink.has(400);
    expect(sink.seqs).toEqual(numbers(1, 400));
    await log.flush();
    await clock.advance(2000);
    await until(() => log.status().journalBytes < 8_500_000);
  });

  test.each([1, 2, 31, 63, 64])(
    'ok: event %i, refused for good, goes to quarantine and the others go on',
    async (poison) => {
      const sink = new FakeSink();
      sink.refuses = ({ seq }) => seq === poison;
      const log = await open([sink]);
      for (const n of numbers(1, 64)) log.emit(login(n));
      await sink.has(64);
      expect(sink.seqs).toEqual(numbers(1, 65).filter((seq) => seq !== poison));
      const told = parseLine(sink.records.at(-1)!.line);
      expect(told).toMatchObject({ event: 'audit.quarantined', first_seq: poison, sink: 'fake' });
      const kept = JSON.parse(await readFile(join(folder, 'journal', 'quarantine.jsonl'), 'utf8')) as {
        line: string;
      };
      expect(parseLine(kept.line).seq).toBe(poison);
    },
  );

  test('ok: a sink that refuses everything for good does not feed itself', async () => {
    const sink = new FakeSink();
    sink.refuses = () => true;
    const log = await open([sink]);
    for (const n of numbers(1, 5)) log.emit(login(n));
    await until(() => log.status().pending === 0 && log.status().sinks[0]?.pending === 0);
    const kept = (await readFile(join(folder, 'journal', 'quarantine.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(kept).toHaveLength(10);
  });
});

/** A disk that is full while `full` is set. */
function fillableDisk(): Disk & { full: boolean } {
  return {
    full: false,
    async write(file, data, position) {
      if (!this.full) return realDisk.write(file, data, position);
      await file.write(data, 0, data.length >> 1, position);
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    },
  };
}

describe('a full disk', () => {
  test('ok: events wait in memory, durable ones are refused by code, and all are there when space returns', async () => {
    const disk = fillableDisk();
    const sink = new FakeSink();
    const log = await open([sink], { disk });
    await log.emitDurably(login(1));
    disk.full = true;
    log.emit(login(2));
    await expect(log.emitDurably(login(3))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    expect(log.status()).toMatchObject({ healthy: false, durable: false, pending: 2 });
    await log.flush();
    disk.full = false;
    log.emit(login(4));
    await clock.advance(10_000);
    await sink.has(4);
    expect(sink.seqs).toEqual([1, 2, 3, 4]);
    expect(log.status()).toMatchObject({ healthy: true, durable: true, lost: 0 });
  });

  test('ok: memory is bounded; what is lost is counted and told in the log itself', async () => {
    const disk = fillableDisk();
    const sink = new FakeSink();
    const log = await open([sink], { disk, limits: { queueBytes: 5000 } });
    disk.full = true;
    for (const n of numbers(1, 100)) log.emit(login(n));
    await expect(log.emitDurably(login(101))).rejects.toBeInstanceOf(GatehouseError);
    const { lost, pending } = log.status();
    expect(lost).toBe(101 - pending);
    expect(lost).toBeGreaterThan(50);
    disk.full = false;
    await clock.advance(10_000);
    await sink.has(pending + 1);
    expect(sink.seqs).toEqual(numbers(1, pending + 1));
    expect(parseLine(sink.records.at(-1)!.line)).toMatchObject({ event: 'audit.gap', lost });
  });
});

describe('restart', () => {
  test('ok: the chain goes on, and sinks get what they lack, once', async () => {
    const slow = new FakeSink('slow');
    const fast = new FakeSink('fast');
    slow.script = Array.from({ length: 100 }, () => 'UNAVAILABLE' as const);
    const first = await open([slow, fast]);
    for (const n of numbers(1, 20)) log(first, n);
    await first.flush();
    await first.close();
    expect(slow.closed && fast.closed).toBe(true);
    slow.script = [];
    const second = await open([slow, fast]);
    for (const n of numbers(21, 30)) log(second, n);
    await second.flush();
    expect(slow.seqs).toEqual(numbers(1, 30));
    expect(fast.seqs).toEqual(numbers(1, 30));
    const events = slow.records.map(({ line }) => parseLine(line));
    expect(events.every((event, at) => at === 0 || event.prev === events[at - 1]?.hash)).toBe(true);
  });

  test('ok: the chain goes on from a sink when the journal was lost', async () => {
    const sink = new FakeSink();
    const first = await open([sink]);
    for (const n of numbers(1, 5)) log(first, n);
    await first.flush();
    await first.close();
    await rm(join(folder, 'journal'), { recursive: true });
    const second = await open([sink]);
    log(second, 6);
    await second.flush();
    expect(sink.seqs).toEqual(numbers(1, 6));
  });

  test('refuses: to fork the chain when the journal was lost and the sink does not answer', async () => {
    const sink = new FakeSink();
    sink.last = () => Promise.reject(new GatehouseError('UNAVAILABLE', 'no network'));
    await expect(open([sink])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('ok: positions that belong to another journal are not believed', async () => {
    const sink = new FakeSink();
    const first = await open([sink]);
    await first.close();
    await writeFile(join(folder, 'journal', 'positions.json'), '{"version":1,"next":{"fake":999}}');
    const second = await open([sink]);
    log(second, 1);
    await second.flush();
    expect(sink.seqs).toEqual([1]);
  });

  test('ok: a journal of another writer is still delivered; each keeps its own chain', async () => {
    const sink = new FakeSink();
    sink.script = Array.from({ length: 100 }, () => 'UNAVAILABLE' as const);
    const first = await open([sink]);
    log(first, 1);
    await first.flush();
    await first.close();
    sink.script = [];
    const second = await open([sink], { writer: 'auth-2' });
    log(second, 2);
    await second.flush();
    expect(sink.records.map(({ writer, seq }) => [writer, seq])).toEqual([
      ['auth-1', 1],
      ['auth-2', 1],
    ]);
  });

  test('ok: an unfinished write at the end of the journal is cut', async () => {
    const sink = new FakeSink();
    const first = await open([sink]);
    for (const n of numbers(1, 3)) log(first, n);
    await first.flush();
    await first.close();
    const [segment = ''] = (await readdir(join(folder, 'journal'))).filter((name) =>
      name.endsWith('.journal'),
    );
    const path = join(folder, 'journal', segment);
    const text = await readFile(path, 'utf8');
    await writeFile(path, `${text}{"event":"user.log\0\0\0\n\0\0`);
    const second = await open([sink]);
    log(second, 4);
    await second.flush();
    expect(sink.seqs).toEqual([1, 2, 3, 4]);
  });

  test('ok: delivered segments are removed, and the end of the chain is not', async () => {
    const sink = new FakeSink();
    const first = await open([sink], { limits: { segmentBytes: 2000 } });
    for (const n of numbers(1, 200)) await first.emitDurably(login(n));
    await first.flush();
    await first.close();
    const left = (await readdir(join(folder, 'journal'))).filter((name) => name.endsWith('.journal'));
    expect(left).toHaveLength(1);
    sink.last = () => Promise.resolve(undefined);
    const second = await open([sink]);
    log(second, 201);
    await second.flush();
    expect(sink.seqs).toEqual(numbers(1, 201));
  });

  test('ok: lines missing from the middle of the journal hold up nothing, and are told', async () => {
    const sink = new FakeSink();
    sink.script = Array.from({ length: 1000 }, () => 'UNAVAILABLE' as const);
    const limits = { segmentBytes: 2000 };
    const first = await open([sink], { limits });
    for (const n of numbers(1, 20)) await first.emitDurably(login(n));
    const closing = first.close();
    await clock.advance(2000);
    await closing;
    const segments = (await readdir(join(folder, 'journal'))).filter((name) => name.endsWith('.journal'));
    expect(segments.length).toBeGreaterThan(3);
    const path = join(folder, 'journal', segments[1]!);
    const lines = (await readFile(path, 'utf8')).split('\n');
    await writeFile(path, lines.slice(1).join('\n'));
    const errors: string[] = [];
    const log = { ...silentLog, error: (_: object, message: string) => errors.push(message) };
    const again = new FakeSink();
    await (await open([again], { limits, log })).flush();
    const { seq } = JSON.parse(lines[0]!) as { seq: number };
    expect(again.seqs).toEqual(numbers(1, 20).filter((n) => n !== seq));
    expect(errors).toEqual(['audit journal: lines are missing']);
  });

  test('S28 links planted in the journal folder are not followed', async () => {
    const target = join(folder, 'precious');
    const journal = join(folder, 'journal');
    await mkdir(journal);
    await writeFile(target, 'of somebody else');
    for (const name of ['positions.json.new', 'quarantine.jsonl', 'positions.json']) {
      await symlink(target, join(journal, name));
    }
    const sink = new FakeSink();
    sink.refuses = ({ seq }) => seq === 1;
    const log = await open([sink]);
    await log.emitDurably(login(1));
    await clock.advance(1000);
    await log.emitDurably(login(2));
    await until(() => log.status().sinks[0]?.failing !== undefined);
    expect(await readFile(target, 'utf8')).toBe('of somebody else');
    await rm(join(journal, 'quarantine.jsonl'));
    await clock.advance(60_000);
    await until(() => sink.seqs.includes(2));

    await log.close();
    await symlink(target, join(journal, '9000000000000000.journal'));
    await expect(open([new FakeSink()])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await readFile(target, 'utf8')).toBe('of somebody else');
  });

  test('refuses: a second log on the same journal', async () => {
    await open([new FakeSink()]);
    await expect(open([new FakeSink()])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  function log(target: AuditLog, n: number): void {
    target.emit(login(n));
  }
});

describe('searching', () => {
  const QUERY = { from: 0, to: Date.UTC(2100, 0), limit: 10, order: 'desc' } as const;

  test('ok: a search sees what was emitted before it', async () => {
    const sink = await openDirSink({ path: join(folder, 'log'), log: silentLog });
    const log = await open([], { sinks: [sink, new FakeSink()] });
    for (const n of numbers(1, 30)) log.emit(login(n));
    expect((await log.search(QUERY)).events.map(({ seq }) => seq)).toEqual(numbers(21, 30).toReversed());
  });

  test('refuses: when the first sink cannot be searched', async () => {
    const log = await open([new FakeSink()]);
    await expect(log.search(QUERY)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });
});

/** How many waits of `delayMs` are going on. */
function countWaits(clock: FakeClock, delayMs: number): { readonly count: number } {
  const after = clock.after.bind(clock);
  const waits = { count: 0 };
  clock.after = (delay, callback) => {
    if (delay !== delayMs) return after(delay, callback);
    let isOver = false;
    const end = (): void => {
      if (!isOver) waits.count -= 1;
      isOver = true;
    };
    waits.count += 1;
    const timer = after(delay, () => {
      end();
      callback();
    });
    return {
      cancel() {
        end();
        timer.cancel();
      },
    };
  };
  return waits;
}
