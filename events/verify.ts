// Verifies a folder of day files: edited, removed, added, moved and repeated lines by the hash chain, and a cut tail by
// the signed checkpoints, which are kept elsewhere. Reads only; memory does not grow with the log.
import { basename } from 'node:path';
import { blocksForward, lastLineEnd, linesOf } from './blocks.ts';
import type { AuditEvent } from './catalogue.ts';
import { checkpointBytes, type Checkpoint } from './checkpoint.ts';
import { dayOf, fileOf, listDays } from './dir/day-file.ts';
import { diskError, openFile } from './disk.ts';
import { isIntact, readLine } from './record.ts';
import {
  joinRuns,
  RunCollector,
  type Finding,
  type Place,
  type Run,
  type WriterReport,
} from './verify-runs.ts';

export interface VerifyOptions {
  /** Folder of the day files. It may be written meanwhile. */
  readonly folder: string;
  /** Load them before the call: a log that is being written grows past them, never behind. */
  readonly checkpoints: readonly Checkpoint[];
  /** Whether the signature is one the cluster made. */
  readonly isSigned: (
    bytes: Uint8Array,
    signature: Uint8Array,
    checkpoint: Checkpoint,
  ) => boolean | Promise<boolean>;
  /** Old days were removed on purpose: chains may start after event 1. */
  readonly allowMissingHead?: boolean | undefined;
}

export interface VerifyReport {
  /** Nothing was found. (A torn last line, which a writer at work leaves for a moment, is a note only.) */
  readonly ok: boolean;
  readonly files: number;
  readonly lines: number;
  readonly writers: readonly WriterReport[];
  /** At most 1,000, in reading order, then what joining the chains and the checkpoints showed. */
  readonly findings: readonly Finding[];
}

const MAX_FINDINGS = 1000;
/** A log in so many pieces is beyond repair; reading on would only use memory. */
const MAX_RUNS = 100_000;

interface Scan {
  readonly collector: RunCollector;
  readonly findings: Finding[];
  /** Hashes found for the events that checkpoints name, by `writer/seq`. */
  readonly wanted: Map<string, string[]>;
  files: number;
  lines: number;
}

/** STORAGE_FAILED when the folder cannot be read; whatever is wrong with its content is a finding. */
export async function verifyFolder(options: VerifyOptions): Promise<VerifyReport> {
  const { folder, checkpoints, allowMissingHead = false } = options;
  const wanted = new Map(checkpoints.map((checkpoint): [string, string[]] => [keyOf(checkpoint), []]));
  const scan: Scan = { collector: new RunCollector(), findings: [], wanted, files: 0, lines: 0 };
  let whole = true;
  for (const day of await daysOf(folder)) {
    whole &&= await scanDay(folder, day, scan);
  }
  const { runs } = scan.collector;
  const writers = Map.groupBy(runs, (run: Run) => run.writer);
  const joined = [...writers.values()].map((list) => joinRuns(list, allowMissingHead));
  const [signed, unsigned] = await sortBySignature(options);
  const reports = joined.map(({ report }) => ({
    ...report,
    signed: signedUpTo(report.writer, signed, scan),
  }));
  const findings = [
    ...scan.findings,
    ...joined.flatMap(({ findings }) => findings),
    ...unsigned.map((checkpoint) =>
      aboutCheckpoint(
        'checkpoint-invalid',
        checkpoint,
        checkpoint.seq,
        `the signature of the checkpoint at event ${checkpoint.seq} is wrong`,
      ),
    ),
    ...checkCheckpoints(signed, scan, reports, allowMissingHead),
  ];
  if (!whole)
    findings.unshift({ kind: 'too-many', message: `reading stopped: more than ${MAX_RUNS} broken pieces` });
  return {
    ok: findings.every(({ kind }) => kind === 'torn'),
    files: scan.files,
    lines: scan.lines,
    writers: reports,
    findings: findings.slice(0, MAX_FINDINGS),
  };
}

function keyOf({ writer, seq }: { readonly writer: string; readonly seq: number }): string {
  return `${seq}/${writer}`;
}

async function daysOf(folder: string): Promise<string[]> {
  try {
    return await listDays(folder);
  } catch (error) {
    throw diskError(`read the folder ${folder}`, error);
  }
}

