// Fuzz target: everything that reads a line of a log file, or an event that somebody sends, from bytes.
import { parseEventInput } from '../check-event.ts';
import { linesOf } from '../blocks.ts';
import { Chain } from '../conformance/samples.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { matches } from '../query.ts';
import { isIntact, readLine } from '../record.ts';
import { joinRuns, RunCollector } from '../verify-runs.ts';
import { factsOf } from './block-index.ts';

const lines = new Chain({ stepMs: 3_600_000 }).logins(3).map(({ line }) => line);
const QUERY = { from: 0, to: 9e15, search: 'user', limit: 1, order: 'asc' } as const;

function readOne(text: string, collector: RunCollector, line: number): void {
  const event = readLine(text);
  if (event === undefined) return;
  try {
    collector.add(event, { file: 'x', line });
    isIntact(text, event);
    matches(event, QUERY);
    parseEventInput(event);
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error;
  }
}

export const fuzz = {
  name: 'audit-lines',
  seeds: [
    Buffer.from(`${lines.join('\n')}\n`),
    Buffer.from(`${lines[2]}\n${lines[0]}\n${lines[0]}\n{}\nx`),
    Buffer.from(`{"event":"user.login","user":"a","method":"local","success":true}\n`),
    Buffer.from(`${'['.repeat(5000)}\n`),
  ],
  run(input: Uint8Array): void {
    const bytes = Buffer.from(input);
    const collector = new RunCollector();
    let line = 0;
    for (const { start, end } of linesOf(bytes)) {
      readOne(bytes.toString('utf8', start, end), collector, ++line);
    }
    factsOf(bytes.toString('latin1'));
    for (const runs of Map.groupBy(collector.runs, (run) => run.writer).values()) joinRuns(runs, false);
  },
};
