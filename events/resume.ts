// Where a chain goes on after a start: the newest event known to the journal, to the sinks, or to the checkpoints.
// Going on too early would fork the chain, so whatever knows most is believed.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { EventInput } from './catalogue.ts';
import type { CheckpointKeeper } from './checkpoint.ts';
import type { Journal } from './journal.ts';
import { GENESIS, type ChainHead } from './record.ts';
import type { Sink } from './sink.ts';
import { within } from './within.ts';

const ANSWER_MS = 5_000;

export interface ResumeOptions {
  readonly sinks: readonly Sink[];
  readonly writer: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly checkpoint?: CheckpointKeeper | undefined;
}

export interface Resumption {
  readonly head: ChainHead;
  /** The event that tells of what is missing, when the log is behind its own checkpoint. */
  readonly gap: EventInput | undefined;
}

/** UNAVAILABLE when the journal knows nothing and a sink that would know does not answer. */
export async function findHead(
  journal: Pick<Journal, 'newest'>,
  options: ResumeOptions,
): Promise<Resumption> {
  const { newest } = journal;
  const inJournal = newest?.writer === options.writer ? newest : undefined;
  const heads = [
    inJournal,
    ...(await Promise.all(options.sinks.map((sink) => ask(sink, options, inJournal)))),
  ];
  const head = heads
    .filter((found) => found !== undefined)
    .reduce<ChainHead>((best, found) => (found.seq > best.seq ? found : best), { seq: 0, hash: GENESIS });
  const signed = await newestCheckpoint(options);
  if (signed === undefined || signed.seq <= head.seq) return { head, gap: undefined };
  const missing = { first_seq: head.seq + 1, last_seq: signed.seq };
  options.log.error(
    missing,
    'audit log: events of the last checkpoint are missing; the chain goes on after them',
  );
  return {
    head: signed,
    gap: { event: 'audit.gap', reason: 'the log ends before its last checkpoint', ...missing },
  };
}

async function ask(
  sink: Sink,
  options: ResumeOptions,
  known: ChainHead | undefined,
): Promise<ChainHead | undefined> {
  if (sink.last === undefined) return undefined;
  try {
    const answer = sink.last(options.writer).then((head) => ({ head }));
    const answered = await within(options.clock, ANSWER_MS, answer);
    if (answered !== undefined) return answered.head;
  } catch (error) {
    options.log.warn({ sink: sink.name, err: error }, 'audit log: a sink cannot say where the chain ended');
  }
  if (known !== undefined) return undefined;
  throw new GatehouseError(
    'UNAVAILABLE',
    `audit sink ${sink.name} does not say where the log ended, and the journal is empty; start again when it answers`,
  );
}

async function newestCheckpoint({
  checkpoint,
  writer,
  clock,
  log,
}: ResumeOptions): Promise<ChainHead | undefined> {
  if (checkpoint === undefined) return undefined;
  try {
    const all = (await within(clock, ANSWER_MS, checkpoint.load())) ?? [];
    return all.filter((one) => one.writer === writer).sort((a, b) => b.seq - a.seq)[0];
  } catch (error) {
    log.warn({ err: error }, 'audit log: checkpoints cannot be loaded');
    return undefined;
  }
}
