// One segment file of the journal: its name, what a crash left of it, and reading its lines. Apart from journal.ts,
// which knows their sequence.
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '#core/log.ts';
import { blocksForward, linesOf, readExact } from './blocks.ts';
import { isIntact, readLine, recordOf, type EventRecord } from './record.ts';

const NAME = /^(\d{16})\.journal$/;
const NEWLINE = 10;

export interface Segment {
  readonly first: number;
  readonly path: string;
  lines: number;
  bytes: number;
}

/** Numbers of the first lines of the segments in a folder, in order. */
export async function listSegments(folder: string): Promise<number[]> {
  const firsts = (await readdir(folder))
    .map((name) => NAME.exec(name)?.[1])
    .filter((digits) => digits !== undefined);
  return firsts.sort().map(Number);
}

export function pathOf(folder: string, first: number): string {
  return join(folder, `${String(first).padStart(16, '0')}.journal`);
}

/** Counts the lines; in the newest segment, what follows the last whole event was never acknowledged and is cut. */
export async function recover(
  segment: Segment,
  isNewest: boolean,
  log: Log,
): Promise<EventRecord | undefined> {
  const file = await open(segment.path, 'r+');
  try {
    const { size } = await file.stat();
    let newest: EventRecord | undefined;
    let lines = 0;
    for await (const { start, bytes } of blocksForward({ file, span: { start: 0, end: size } })) {
      for (const line of linesOf(bytes)) {
        lines++;
        const record = intactRecord(bytes.toString('utf8', line.start, line.end));
        if (record === undefined && isNewest) continue;
        newest = record ?? newest;
        segment.lines = lines;
        segment.bytes = start + line.end + 1;
      }
    }
    if (segment.bytes < size && isNewest) {
      log.warn(
        { segment: segment.path, bytes: size - segment.bytes },
        'audit journal: cut an unfinished write',
      );
      await file.truncate(segment.bytes);
      await file.datasync();
    }
    return newest;
  } finally {
    await file.close();
  }
}

function intactRecord(line: string): EventRecord | undefined {
  const event = readLine(line);
  return event !== undefined && isIntact(line, event) ? recordOf(line) : undefined;
}

/** Whole lines from `start`, about `maxBytes` of them; a single longer line is read whole. */
export async function readLines(
  file: FileHandle,
  start: number,
  limit: number,
  maxBytes: number,
): Promise<Buffer> {
  for (let size = maxBytes; ; size *= 4) {
    const bytes = await readExact(file, start, Math.min(limit, start + size));
    const at = bytes.lastIndexOf(NEWLINE);
    if (at !== -1 || start + size >= limit) return bytes.subarray(0, at + 1);
  }
}
