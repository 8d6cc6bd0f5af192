// The promise of the audit log under kill -9: what was acknowledged is there, once, in order, in every sink, whether the
// process dies within a write (torn lines) or is killed from outside at any moment, with a sink that fails and hangs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openDirSink } from './dir/sink.ts';
import { openAuditLog } from './log.ts';
import { verifyFolder } from './verify.ts';

const KILLS_PER_LANE = 52;
const CHILD = join(import.meta.dirname, 'log-crash.child.ts');

interface Tally {
  readonly acknowledged: Set<number>;
  torn: number;
}

/** Runs one process until it is dead; returns the number the next one starts with. */
async function crash(folder: string, first: number, tally: Tally): Promise<number> {
  const outside = randomInt(3) === 0;
  const dieAtWrite = outside ? 0 : 1 + randomInt(60);
  const killAfter = outside ? 1 + randomInt(400) : Infinity;
  const child = spawn(process.execPath, [CHILD, folder, String(first), String(dieAtWrite)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = once(child, 'exit');
  let count = 0;
  let highest = first;
  for await (const line of createInterface({ input: child.stdout })) {
    tally.acknowledged.add(Number(line));
    highest = Math.max(highest, Number(line));
    if (++count === killAfter) child.kill('SIGKILL');
  }
  const [, signal] = (await exited) as [number | null, string | null];
  expect(signal, errors).toBe('SIGKILL');
  return highest + 1000;
}

async function linesOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) => text.trimEnd().split('\n'));
}

async function drain(folder: string): Promise<void> {
  const log = await openAuditLog({
    sinks: [
      await openDirSink({ path: join(folder, 'log'), log: silentLog }),
      {
        ...(await openDirSink({ path: join(folder, 'flaky'), log: silentLog })),
        name: `flaky:file://${folder}/flaky`,
      },
    ],
    spillDir: join(folder, 'journal'),
    clock: systemClock,
    log: silentLog,
    clusterName: 'example',
    writer: 'auth-1',
  });
  await log.flush();
  expect(log.status()).toMatchObject({ healthy: true, pending: 0 });
  await log.close();
}

async function lane(): Promise<{ events: number; torn: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-crash-'));
  try {
    const tally: Tally = { acknowledged: new Set(), torn: 0 };
    for (let kill = 0, first = 1; kill < KILLS_PER_LANE; kill++) first = await crash(folder, first, tally);
    await drain(folder);
    for (const name of ['log', 'flaky']) {
      const events = (await linesOf(join(folder, name))).map(
        (line) => JSON.parse(line) as { user: string; seq: number },
      );
      const users = events.map(({ user }) => Number(user.slice('user-'.length)));
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
      expect(new Set(users).size).toBe(users.length);
      expect(users).toEqual(users.toSorted((a, b) => a - b));
      const there = new Set(users);
      expect([...tally.acknowledged].filter((number) => !there.has(number))).toEqual([]);
      const report = await verifyFolder({
        folder: join(folder, name),
        checkpoints: [],
        isSigned: () => false,
      });
      expect(report).toMatchObject({ ok: true, findings: [] });
      tally.torn += (await readdir(join(folder, name))).filter((file) => file.endsWith('.torn')).length;
    }
    return { events: tally.acknowledged.size, torn: tally.torn };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test(`R8 ${2 * KILLS_PER_LANE} kills: no acknowledged event lost, none twice, order kept`, async () => {
  const lanes = await Promise.all([lane(), lane()]);
  for (const { events, torn } of lanes) {
    expect(events).toBeGreaterThan(KILLS_PER_LANE);
    expect(torn).toBeGreaterThan(0);
  }
});
