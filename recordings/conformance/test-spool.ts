// A spool in a folder of its own for tests, with a clock that is moved by hand and a disk that fails on demand.
import type { FileHandle } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { realDisk, type Disk } from '../disk.ts';
import { openRecorder } from '../recorder/open.ts';
import type { RecorderOptions, SessionRecorder } from '../recorder.ts';
import type { RecordingSource } from '../source.ts';
import { openSpool } from '../spool/open.ts';
import type { RecordingFailure, Spool } from '../spool.ts';
import { FACTS, spoolSource, START } from './samples.ts';

/** Writes half of what it is given and fails with `writeError`, or fails to sync with `syncError`, while they are set. */
export class FaultyDisk implements Disk {
  writeError: string | undefined;
  syncError: string | undefined;
  /** Writes wait for it. */
  gate: Promise<void> = Promise.resolve();
  writes = 0;

  async write(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
    await this.gate;
    this.writes++;
    if (this.writeError === undefined) return realDisk.write(file, data, position);
    await realDisk.write(file, data.subarray(0, data.length >> 1), position);
    throw Object.assign(new Error(this.writeError), { code: this.writeError });
  }

  async sync(file: FileHandle): Promise<void> {
    if (this.syncError !== undefined) throw Object.assign(new Error('sync'), { code: this.syncError });
    return realDisk.sync(file);
  }
}

export interface TestSpool {
  readonly spool: Spool;
  readonly clock: FakeClock;
  readonly disk: FaultyDisk;
  readonly failures: RecordingFailure[];
  /** A recorder of a fresh session, interactive and best_effort unless said otherwise. */
  record(options?: Partial<RecorderOptions>): SessionRecorder;
  /** What was closed of a session. */
  source(session: string): RecordingSource;
}

/** Within a test, which closes the spool when it ends. In a fresh subfolder of `folder`, or in `dir` to open one again. */
export async function openTestSpool(
  folder: string,
  options: { readonly maxBytes?: number; readonly dir?: string } = {},
): Promise<TestSpool> {
  const clock = new FakeClock(START);
  const disk = new FaultyDisk();
  const failures: RecordingFailure[] = [];
  const spool = await openSpool({
    dir: options.dir ?? join(folder, randomUUID()),
    maxBytes: options.maxBytes ?? 1 << 30,
    clock,
    log: silentLog,
    disk,
    onFailure: (failure) => failures.push(failure),
  });
  onTestFinished(() => spool.close());
  return {
    spool,
    clock,
    disk,
    failures,
    record: (more = {}) =>
      openRecorder({
        spool,
        sessionId: randomUUID(),
        facts: FACTS,
        mode: 'best_effort',
        kind: 'interactive',
        sync: false,
        clock,
        log: silentLog,
        ...more,
      }),
    source: (session) => spoolSource(spool, session),
  };
}
