// How a verification remembers a log of any size: as runs, stretches of lines of one file in which a chain goes on
// without a fault. An untouched log has one run for each file and writer; joining the runs finds what is missing,
// twice there, or out of place.
import { GENESIS, type ChainHead } from './record.ts';

/** Place of a line: file name and line number from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface Run {
  readonly writer: string;
  readonly first: number;
  readonly firstPrev: string;
  readonly from: Place;
  last: number;
  lastHash: string;
  to: Place;
  /** Stands in its file behind a line with the same or a greater number. */
  readonly late: boolean;
}

export type FindingKind =
  | 'edited'
  | 'unreadable'
  | 'misplaced'
  | 'reordered'
  | 'duplicate'
  | 'gap'
  | 'missing-head'
  | 'chain-broken'
  | 'truncated'
  | 'torn'
  | 'checkpoint-invalid'
  | 'checkpoint-missing'
  | 'checkpoint-mismatch'
  | 'too-many';

export interface Finding {
  readonly kind: FindingKind;
  /** For people: what is wrong, and where. */
  readonly message: string;
  readonly writer?: string | undefined;
  /** First and last sequence number concerned. */
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
}

export interface ChainLine extends ChainHead {
  readonly writer: string;
  readonly prev: string;
}

/** Collects runs, line by line, one file after the other. */
export class RunCollector {
  readonly runs: Run[] = [];
  /** Newest run, and greatest number so far, of each writer in the current file. */
  readonly #open = new Map<string, { run: Run; greatest: number }>();

  nextFile(): void {
    this.#open.clear();
  }

  add(line: ChainLine, place: Place): void {
    const open = this.#open.get(line.writer);
    if (open !== undefined && line.seq === open.run.last + 1 && line.prev === open.run.lastHash) {
      open.run.last = line.seq;
      open.run.lastHash = line.hash;
      open.run.to = place;
      open.greatest = Math.max(open.greatest, line.seq);
      return;
    }
    const run: Run = {
      writer: line.writer,
      first: line.seq,
      firstPrev: line.prev,
      from: place,
      last: line.seq,
      lastHash: line.hash,
      to: place,
      late: open !== undefined && line.seq <= open.greatest,
    };
    this.runs.push(run);
    this.#open.set(line.writer, { run, greatest: Math.max(open?.greatest ?? 0, line.seq) });
  }
}

export interface WriterReport {
  readonly writer: string;
  readonly first: number;
  readonly last: number;
  /** How many different events are there. */
  readonly events: number;
  /** The newest event that a signed checkpoint vouches for; 0 when none does. What follows it could be invented. */
  readonly signed: number;
}

/** Joins the runs of one writer, and says what does not fit. */
export function joinRuns(
  runs: readonly Run[],
  allowMissingHead: boolean,
): { report: Omit<WriterReport, 'signed'>; findings: Finding[] } {
  const sorted = runs.toSorted((a, b) => a.first - b.first || a.last - b.last);
  const findings: Finding[] = [];
  const writer = sorted[0]?.writer ?? '';
  let before: Run | undefined;
  let end = 0;
  let events = 0;
  for (const run of sorted) {
    const finding = before === undefined ? checkStart(run, allowMissingHead) : checkJoin(run, before, end);
    if (finding !== undefined) findings.push(finding);
    if (run.late && finding?.kind !== 'duplicate') findings.push(reordered(run));
    events += Math.max(0, run.last - Math.max(end, run.first - 1));
    if (run.last > end) {
      end = run.last;
      before = run;
    }
  }
  return { report: { writer, first: sorted[0]?.first ?? 0, last: end, events }, findings };
}

function checkStart(run: Run, allowMissingHead: boolean): Finding | undefined {
  if (run.first > 1 && !allowMissingHead) {
    return about(
      'missing-head',
      run,
      1,
      run.first - 1,
      `the first events, up to ${run.first - 1}, are not here`,
    );
  }
  if (run.first === 1 && run.firstPrev !== GENESIS) {
    return about('chain-broken', run, 1, 1, 'event 1 is not the start of a chain');
  }
  return undefined;
}

function checkJoin(run: Run, before: Run, end: number): Finding | undefined {
  const where = `${before.to.file}:${before.to.line} and ${run.from.file}:${run.from.line}`;
  if (run.first > end + 1) {
    return about(
      'gap',
      run,
      end + 1,
      run.first - 1,
      `events ${end + 1} to ${run.first - 1} are missing between ${where}`,
    );
  }
  if (run.first <= end) {
    const last = Math.min(run.last, end);
    return about(
      'duplicate',
      run,
      run.first,
      last,
      `events ${run.first} to ${last} are there more than once`,
    );
  }
  if (run.firstPrev !== before.lastHash) {
    return about(
      'chain-broken',
      run,
      before.last,
      run.first,
      `events ${before.last} and ${run.first} do not fit together: one was changed (${where})`,
    );
  }
  return undefined;
}

function reordered(run: Run): Finding {
  return about(
    'reordered',
    run,
    run.first,
    run.last,
    `events ${run.first} to ${run.last} stand behind later ones`,
  );
}

function about(kind: FindingKind, run: Run, first: number, last: number, what: string): Finding {
  const { file, line } = run.from;
  return { kind, writer: run.writer, first, last, file, line, message: `writer ${run.writer}: ${what}` };
}
