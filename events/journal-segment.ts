// One segment file of the journal: its name, what a crash left of it, and reading its lines. Apart from journal.ts,
// which knows their sequence.
import { lstat, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '#core/log.ts';
import { blocksForward, linesOf, readExact } from './blocks.ts';
import { openFile } from './disk.ts';
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

interface Scan {
  readonly newest: EventRecord | undefined;
  /** Lines and bytes up to the end of the newest event. */
  readonly lines: number;
  readonly bytes: number;
}

async function scan(file: FileHandle, size: number): Promise<Scan> {
  let found: Scan = { newest: undefined, lines: 0, bytes: 0 };
  let lines = 0;
  for await (const { start, bytes } of blocksForward({ file, span: { start: 0, end: size } })) {
    for (const line of linesOf(bytes)) {
      lines++;
      const newest = intactRecord(bytes.toString('utf8', line.start, line.end));
      if (newest !== undefined) found = { newest, lines, bytes: start + line.end + 1 };
    }
  }
  return found;
}

export interface Recovered {
  readonly segment: Segment;
  readonly newest: EventRecord | undefined;
}

/** The newest segment: what follows its last whole event was never acknowledged and is cut. */
export async function recover(folder: string, first: number, log: Log): Promise<Recovered> {
  const path = pathOf(folder, first);
  const file = await openFile(path, 'write');
  try {
    const { size } = await file.stat();
    const { newest, lines, bytes } = await scan(file, size);
    if (bytes < size) {
      log.warn({ segment: path, bytes: size - bytes }, 'audit journal: cut an unfinished write');
      await file.truncate(bytes);
      await file.datasync();
    }
    return { segment: { first, path, lines, bytes }, newest };
  } finally {
    await file.close();
  }
}

/** A segment that is complete, as the one after it tells; it is not read, for there may be days of them. */
export async function passOver(folder: string, first: number, next: number): Promise<Segment> {
  const path = pathOf(folder, first);
  const { size } = await lstat(path);
  return { first, path, lines: next - first, bytes: size };
}

export async function newestIn({ path, bytes }: Segment): Promise<EventRecord | undefined> {
  const file = await openFile(path, 'read');
  try {
    return (await scan(file, bytes)).newest;
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
