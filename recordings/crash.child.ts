// A process that records several sessions, uploads them into a store on the same disk, and dies of kill -9 somewhere in
// it; crash.slow.test.ts starts many of them one after the other. It prints `<session> <bytes>` once that many bytes
// are on stable storage, and `<session> end` once its recording has ended.
import { randomInt, randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { FACTS, HOST } from './conformance/samples.ts';
import { openDirRecordings } from './dir/store.ts';
import { realDisk, type Disk } from './disk.ts';
import { openRecorder } from './recorder/open.ts';
import { openSpool } from './spool/open.ts';
import { startUploader } from './spool/uploader.ts';

const [folder = '', dieAtStep = '0'] = process.argv.slice(2);

/** Writes a piece of the data, or dies before or after a sync, at the step that was chosen. */
let steps = 0;
const isLast = (): boolean => ++steps === Number(dieAtStep);
const die = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
};
const deadlyDisk: Disk = {
  async write(file, data, position) {
    if (!isLast()) return realDisk.write(file, data, position);
    await file.write(data, 0, randomInt(data.length + 1), position);
    return die();
  },
  async sync(file) {
    if (!isLast()) return realDisk.sync(file);
    if (randomInt(2) === 0) await realDisk.sync(file);
    return die();
  },
};

const clock = systemClock;
const log = silentLog;
const spool = await openSpool({
  dir: join(folder, 'spool'),
  maxBytes: 1 << 30,
  clock,
  log,
  disk: deadlyDisk,
  onFailure: ({ reason }) => writeSync(2, `failure: ${reason}\n`),
});
const store = await openDirRecordings({ path: join(folder, 'sessions'), clock, disk: deadlyDisk });
startUploader({
  spool,
  clock,
  log,
  target: {
    putSegment: (upload) => store.putSegment(HOST, upload),
    complete: async (completion) => void (await store.complete(HOST, completion)),
    putWhole: async (uploads) => void (await store.putWhole(HOST, uploads)),
  },
});

/** The output of a session is its own text: numbers, one after the other. */
async function session(): Promise<void> {
  const sessionId = randomUUID();
  const sync = randomInt(2) === 0;
  const recorder = openRecorder({
    spool,
    sessionId,
    facts: FACTS,
    mode: 'strict',
    kind: 'interactive',
    sync,
    clock,
    log,
  });
  await recorder.started;
  let bytes = 0;
  let number = 0;
  for (let bursts = randomInt(1, 12); bursts > 0; bursts--) {
    for (let lines = randomInt(1, 30_000); lines > 0; lines--) {
      const line = Buffer.from(`${number++}\n`);
      bytes += line.length;
      if (!recorder.output(line)) await recorder.drained();
    }
    await recorder.flush();
    writeSync(1, `${sessionId} ${bytes}\n`);
  }
  await recorder.end({ exit_code: 0 });
  writeSync(1, `${sessionId} end\n`);
}

async function sessions(): Promise<never> {
  for (;;) await session();
}

await Promise.all([sessions(), sessions(), sessions()]);
