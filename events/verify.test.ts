// Each way to tamper with a log, on its own, and logs nobody touched.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { checkpointBytes, type Checkpoint, type CheckpointKeeper } from './checkpoint.ts';
import { FakeSink } from './conformance/fake-sink.ts';
import { Chain, login } from './conformance/samples.ts';
import { openDirSink } from './dir/sink.ts';
import { openAuditLog } from './log.ts';
import { GENESIS, sealEvent, sha256, type ChainHead } from './record.ts';
import { verifyFolder, type VerifyOptions, type VerifyReport } from './verify.ts';

let folder = '';
let kept = new Map<string, Checkpoint>();
const { publicKey, privateKey } = generateKeyPairSync('ed25519');

const keeper: CheckpointKeeper = {
  sign: (bytes) => Promise.resolve(sign(null, bytes, privateKey)),
  store(checkpoint) {
    kept.set(checkpoint.writer, checkpoint);
    return Promise.resolve();
  },
  load: () => Promise.resolve([...kept.values()]),
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-verify-'));
  kept = new Map();
});

afterEach(() => rm(folder, { recursive: true }));

const HOUR = 3_600_000;
const logFolder = (): string => join(folder, 'log');

/** Three days, 72 events of auth-1, then 10 of auth-2, written by the real pipeline. */
async function writeLog(): Promise<void> {
  const clock = new FakeClock('2026-03-01T00:30:00Z');
  for (const [writer, count] of [
    ['auth-1', 72],
    ['auth-2', 10],
  ] as const) {
    const log = await openAuditLog({
      sinks: [await openDirSink({ path: logFolder(), log: silentLog })],
      spillDir: join(folder, writer),
      clock,
      log: silentLog,
      clusterName: 'example',
      writer,
      checkpoint: keeper,
    });
    for (let n = 1; n <= count; n++) {
      log.emit(login(n));
      await log.flush();
      if (writer === 'auth-1') await clock.advance(HOUR);
    }
    await log.close();
  }
}

function check(more: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
  return verifyFolder({
    folder: logFolder(),
    checkpoints: [...kept.values()],
    isSigned: (bytes, signature) => verify(null, bytes, publicKey, signature),
    ...more,
  });
}

const DAY_2 = '2026-03-02.00:00:00.log';
const DAY_4 = '2026-03-04.00:00:00.log';