/** False when there are too many pieces to go on. */
async function scanDay(folder: string, day: string, scan: Scan): Promise<boolean> {
  const path = fileOf(folder, day);
  const name = basename(path);
  const file = await openFile(path, 'read').catch((error: unknown) => {
    throw diskError(`open ${path}`, error);
  });
  try {
    const { size } = await file.stat();
    const end = await lastLineEnd(file, size);
    scan.files++;
    scan.collector.nextFile();
    let line = 0;
    for await (const { bytes } of blocksForward({ file, span: { start: 0, end } })) {
      for (const span of linesOf(bytes)) {
        checkLine(bytes.toString('utf8', span.start, span.end), day, { file: name, line: ++line }, scan);
      }
      if (scan.collector.runs.length > MAX_RUNS) return false;
    }
    scan.lines += line;
    if (end < size) note(scan, 'torn', { file: name, line: line + 1 }, `the last line is not finished`);
    return true;
  } finally {
    await file.close();
  }
}

function note(scan: Scan, kind: Finding['kind'], place: Place, what: string, event?: AuditEvent): void {
  if (scan.findings.length > MAX_FINDINGS) return;
  const chain = event === undefined ? {} : { writer: event.writer, first: event.seq, last: event.seq };
  scan.findings.push({ kind, ...chain, ...place, message: `${place.file}:${place.line}: ${what}` });
}

function checkLine(line: string, day: string, place: Place, scan: Scan): void {
  const event = readLine(line);
  if (event === undefined) {
    note(scan, 'unreadable', place, 'the line is not an event');
    return;
  }
  if (!isIntact(line, event)) note(scan, 'edited', place, `event ${event.seq} was changed`, event);
  if (dayOf(Date.parse(event.time)) !== day) {
    note(scan, 'misplaced', place, `event ${event.seq} is of another day`, event);
  }
  scan.collector.add(event, place);
  const hashes = scan.wanted.get(keyOf(event));
  if (hashes !== undefined && hashes.length < 10) hashes.push(event.hash);
}

async function sortBySignature({
  checkpoints,
  isSigned,
}: VerifyOptions): Promise<readonly [signed: Checkpoint[], unsigned: Checkpoint[]]> {
  const signed: Checkpoint[] = [];
  const unsigned: Checkpoint[] = [];
  for (const checkpoint of checkpoints) {
    const signature = Buffer.from(checkpoint.signature, 'base64');
    const isGood = await isSigned(checkpointBytes(checkpoint), signature, checkpoint);
    (isGood ? signed : unsigned).push(checkpoint);
  }
  return [signed, unsigned];
}

/** The newest event of the writer that is here and is the one that was signed; 0 when there is none. */
function signedUpTo(writer: string, signed: readonly Checkpoint[], { wanted }: Scan): number {
  const own = signed.filter((one) => one.writer === writer);
  return Math.max(
    0,
    ...own.filter((one) => wanted.get(keyOf(one))?.includes(one.hash)).map(({ seq }) => seq),
  );
}

function checkCheckpoints(
  signed: readonly Checkpoint[],
  scan: Scan,
  reports: readonly WriterReport[],
  allowMissingHead: boolean,
): Finding[] {
  return signed.flatMap((checkpoint): Finding[] => {
    const { writer, seq, hash, time } = checkpoint;
    const { first, last } = reports.find((report) => report.writer === writer) ?? { first: 0, last: 0 };
    const found = scan.wanted.get(keyOf(checkpoint)) ?? [];
    const isNewest = signed.every((other) => other.writer !== writer || other.seq <= seq);
    if (last < seq) {
      const what = `the end is cut off: events ${last + 1} to ${seq} were signed at ${time}`;
      return [aboutCheckpoint('truncated', checkpoint, last + 1, what)];
    }
    if (found.length > 0 && !found.includes(hash)) {
      const what = `event ${seq} is not the one that was signed: the chain was written anew`;
      return [aboutCheckpoint('checkpoint-mismatch', checkpoint, seq, what)];
    }
    // Elsewhere a missing event is a finding already; here what follows could be any chain.
    if (found.length === 0 && allowMissingHead && seq < first && isNewest) {
      const what = `event ${seq}, the newest that was signed, is not here: nothing vouches for what follows`;
      return [aboutCheckpoint('checkpoint-missing', checkpoint, seq, what)];
    }
    return [];
  });
}

function aboutCheckpoint(
  kind: Finding['kind'],
  { writer, seq }: Checkpoint,
  first: number,
  what: string,
): Finding {
  return { kind, writer, first, last: seq, message: `writer ${writer}: ${what}` };
}
