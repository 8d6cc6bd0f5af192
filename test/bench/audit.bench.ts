// Audit log: durable ingest against the raw cost of append + fdatasync in groups of the same size, delivery, search
// over a large folder (cold: first question after a start; warm: asked before), and verification.
// GATEHOUSE_BENCH_EVENTS sets the size of the searched log (default 1,000,000 over four days).
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { EventInput } from '#events/catalogue.ts';
import { fileOf, dayOf } from '#events/dir/day-file.ts';
import { openDirSink, type DirSink } from '#events/dir/sink.ts';
import { openAuditLog } from '#events/log.ts';
import type { EventQuery } from '#events/query.ts';
import { GENESIS, sealEvent } from '#events/record.ts';
import { verifyFolder } from '#events/verify.ts';

const DAY = 86_400_000;
const EVENTS = Number(process.env['GATEHOUSE_BENCH_EVENTS'] ?? 1_000_000);

function sample(n: number): EventInput {
  if (n % 20_000 === 0) return { event: 'role.deleted', user: 'admin', name: `role-${n}` };
  const user = `user-${n % 997}@example.com`;
  if (n % 3 === 0)
    return { event: 'user.login', user, method: 'local', success: true, 'addr.remote': '10.1.2.3:40000' };
  return {
    event: 'exec',
    user,
    login: 'root',
    sid: `0b0e7ed6-6f0f-4d3a-9a52-${String(n).padStart(12, '0')}`,
    server_id: 'f84f7386-5e22-45ff-8f7d-b8079742e63f',
    command: `systemctl status service-${n % 100}`,
    success: true,
    exitCode: 0,
  };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const rate = (count: number, time: number): string => `${Math.round(count / time).toLocaleString('en')}/s`;

async function openLog(folder: string): Promise<AuditLog> {
  return openAuditLog({
    sinks: [await openDirSink({ path: join(folder, 'log'), log: silentLog })],
    spillDir: join(folder, 'journal'),
    clock: systemClock,
    log: silentLog,
    clusterName: 'example',
    writer: 'auth-1',
  });
}

/** What any durable log must pay: the same bytes, appended and synced in the same groups. */
async function rawSeconds(folder: string, group: number, groups: number, bytes: number): Promise<number> {
  const file = await open(join(folder, 'raw'), 'w');
  const data = Buffer.alloc(bytes * group, 'x');
  const time = await seconds(async () => {
    for (let at = 0; at < groups; at++) {
      await file.appendFile(data);
      await file.datasync();
    }
  });
  await file.close();
  return time;
}

async function ingest(folder: string): Promise<void> {
  console.log(
    '\ndurable ingest (emitDurably in groups, one group after the other, file:// sink delivering meanwhile)',
  );
  const bytes = sealEvent(sample(1), {
    clusterName: 'example',
    writer: 'auth-1',
    head: { seq: 1, hash: GENESIS },
    timeMs: systemClock.now(),
  }).line.length;
  for (const group of [1, 10, 100, 1000]) {
    const groups = Math.min(2000, Math.ceil(50_000 / group));
    const log = await openLog(join(folder, `ingest-${group}`));
    const time = await seconds(async () => {
      for (let at = 0; at < groups; at++) {
        await Promise.all(Array.from({ length: group }, (_, n) => log.emitDurably(sample(at * group + n))));
      }
    });
    const all = time + (await seconds(() => log.flush()));
    await log.close();
    const raw = await rawSeconds(folder, group, groups, bytes + 1);
    console.log(
      `  groups of ${group}: ${rate(group * groups, time)} durable, ${rate(group * groups, all)} delivered too; ` +
        `raw ${rate(group * groups, raw)}; ratio ${(raw / time).toFixed(2)}`,
    );
  }
}

async function fill(folder: string): Promise<void> {
  const start = Date.UTC(2026, 2, 1);
  const step = (4 * DAY) / EVENTS;
  let head = { seq: 0, hash: GENESIS };
  let lines: string[] = [];
  let day = dayOf(start);
  const path = join(folder, 'search');
  await (await openDirSink({ path, log: silentLog })).close();
  const write = async (): Promise<void> => {
    const file = await open(fileOf(path, day), 'a');
    await file.appendFile(`${lines.join('\n')}\n`);
    await file.close();
    lines = [];
  };
  const time = await seconds(async () => {
    for (let n = 1; n <= EVENTS; n++) {
      const timeMs = Math.floor(start + (n - 1) * step);
      if (lines.length > 0 && (dayOf(timeMs) !== day || lines.length >= 20_000)) await write();
      day = dayOf(timeMs);
      const record = sealEvent(sample(n), { clusterName: 'example', writer: 'auth-1', head, timeMs });
      head = record;
      lines.push(record.line);
    }
    await write();
  });
  console.log(
    `\nsealing and writing ${EVENTS.toLocaleString('en')} events without sync: ${rate(EVENTS, time)}`,
  );
}

async function ask(sink: DirSink, query: EventQuery): Promise<number> {
  let found = 0;
  let cursor: string | undefined;
  do {
    const page = await sink.search({ ...query, limit: query.limit - found, cursor });
    found += page.events.length;
    cursor = page.next;
  } while (cursor !== undefined && found < query.limit);
  return found;
}

async function search(folder: string): Promise<void> {
  const from = Date.UTC(2026, 2, 1);
  const whole = { from, to: from + 4 * DAY, limit: 100, order: 'desc' } as const;
  const oneDay = { ...whole, from: from + DAY, to: from + 2 * DAY };
  const questions: readonly (readonly [string, (turn: number) => EventQuery])[] = [
    ['newest 100 of a day', () => oneDay],
    [
      'newest 100 of ten minutes',
      (turn) => ({ ...whole, from: from + DAY + turn * 600_000, to: from + DAY + (turn + 1) * 600_000 }),
    ],
    ['a user in a day', (turn) => ({ ...oneDay, user: `user-${turn}@example.com` })],
    ['a rare type in four days', () => ({ ...whole, types: ['role.deleted'] })],
    ['an unknown user in four days', (turn) => ({ ...whole, user: `nobody-${turn}` })],
    ['text that occurs nowhere, in a day', (turn) => ({ ...oneDay, search: `no such text ${turn}` })],
    ['text that occurs nowhere, in four days', (turn) => ({ ...whole, search: `no such text ${turn}` })],
  ];
  console.log(
    'search, limit 100: cold (a new process would see this first), then p50 and p95 of 20 warm ones',
  );
  for (const [name, question] of questions) {
    const sink = await openDirSink({ path: join(folder, 'search'), log: silentLog });
    let found = 0;
    const times: number[] = [];
    for (let turn = 0; turn <= 20; turn++) {
      times.push(
        await seconds(async () => {
          found = await ask(sink, question(turn));
        }),
      );
    }
    await sink.close();
    const [cold = 0, ...warm] = times;
    warm.sort((a, b) => a - b);
    const ms = (time = 0): string => `${(time * 1000).toFixed(1)} ms`;
    console.log(`  ${name}: cold ${ms(cold)}, p50 ${ms(warm[10])}, p95 ${ms(warm[18])} (${found} found)`);
  }
  const time = await seconds(async () => {
    const report = await verifyFolder({
      folder: join(folder, 'search'),
      checkpoints: [],
      isSigned: () => false,
    });
    if (!report.ok) throw new Error('the log does not verify');
  });
  console.log(
    `verify: ${rate(EVENTS, time)}; resident memory ${Math.round(process.memoryUsage().rss / 1e6)} MB`,
  );
}

const folder = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
try {
  await ingest(folder);
  await fill(folder);
  await search(folder);
} finally {
  await rm(folder, { recursive: true });
}
