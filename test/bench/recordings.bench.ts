// Recording sessions: what a MiB of output costs, on the event loop and altogether; what an idle session holds; how
// many short commands a second can be recorded durably; and reading it back. Uploads are not part of it.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { FACTS, spoolSource } from '#recordings/conformance/samples.ts';
import { openRecorder } from '#recordings/recorder/open.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { openSpool } from '#recordings/spool/open.ts';
import type { Spool } from '#recordings/spool.ts';
import { verifyRecording } from '#recordings/verify.ts';

const MIB = 1024 * 1024;
const folder = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));

function terminalText(bytes: number): Buffer {
  const lines: string[] = [];
  for (let n = 0, length = 0; length < bytes; n++) {
    const name = `\u001b[01;34mfile-${(n * 31_337) % 99_991}.txt\u001b[0m`;
    const line = `-rw-r--r--  1 root root ${(n * 7919) % 1_000_003} Jan ${n % 28} 12:${n % 60} ${name}\r\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, bytes);
}

function record(spool: Spool, kind: 'interactive' | 'exec', sessionId = randomUUID()): SessionRecorder {
  const common = { facts: FACTS, sync: false, clock: systemClock, log: silentLog } as const;
  return openRecorder({ spool, sessionId, mode: 'best_effort', kind, ...common });
}

async function flood(
  spool: Spool,
  name: string,
  kind: 'interactive' | 'exec',
  output: Buffer,
  mib: number,
): Promise<void> {
  const session = randomUUID();
  const recorder = record(spool, kind, session);
  const pieces = Array.from({ length: Math.ceil(output.length / 32_768) }, (_, at) =>
    output.subarray(at * 32_768, (at + 1) * 32_768),
  );
  const cpu = process.cpuUsage();
  const start = performance.now();
  let inOutput = 0;
  for (let done = 0, at = 0; done < mib * MIB; at++) {
    const piece = pieces[at % pieces.length] ?? output;
    const before = performance.now();
    const goOn = recorder.output(piece);
    inOutput += performance.now() - before;
    done += piece.length;
    if (!goOn) await recorder.drained();
  }
  await recorder.end({});
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  const stored = spool.closed().filter((segment) => segment.session === session);
  const bytes = stored.reduce((sum, segment) => sum + segment.bytes, 0);
  console.log(
    `  ${name}: ${(inOutput / mib).toFixed(2)} ms/MiB in output(), ${((user + system) / 1000 / mib).toFixed(2)} ms/MiB CPU in all, ` +
      `${Math.round(mib / seconds)} MiB/s, stored as ${((bytes / MIB / mib) * 100).toFixed(2)} %`,
  );
  const began = performance.now();
  const report = await verifyRecording(spoolSource(spool, session));
  if (!report.ok) throw new Error('the recording does not verify');
  if (kind === 'interactive')
    console.log(`    read and verified: ${Math.round(mib / ((performance.now() - began) / 1000))} MiB/s`);
  for (const segment of stored) await spool.remove(segment);
}

/** Bytes that are in use; with garbage among them unless node runs with --expose-gc. */
async function live(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function idle(spool: Spool, count: number): Promise<void> {
  const before = await live();
  const recorders = Array.from({ length: count }, () => record(spool, 'interactive'));
  for (const recorder of recorders) recorder.output(Buffer.from('Welcome\r\n$ '));
  await Promise.all(recorders.map((recorder) => recorder.flush()));
  const held = (await live()) - before;
  console.log(`  ${count} idle sessions: ${(held / count / 1024).toFixed(1)} KiB each`);
  await Promise.all(recorders.map((recorder) => recorder.end({})));
}

async function commands(spool: Spool, count: number, atOnce: number): Promise<void> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let done = 0; done < count; done += atOnce) {
    const recorders = Array.from({ length: atOnce }, () => record(spool, 'exec'));
    for (const recorder of recorders)
      recorder.output(Buffer.from('changed: [host] => {"changed": true}\r\n'));
    await Promise.all(recorders.map((recorder) => recorder.end({ exit_code: 0 })));
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `  short commands, ${atOnce} at once: ${Math.round(count / seconds)}/s durable, ${((user + system) / 1000 / count).toFixed(2)} ms CPU each`,
  );
}

try {
  const spool = await openSpool({
    dir: folder,
    maxBytes: 4 * 1024 * MIB,
    clock: systemClock,
    log: silentLog,
    onFailure: ({ reason }) => console.log(`  FAILED: ${reason}`),
  });
  console.log('\nrecording');
  await flood(spool, 'warming up', 'interactive', terminalText(MIB), 32);
  await flood(spool, 'terminal text', 'interactive', terminalText(8 * MIB), 256);
  await flood(spool, 'zeros', 'interactive', Buffer.alloc(MIB), 512);
  await flood(
    spool,
    'base64 of noise',
    'interactive',
    Buffer.from(randomBytes(6 * MIB).toString('base64')),
    256,
  );
  await flood(spool, 'a command without a terminal', 'exec', Buffer.alloc(MIB), 4096);
  await idle(spool, 1000);
  await commands(spool, 500, 1);
  await commands(spool, 2000, 50);
  await spool.close();
} finally {
  await rm(folder, { recursive: true });
}
