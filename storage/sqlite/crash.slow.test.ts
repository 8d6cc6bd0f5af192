// Crashes: a writing process is killed again and again at random moments on one database file. No acknowledged write
// is lost, no atomic write is half there, the revision never goes back, and a watch that resumes over all the crashes
// sees every change once.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { compareRevisions } from '#core/revision.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Backend, Revision, WatchBatch } from '../backend.ts';
import { openSqlite } from './open.ts';
import type { JournalMode } from './options.ts';

const folder = tempFolder();
const script = join(dirname(fileURLToPath(import.meta.url)), 'crash-writer.ts');

interface Acknowledged {
  readonly lane: number;
  readonly number: number;
  readonly revision: Revision;
}

/** Runs a writer, kills it at a random moment, and returns what it had acknowledged by then. */
async function runAndKill(path: string, journal: JournalMode): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [script, path, journal], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  // Mostly while it writes, sometimes while it still starts or opens the store; turns of this process's event loop
  // have nothing to do with what the other one is doing at that moment.
  const lines = 1 + randomInt(40);
  if (randomInt(5) > 0) await untilOutput(child, () => output.split('\n').length > lines);
  for (let turn = randomInt(10_000); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
  child.kill('SIGKILL');
  await ended;
  // The last line may have been cut.
  const said = output
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== 'open');
  return said.map((line) => {
    const [lane, number, revision = ''] = line.split(' ');
    return { lane: Number(lane), number: Number(number), revision };
  });
}

async function untilOutput(child: ChildProcess, enough: () => boolean): Promise<void> {
  while (!enough()) {
    if (child.exitCode !== null) throw new Error(`the writer ended by itself with ${child.exitCode}`);
    await once(child.stdout!, 'data');
  }
}

function open(path: string, journal: JournalMode): Promise<Backend> {
  return openSqlite({ path, clock: systemClock, log: silentLog, journal });
}

async function batchesAfter(backend: Backend, from: Revision): Promise<WatchBatch[]> {
  const abort = new AbortController();
  const end = await backend.revision();
  const batches: WatchBatch[] = [];
  for await (const batch of backend.watch({ prefixes: [''], from, signal: abort.signal })) {
    if (batch.events.length > 0) batches.push(batch);
    if (compareRevisions(batch.revision, end) >= 0) abort.abort();
  }
  return batches;
}

/** What a consumer knows that only ever read the watch. */
class Consumer {
  readonly state = new Map<string, string>();
  readonly numbers = new Map<string, number>();
  revision: Revision = '';

  consume(batches: readonly WatchBatch[]): void {
    for (const batch of batches) {
      expect(compareRevisions(this.revision, batch.revision)).toBeLessThan(0);
      this.revision = batch.revision;
      const puts = batch.events.flatMap((event) => (event.type === 'put' ? [event.item] : []));
      const pair = puts.filter(({ key }) => /\/[ab]$/.test(key));
      expect([0, 2]).toContain(pair.length);
      for (const { key, value, revision } of puts) {
        expect(revision).toBe(batch.revision);
        const text = Buffer.from(value).toString();
        this.state.set(key, text);
        if (key.endsWith('/c')) continue;
        const number = Number.parseInt(text, 10);
        expect(number).toBe((this.numbers.get(key) ?? 0) + 1);
        this.numbers.set(key, number);
      }
      for (const event of batch.events) if (event.type === 'delete') this.state.delete(event.key);
    }
  }
}

test.each<[JournalMode, number]>([
  ['WAL', 160],
  ['DELETE', 50],
])('ok: %s, killed %i times', { timeout: 300_000 }, async (journal, kills) => {
  const path = join(folder, journal, 'sqlite.db');
  const fresh = await open(path, journal);
  const consumer = new Consumer();
  consumer.revision = await fresh.revision();
  await fresh.close();
  let revision = consumer.revision;
  let acknowledged = 0;
  for (let round = 0; round < kills; round++) {
    const done = await runAndKill(path, journal);
    acknowledged += done.length;
    const backend = await open(path, journal);
    const now = await backend.revision();
    for (const { revision: told } of done) expect(compareRevisions(told, now)).toBeLessThanOrEqual(0);
    expect(compareRevisions(revision, now)).toBeLessThanOrEqual(0);
    revision = now;

    consumer.consume(await batchesAfter(backend, consumer.revision));
    const { items } = await backend.range({ prefix: '' });
    expect(new Map(items.map(({ key, value }) => [key, Buffer.from(value).toString()]))).toEqual(
      consumer.state,
    );
    for (const { lane, number } of done) {
      expect(consumer.numbers.get(`lane/${lane}/a`)).toBeGreaterThanOrEqual(number);
      expect(consumer.state.get(`lane/${lane}/b`)).toBe(consumer.state.get(`lane/${lane}/a`));
    }
    await backend.close();
  }
  process.stdout.write(`${journal}: ${kills} kills, ${acknowledged} acknowledged writes, none lost\n`);
  expect(acknowledged).toBeGreaterThan(kills);
});

test('ok: the file is free as soon as its owner is killed, and not before', async () => {
  const path = join(folder, 'owned', 'sqlite.db');
  const child = spawn(process.execPath, [script, path, 'WAL'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await expect(open(path, 'WAL')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(`another process uses ${path}`) as string,
  });
  child.kill('SIGKILL');
  await once(child, 'close');
  const backend = await open(path, 'WAL');
  await backend.close();
});
