// What a process that died left of a session, made into a recording that ends: the open segment is cut after its last
// whole block and gets an end frame that says `interrupted`. May itself be interrupted and repeated at any point.
import { createReadStream } from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { isCode } from '#core/errors/error.ts';
import { timestampOf } from '#core/timestamp.ts';
import { MAX_FRAME_OVERHEAD, readFrames, writeFrame } from '../format/frames.ts';
import type { Packer } from '../format/packer.ts';
import { encodeHeader, type SegmentHeader } from '../format/segment.ts';
import { SegmentReader, type SegmentPart } from '../format/segment-reader.ts';
import type { RecordingEnd } from '../meta.ts';
import { diskError, isMissing, makeFile, openExisting, type Disk } from '../disk.ts';
import { nameOf, type SegmentName } from './names.ts';

interface Repair {
  readonly folder: string;
  /** The files of one session, by number. */
  readonly names: readonly SegmentName[];
  readonly disk: Disk;
  readonly packer: Packer;
}

/** What is there afterwards: complete segments, the last one of state `end`; nothing when nothing was ever recorded. */
export async function repairSession(repair: Repair): Promise<readonly SegmentName[]> {
  const complete = repair.names.filter(({ state }) => state !== 'part');
  if (complete.some(({ state }) => state === 'end')) return complete;
  const part = repair.names.findLast(({ state }) => state === 'part');
  try {
    if (part !== undefined) {
      const ended = await endPart(repair, part);
      if (ended !== undefined) return [...complete, ended];
    }
    const newest = complete.at(-1);
    return newest === undefined ? [] : [...complete, await addEnd(repair, newest)];
  } catch (error) {
    throw diskError('finish a recording', error);
  }
}

/** Undefined, and the file is gone, when it holds nothing. */
async function endPart(
  { folder, disk, packer }: Repair,
  part: SegmentName,
): Promise<SegmentName | undefined> {
  const path = join(folder, nameOf(part));
  const found = await scan(path, part);
  if (found.end === 0) {
    await unlink(path);
    return undefined;
  }
  const file = await openExisting(path, 'change');
  try {
    const { mtimeMs } = await file.stat();
    await file.truncate(found.end);
    if (!found.isEnded)
      await disk.write(file, await endBlock(packer, part.number, found.lastAt, mtimeMs), found.end);
    await disk.sync(file);
  } finally {
    await file.close();
  }
  const ended: SegmentName = { ...part, state: 'end' };
  await rename(path, join(folder, nameOf(ended)));
  return ended;
}

/** A segment that holds nothing but the end, after the newest complete one. */
async function addEnd({ folder, disk, packer }: Repair, newest: SegmentName): Promise<SegmentName> {
  const found = await scan(join(folder, nameOf(newest)), newest);
  const number = newest.number + 1;
  const header: SegmentHeader = { sid: newest.session, number, previous: found.sha256 };
  const part = join(folder, nameOf({ ...newest, number, state: 'part' }));
  await unlink(part).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  const file = await makeFile(part);
  try {
    const block = await endBlock(packer, number, found.lastAt, found.modifiedMs);
    await disk.write(file, Buffer.concat([encodeHeader(header), block]), 0);
    await disk.sync(file);
  } finally {
    await file.close();
  }
  const ended: SegmentName = { ...newest, number, state: 'end' };
  await rename(part, join(folder, nameOf(ended)));
  return ended;
}

function endBlock(packer: Packer, segments: number, at: number, endedMs: number): Promise<Buffer> {
  const end: RecordingEnd = { reason: 'interrupted', ended_at: timestampOf(Math.round(endedMs)), segments };
  const data = Buffer.from(JSON.stringify(end));
  const block = Buffer.alloc(data.length + MAX_FRAME_OVERHEAD);
  const length = writeFrame(block, 0, { type: 'end', deltaMs: 0, data });
  return packer.pack(block.subarray(0, length), at);
}

interface Scan {
  /** Where the last block ends that can be trusted; 0 when there is none. */
  readonly end: number;
  readonly lastAt: number;
  readonly isEnded: boolean;
  readonly sha256: string;
  readonly modifiedMs: number;
}

async function scan(path: string, name: SegmentName): Promise<Scan> {
  const file = await openExisting(path, 'read');
  const { mtimeMs: modifiedMs } = await file.stat();
  const hash = createHash('sha256');
  const reader = new SegmentReader();
  const progress = new Progress(name);
  for await (const piece of createReadStream('', { fd: file }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    for (const part of reader.push(piece)) progress.see(part);
  }
  for (const part of reader.finish()) progress.see(part);
  const { end, lastAt, isEnded } = progress;
  return { end, lastAt, isEnded, sha256: hash.digest('hex'), modifiedMs };
}

class Progress {
  readonly #name: SegmentName;
  #isOurs = false;
  end = 0;
  lastAt = 0;
  isEnded = false;

  constructor(name: SegmentName) {
    this.#name = name;
  }

  /** Damage before a good block stays where it is: readers pass over it. */
  see(part: SegmentPart): void {
    if (part.type === 'header') {
      this.#isOurs = part.header.sid === this.#name.session && part.header.number === this.#name.number;
    } else if (part.type === 'block' && this.#isOurs) {
      try {
        for (const frame of readFrames(part.unpack(), part.at)) {
          this.lastAt = frame.at;
          this.isEnded = frame.type === 'end';
        }
        this.end = part.end;
      } catch (error) {
        if (!isCode(error, 'CORRUPT')) throw error;
      }
    }
  }
}
