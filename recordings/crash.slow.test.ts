// The promise of recordings under kill -9, of the host or of the store, at any step of writing, uploading and storing:
// what was acknowledged is in the store, once, in order and in a chain that verifies; what is there was really shown.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { HOST, printed } from './conformance/samples.ts';
import { openDirRecordings } from './dir/store.ts';
import { readRecording } from './read.ts';
import { openSpool } from './spool/open.ts';
import { startUploader } from './spool/uploader.ts';
import type { RecordingStore } from './store.ts';
import { verifyRecording } from './verify.ts';

const KILLS_PER_LANE = 55;
const CHILD = join(import.meta.dirname, 'crash.child.ts');

interface Acknowledged {
  bytes: number;
  ended: boolean;
}

/** Runs one process until it is dead. */
async function crash(folder: string, acknowledged: Map<string, Acknowledged>): Promise<void> {
  const outside = randomInt(3) === 0;
  const dieAtStep = outside ? 0 : randomInt(1, 120);
  const killAfter = outside ? randomInt(1, 40) : Infinity;
  const child = spawn(process.execPath, [CHILD, folder, String(dieAtStep)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = once(child, 'exit');
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [session = '', what = ''] = line.split(' ');
    const known = acknowledged.get(session) ?? { bytes: 0, ended: false };
    acknowledged.set(session, known);
    if (what === 'end') known.ended = true;
    else known.bytes = Number(what);
    if (++count === killAfter) child.kill('SIGKILL');
  }
  const [, signal] = (await exited) as [number | null, string | null];
  expect(signal, errors).toBe('SIGKILL');
}

/** Uploads all that the dead left. */
async function drain(folder: string, store: RecordingStore): Promise<void> {
  const failures: string[] = [];
  const spool = await openSpool({
    dir: join(folder, 'spool'),
    maxBytes: 1 << 30,
    clock: systemClock,
    log: silentLog,
    onFailure: ({ reason }) => failures.push(reason),
  });
  const uploader = startUploader({
    spool,
    clock: systemClock,
    log: silentLog,
    target: {
      putSegment: (upload) => store.putSegment(HOST, upload),
      complete: async (completion) => void (await store.complete(HOST, completion)),
      putWhole: async (uploads) => void (await store.putWhole(HOST, uploads)),
    },
  });
  await uploader.flush();
  expect(failures).toEqual([]);
  expect(spool.closed()).toEqual([]);
  expect(spool.usedBytes()).toBe(0);
  await uploader.close();
  await spool.close();
  expect(await readdir(join(folder, 'spool'))).toEqual(['quarantine']);
  expect(await readdir(join(folder, 'spool', 'quarantine'))).toEqual([]);
}

/** What a session shows when it is never interrupted. */
function numbers(bytes: number): string {
  const pieces: string[] = [];
  for (let number = 0, length = 0; length < bytes; number++) {
    const line = `${number}\n`;
    pieces.push(line);
    length += line.length;
  }
  return pieces.join('').slice(0, bytes);
}

async function lane(): Promise<{ sessions: number; interrupted: number; bytes: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-recordings-'));
  try {
    const acknowledged = new Map<string, Acknowledged>();
    for (let kill = 0; kill < KILLS_PER_LANE; kill++) await crash(folder, acknowledged);
    const store = await openDirRecordings({ path: join(folder, 'sessions'), clock: systemClock });
    await drain(folder, store);
    const tally = { sessions: 0, interrupted: 0, bytes: 0 };
    for (const [session, { bytes, ended }] of acknowledged) {
      const report = await verifyRecording(store.source(session));
      expect(report.findings, session).toEqual([]);
      const text = await printed(readRecording(store.source(session)));
      expect(text.length, session).toBeGreaterThanOrEqual(bytes);
      expect(text === numbers(text.length), `${session} shows what was shown`).toBe(true);
      if (ended) {
        expect(report.end?.reason, session).toBe('closed');
        expect(text.length).toBe(bytes);
      }
      expect((await store.get(session))?.status).toBe(report.end?.reason);
      tally.sessions++;
      tally.bytes += text.length;
      if (report.end?.reason === 'interrupted') tally.interrupted++;
    }
    const listed: string[] = [];
    for (let cursor: string | undefined, isMore = true; isMore;) {
      const page = await store.list({ limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
      listed.push(...page.recordings.map(({ session }) => session));
      cursor = page.next;
      isMore = cursor !== undefined;
    }
    expect(new Set(listed).size).toBe(listed.length);
    expect([...acknowledged.keys()].filter((session) => !listed.includes(session))).toEqual([]);
    await store.close();
    return tally;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test(`R16 ${2 * KILLS_PER_LANE} kills: nothing acknowledged lost, nothing twice, every recording ends`, async () => {
  const lanes = await Promise.all([lane(), lane()]);
  for (const { sessions, interrupted } of lanes) {
    expect(sessions).toBeGreaterThan(KILLS_PER_LANE);
    expect(interrupted).toBeGreaterThan(KILLS_PER_LANE / 2);
  }
});
