// The process that crash.slow.test.ts kills: writes without pause and says on stdout what was acknowledged. A program
// of its own because a kill must take the whole process.
//
//   node crash-writer.ts DATABASE JOURNAL
//
// Each lane writes pairs of items with the same number, one more each time, in one atomic write; every third write it
// also deletes and makes again a third item.
import { writeSync } from 'node:fs';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { AtomicStep, Backend } from '../backend.ts';
import { openSqlite } from './open.ts';
import { parseJournalMode } from './options.ts';

const LANES = 4;

const [path = '', journal = 'WAL'] = process.argv.slice(2);
const backend = await openSqlite({
  path,
  clock: systemClock,
  log: silentLog,
  journal: parseJournalMode(journal),
});
writeSync(1, 'open\n');
await Promise.all(Array.from({ length: LANES }, (_, lane) => writeLane(backend, lane)));

async function writeLane(store: Backend, lane: number): Promise<void> {
  const last = await store.get(`lane/${lane}/a`);
  for (let number = last === undefined ? 1 : numberOf(last.value) + 1; ; number++) {
    const value = new TextEncoder().encode(`${number} ${'x'.repeat((number * 37) % 3000)}`);
    const put = (half: string): AtomicStep => {
      return { key: `lane/${lane}/${half}`, condition: { is: 'any' }, action: { do: 'put', value } };
    };
    const third: AtomicStep =
      number % 3 === 0
        ? { key: `lane/${lane}/c`, condition: { is: 'any' }, action: { do: 'delete' } }
        : { key: `lane/${lane}/c`, condition: { is: 'any' }, action: { do: 'check' } };
    const revision = await store.atomicWrite([put('a'), put('b'), third]);
    writeSync(1, `${lane} ${number} ${revision}\n`);
    if (number % 3 === 0) await store.create({ key: `lane/${lane}/c`, value });
  }
}

function numberOf(value: Uint8Array): number {
  return Number.parseInt(new TextDecoder().decode(value), 10);
}