async function change(name: string, edit: (lines: string[]) => string[]): Promise<void> {
  const path = join(logFolder(), name);
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  await writeFile(
    path,
    edit(lines)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

const kinds = (report: VerifyReport): string[] =>
  [...new Set(report.findings.map(({ kind }) => kind))].sort();

describe('verify', () => {
  test('ok: an untouched log of several days and writers', async () => {
    await writeLog();
    const report = await check();
    expect(report).toMatchObject({ ok: true, findings: [], files: 4, lines: 82 });
    expect(report.writers).toEqual([
      { writer: 'auth-1', first: 1, last: 72, events: 72, signed: 72 },
      { writer: 'auth-2', first: 1, last: 10, events: 10, signed: 10 },
    ]);
    expect(kept.get('auth-1')?.seq).toBe(72);
  });

  test('ok: an empty folder, and a chain that crosses files both ways', async () => {
    const sink = await openDirSink({ path: logFolder(), log: silentLog });
    expect(await check()).toMatchObject({ ok: true, lines: 0 });
    await sink.append(new Chain({ stepMs: -5 * HOUR }).logins(20));
    await sink.close();
    expect(await check()).toMatchObject({ ok: true, lines: 20 });
  });

  test('R22 an edited line is found, with its place', async () => {
    await writeLog();
    await change(DAY_2, (lines) =>
      lines.map((line, at) => (at === 5 ? line.replace('user-30', 'user-31') : line)),
    );
    const report = await check();
    expect(report.ok).toBe(false);
    expect(report.findings).toEqual([
      expect.objectContaining({ kind: 'edited', file: DAY_2, line: 6, writer: 'auth-1', first: 30 }),
    ]);
  });

  test('R22 an edited line with a new hash of its own breaks the chain', async () => {
    await writeLog();
    await change(DAY_2, (lines) =>
      lines.map((line, at) => {
        if (at !== 5) return line;
        const { hash: _, ...event } = JSON.parse(line) as Record<string, unknown>;
        event['user'] = 'mallory';
        return JSON.stringify(
          { ...event, hash: sha256(JSON.stringify(event)) },
          Object.keys({ ...event, hash: 1 }).sort(),
        );
      }),
    );
    const report = await check();
    expect(report.findings).toEqual([
      expect.objectContaining({ kind: 'chain-broken', first: 30, last: 31, file: DAY_2, line: 7 }),
    ]);
  });

  test.each([
    ['blanks', (line: string) => line.replace(',', ', ')],
    ['a second user before the first', (line: string) => line.replace('"user":', '"user":"x","user":')],
    [
      'another order',
      (line: string) =>
        line
          .replace(/^\{("addr[^,]*,)?("cluster_name":[^,]*),/, '{')
          .replace(/\}$/, ',"cluster_name":"example"}'),
    ],
  ])('R22 a line with %s is found', async (_, edit) => {
    await writeLog();
    await change(DAY_2, (lines) => lines.map((line, at) => (at === 0 ? edit(line) : line)));
    expect(kinds(await check())).toEqual(['edited']);
  });

  test('R22 deleted lines are found, with their numbers', async () => {
    await writeLog();
    await change(DAY_2, (lines) => lines.filter((_, at) => at !== 3 && at !== 4));
    expect((await check()).findings).toEqual([expect.objectContaining({ kind: 'gap', first: 28, last: 29 })]);
  });

  test('R22 a deleted file in the middle is found', async () => {
    await writeLog();
    await rm(join(logFolder(), DAY_2));
    expect((await check()).findings).toEqual([expect.objectContaining({ kind: 'gap', first: 25, last: 48 })]);
  });

  test('R22 a deleted file at the start is found, unless old days are removed on purpose', async () => {
    await writeLog();
    await rm(join(logFolder(), '2026-03-01.00:00:00.log'));
    expect((await check()).findings).toEqual([
      expect.objectContaining({ kind: 'missing-head', first: 1, last: 24 }),
    ]);
    expect(await check({ allowMissingHead: true })).toMatchObject({ ok: true });
  });

  test('R22 lines in another order are found', async () => {
    await writeLog();
    await change(DAY_2, (lines) => lines.with(7, lines[8]!).with(8, lines[7]!));
    expect(kinds(await check())).toEqual(['reordered']);
  });

  test('R22 a repeated line is found', async () => {
    await writeLog();
    await change(DAY_2, (lines) => lines.toSpliced(8, 0, lines[7]!));
    const report = await check();
    expect(kinds(report)).toEqual(['duplicate']);
    expect(report.writers[0]?.events).toBe(72);
  });

  test('R22 a line moved to another day is found', async () => {
    await writeLog();
    let moved = '';
    await change(DAY_2, (lines) => {
      moved = lines[4]!;
      return lines.toSpliced(4, 1);
    });
    await change('2026-03-03.00:00:00.log', (lines) => [...lines, moved]);
    expect(kinds(await check())).toEqual(['misplaced', 'reordered']);
  });

  test.each([
    ['rubbish', 'not json'],
    ['JSON that is no event', '{"a":1}'],
    ['a nest of brackets', '['.repeat(100_000)],
  ])('R22 a line of %s is found', async (_, line) => {
    await writeLog();
    await change(DAY_2, (lines) => lines.with(3, line));
    expect(kinds(await check())).toEqual(['gap', 'unreadable']);
  });

  test.each([1, 9, 10])('R22 a tail cut by %i whole lines is found by the checkpoint', async (cut) => {
    await writeLog();
    await change(DAY_4, (lines) => lines.slice(0, -cut));
    if (cut === 10) await rm(join(logFolder(), DAY_4));
    expect((await check()).findings).toEqual([
      expect.objectContaining({ kind: 'truncated', writer: 'auth-2', first: 11 - cut, last: 10 }),
    ]);
  });

  test('R22 all files gone is found by the checkpoints', async () => {
    await writeLog();
    for (const name of await readdir(logFolder())) await rm(join(logFolder(), name));
    expect((await check()).findings.map(({ kind, last }) => [kind, last])).toEqual([
      ['truncated', 72],
      ['truncated', 10],
    ]);
  });

  test('R22 a chain written anew, whole and consistent, is found by the checkpoint', async () => {
    await writeLog();
    await change(DAY_4, (lines) => {
      let head = { seq: 0, hash: GENESIS };
      return lines.map((line, at) => {
        const timeMs = Date.parse((JSON.parse(line) as { time: string }).time);
        const record = sealEvent(login(at + 100), { clusterName: 'example', writer: 'auth-2', head, timeMs });
        head = record;
        return record.line;
      });
    });
    expect((await check()).findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint-mismatch', writer: 'auth-2', first: 10 }),
    ]);
  });

  /** The events of a day, changed and sealed anew into a chain that is consistent in itself. */
  const rewrite = async (name: string, writer: string, seq: number): Promise<void> => {
    await change(name, (lines) => {
      let head = { seq, hash: sha256('anything') };
      return lines.map((line, at) => {
        const timeMs = Date.parse((JSON.parse(line) as { time: string }).time);
        const record = sealEvent(login(at + 500), { clusterName: 'example', writer, head, timeMs });
        head = record;
        return record.line;
      });
    });
  };

  test('R22 a log without its old days that begins right after the newest checkpoint, written anew, is found', async () => {
    await writeLog();
    for (const name of (await readdir(logFolder())).filter((other) => other !== DAY_4)) {
      await rm(join(logFolder(), name));
    }
    await rewrite(DAY_4, 'auth-2', 10);
    const report = await check({
      checkpoints: [kept.get('auth-2')!],
      allowMissingHead: true,
    });
    expect(report.findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint-missing', writer: 'auth-2', first: 10, last: 10 }),
    ]);
  });

  test('ok: an older checkpoint is of a removed day, the newest one is there', async () => {
    await writeLog();
    const newest = kept.get('auth-1')!;
    const older = { writer: 'auth-1', seq: 3, hash: sha256('of a day that is gone'), time: newest.time };
    const signature = sign(null, checkpointBytes(older), privateKey).toString('base64');
    await rm(join(logFolder(), '2026-03-01.00:00:00.log'));
    const checkpoints = [{ ...older, signature }, ...kept.values()];
    expect(await check({ checkpoints, allowMissingHead: true })).toMatchObject({ ok: true });
  });

  test('R22 two writers with their names exchanged are found', async () => {
    await writeLog();
    const exchanged: Readonly<Record<string, string>> = { 'auth-1': 'auth-2', 'auth-2': 'auth-1' };
    const heads: Record<string, ChainHead> = {};
    for (const name of (await readdir(logFolder())).sort()) {
      if (!name.endsWith('.log')) continue;
      await change(name, (lines) =>
        lines.map((line) => {
          const { time, writer: before } = JSON.parse(line) as { time: string; writer: string };
          const writer = exchanged[before]!;
          const head = heads[writer] ?? { seq: 0, hash: GENESIS };
          const record = sealEvent(login(1), {
            clusterName: 'example',
            writer,
            head,
            timeMs: Date.parse(time),
          });
          heads[writer] = record;
          return record.line;
        }),
      );
    }
    expect(kinds(await check())).toEqual(['checkpoint-mismatch', 'truncated']);
  });

  test('R22 a writer that is gone as a whole is found, also when old days may be missing', async () => {
    await writeLog();
    await rm(join(logFolder(), DAY_4));
    expect(kinds(await check({ allowMissingHead: true }))).toEqual(['truncated']);
  });

  test('R22 says how far each writer is vouched for: an invented one is not, nor what follows a checkpoint', async () => {
    await writeLog();
    const sink = await openDirSink({ path: logFolder(), log: silentLog });
    await sink.append(new Chain({ writer: 'mallory' }).logins(5));
    await sink.close();
    const [first] = kept.values();
    const invalid = { ...kept.get('auth-2')!, signature: 'AAAA' };
    const { writers } = await check({ checkpoints: [first!, invalid] });
    expect(Object.fromEntries(writers.map(({ writer, last, signed }) => [writer, [last, signed]]))).toEqual({
      mallory: [5, 0],
      'auth-1': [72, 72],
      'auth-2': [10, 0],
    });
  });

  test('R22 no checkpoint counts when the key that signed them is gone', async () => {
    await writeLog();
    const report = await check({ isSigned: () => false });
    expect(kinds(report)).toEqual(['checkpoint-invalid']);
    expect(report.writers.map(({ signed }) => signed)).toEqual([0, 0]);
  });

  test('S33 a log of events with huge names costs no memory', async () => {
    await writeLog();
    const huge = 'w'.repeat(1024 * 1024);
    await change(DAY_2, (lines) => [...lines, ...lines.map((line) => line.replace('auth-1', huge))]);
    const report = await check();
    expect(kinds(report)).toEqual(['unreadable']);
    expect(report.writers).toHaveLength(2);
  });

  test('S28 a pipe or a link in place of a day is no part of the log', async () => {
    await writeLog();
    await rename(join(logFolder(), DAY_2), join(folder, 'elsewhere'));
    await symlink(join(folder, 'elsewhere'), join(logFolder(), DAY_2));
    await expect(check()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await rm(join(logFolder(), DAY_2));
    execFileSync('mkfifo', [join(logFolder(), DAY_2)]);
    await expect(check()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('R22 a checkpoint that is not signed by the cluster is found', async () => {
    await writeLog();
    const forged = { ...kept.get('auth-2')!, seq: 5 };
    expect((await check({ checkpoints: [forged] })).findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint-invalid', writer: 'auth-2' }),
    ]);
  });

  test('ok: a last line that a writer has not finished is a note', async () => {
    await writeLog();
    const path = join(logFolder(), DAY_4);
    await writeFile(path, `${await readFile(path, 'utf8')}{"event":"user.lo`);
    const report = await check();
    expect(report.ok).toBe(true);
    expect(kinds(report)).toEqual(['torn']);
  });

  test('refuses: a folder that is not there', async () => {
    await expect(check({ folder: join(folder, 'nowhere') })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });
});

describe('checkpoints', () => {
  const start = async (sink: FakeSink, clock: FakeClock): ReturnType<typeof openAuditLog> =>
    openAuditLog({
      sinks: [sink],
      spillDir: join(folder, 'journal'),
      clock,
      log: silentLog,
      clusterName: 'example',
      writer: 'auth-1',
      checkpoint: keeper,
      limits: { checkpointEvents: 10, checkpointMs: 60_000 },
    });

  test('ok: one after so many events, one after so long, one at the end', async () => {
    const clock = new FakeClock();
    const log = await start(new FakeSink(), clock);
    log.emit(login(1));
    await log.flush();
    expect(kept.size).toBe(0);
    await clock.advance(60_000);
    expect(kept.get('auth-1')?.seq).toBe(1);
    for (let n = 2; n <= 15; n++) log.emit(login(n));
    await log.flush();
    await clock.advance(0);
    expect(kept.get('auth-1')?.seq).toBeGreaterThanOrEqual(11);
    log.emit(login(16));
    await log.close();
    expect(kept.get('auth-1')?.seq).toBe(16);
  });

  test('ok: never ahead of what the first sink has', async () => {
    const clock = new FakeClock();
    const sink = new FakeSink();
    sink.script = Array.from({ length: 100 }, () => 'UNAVAILABLE' as const);
    const log = await start(sink, clock);
    for (let n = 1; n <= 50; n++) log.emit(login(n));
    await log.flush();
    await clock.advance(120_000);
    expect(kept.size).toBe(0);
    await log.close();
    expect(kept.size).toBe(0);
  });

  test('ok: a log that is behind its checkpoint says so and does not use a number twice', async () => {
    const clock = new FakeClock();
    const first = await start(new FakeSink(), clock);
    for (let n = 1; n <= 5; n++) first.emit(login(n));
    await first.close();
    await rm(join(folder, 'journal'), { recursive: true });
    const sink = new FakeSink();
    const second = await start(sink, clock);
    await second.flush();
    expect(sink.seqs).toEqual([6]);
    expect(JSON.parse(sink.records[0]!.line)).toMatchObject({
      event: 'audit.gap',
      first_seq: 1,
      last_seq: 5,
    });
    await second.close();
  });
});
