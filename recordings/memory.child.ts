// A process that does what takes much memory when it is done wrong, and prints by how many bytes it grew at most;
// memory.slow.test.ts starts it. Apart, because a test runner has a memory of its own.
import { randomBytes, randomUUID } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { systemClock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { silentLog } from '#core/log.ts';
import { letOthersWork } from '#test/kit/until.ts';
import { FACTS, sessionId } from './conformance/samples.ts';
import { realDisk, type Disk } from './disk.ts';
import { encodeBlock, encodeHeader, MAX_BLOCK_BYTES, NO_PREVIOUS, sha256 } from './format/segment.ts';
import { exportRecording } from './playback/export.ts';
import { openRecorder } from './recorder/open.ts';
import type { SessionRecorder } from './recorder.ts';
import type { RecordingSource } from './source.ts';
import { openSpool } from './spool/open.ts';
import { verifyRecording } from './verify.ts';

const [story = '', folder = ''] = process.argv.slice(2);
const MIB = 1024 * 1024;

let most = 0;
let looks = 0;
const look = (): void => {
  if (++looks % 100 === 0) most = Math.max(most, process.memoryUsage.rss());
};

async function openRecorders(count: number, disk: Disk, codeExpected?: Code): Promise<SessionRecorder[]> {
  const clock = systemClock;
  const spool = await openSpool({
    dir: folder,
    maxBytes: 1 << 30,
    clock,
    log: silentLog,
    disk,
    onFailure: ({ code, reason }) => {
      if (code !== codeExpected) throw new Error(reason);
    },
  });
  // As soon as a segment is complete it is of no use here.
  spool.onClosed((segment) => void spool.remove(segment));
  return Array.from({ length: count }, () =>
    openRecorder({
      spool,
      sessionId: randomUUID(),
      facts: FACTS,
      mode: 'best_effort',
      kind: 'interactive',
      sync: false,
      clock,
      log: silentLog,
    }),
  );
}

async function flood(recorder: SessionRecorder, piece: Buffer, bytes: number): Promise<void> {
  for (let done = 0; done < bytes; done += piece.length) {
    if (!recorder.output(piece)) await recorder.drained();
    look();
  }
  await recorder.end({});
}

/** Ten sessions print as fast as they can. */
async function tenFloods(bytes: number): Promise<void> {
  const recorders = await openRecorders(10, realDisk);
  const pieces = [Buffer.from('y\r\n'.repeat(10_000)), Buffer.alloc(32_768), randomBytes(32_768)];
  await Promise.all(
    recorders.map((recorder, at) => flood(recorder, pieces[at % 3] ?? randomBytes(1), bytes)),
  );
}

/** One session that does not wait, on a disk that takes its time. */
async function impatient(): Promise<void> {
  const slow: Disk = {
    ...realDisk,
    write: async (file, data, position) => {
      for (let turns = 0; turns < 20; turns++) await letOthersWork();
      return realDisk.write(file, data, position);
    },
  };
  const [recorder] = await openRecorders(1, slow, 'LIMIT_EXCEEDED');
  const piece = randomBytes(65_536);
  for (let at = 0; at < 16_000; at++) {
    recorder?.output(piece);
    if (at % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    look();
  }
  await recorder?.end({});
}

/** Verifying and exporting what is made to unpack to as much as possible. */
async function bombs(): Promise<void> {
  const zeros = zstdCompressSync(Buffer.alloc(MAX_BLOCK_BYTES));
  const bomb = encodeBlock(zeros, { encoding: 'zstd', at: 0, rawLength: MAX_BLOCK_BYTES });
  const frames = Buffer.alloc(MAX_BLOCK_BYTES, Buffer.from([2, 0, 1, 0x78]));
  const tiny = encodeBlock(zstdCompressSync(frames), { encoding: 'zstd', at: 0, rawLength: MAX_BLOCK_BYTES });
  const source: RecordingSource = {
    session: sessionId(1),
    segments: () => Promise.resolve(Array.from({ length: 2 }, (_, at) => ({ number: at + 1, bytes: 0 }))),
    async *open(number) {
      yield encodeHeader({ sid: sessionId(1), number, previous: number === 1 ? NO_PREVIOUS : sha256(bomb) });
      for (let at = 0; at < 300; at++) {
        look();
        yield at % 50 === 0 ? tiny : bomb;
      }
    },
  };
  await verifyRecording(source);
  for (const format of ['text', 'json', 'asciicast'] as const)
    for await (const piece of exportRecording(source, format)) if (piece.length > 0) look();
}

const stories: Readonly<Record<string, () => Promise<void>>> = {
  // Whatever is loaded and made once is not growth.
  'ten floods': () => tenFloods(200 * MIB),
  impatient,
  bombs,
};
await tenFloods(4 * MIB);
global.gc?.();
const before = process.memoryUsage().rss;
most = before;
await stories[story]?.();
process.stdout.write(`${most - before}\n`);
