// The `file://` sink: JSON lines, one file per UTC day. Every batch is on stable storage (fdatasync) before `append`
// resolves; the pipeline's journal makes batches large, so that this costs little. One process writes a folder.
import type { FileHandle } from 'node:fs/promises';
import { lstat } from 'node:fs/promises';
import type { Log } from '#core/log.ts';
import { diskError, makeFolder, openFile, realDisk, type Disk } from '../disk.ts';
import { lockFolder } from '../lock.ts';
import type { EventPage, EventQuery } from '../query.ts';
import { readLine, type ChainHead, type EventRecord } from '../record.ts';
import type { Sink } from '../sink.ts';
import { BlockIndex } from './block-index.ts';
import { blocksBackward, lastLineEnd, linesOf } from '../blocks.ts';
import { dayOf, daysByChange, endsWhole, fileOf, openDayFile, repairTail } from './day-file.ts';
import { searchFolder } from './search.ts';

const DAY_MS = 86_400_000;

export interface DirSinkOptions {
  /** Absolute path of the folder; made with mode 0750 when missing. */
  readonly path: string;
  readonly log: Log;
  readonly disk?: Disk | undefined;
}

export type DirSink = Required<Sink>;

/** UNAVAILABLE when another process writes the folder; STORAGE_FULL, STORAGE_FAILED from the disk. */
export async function openDirSink(options: DirSinkOptions): Promise<DirSink> {
  await makeFolder(options.path);
  const lock = await lockFolder(options.path);
  const writer = new DayWriter(options);
  const index = new BlockIndex();
  const heads = new Map<string, ChainHead | undefined>();
  try {
    await repairFolder(options);
  } catch (error) {
    lock.release();
    throw error;
  }
  const last = async (chain: string): Promise<ChainHead | undefined> => {
    try {
      if (!heads.has(chain)) heads.set(chain, await findLast(options.path, chain));
    } catch (error) {
      throw diskError(`find the end of the log in ${options.path}`, error);
    }
    return heads.get(chain);
  };
  const append = async (records: readonly EventRecord[]): Promise<void> => {
    for (const { day, batch } of byDay(await newOnes(records, last))) {
      await writer.write(day, batch, (changed) => index.forget(changed));
      for (const { writer: chain, seq, hash } of batch) heads.set(chain, { seq, hash });
    }
  };
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };
  let closed: Promise<void> | undefined;
  return {
    name: `file://${options.path}`,
    append: (records) => inTurn(() => append(records)),
    search: (query: EventQuery): Promise<EventPage> => searchFolder(options.path, query, index),
    last: (chain) => inTurn(() => last(chain)),
    close: () =>
      (closed ??= inTurn(async () => {
        await writer.close();
        lock.release();
      })),
  };
}

async function repairFolder({ path, log }: DirSinkOptions): Promise<void> {
  try {
    for (const day of await daysByChange(path)) {
      // Old days may be on read-only media or marked immutable: only what needs it is opened for writing.
      if (await endsWhole(path, day)) continue;
      const file = await openDayFile(path, day);
      try {
        await repairTail(path, day, file, log);
      } finally {
        await file.close();
      }
    }
  } catch (error) {
    throw diskError(`look through ${path}`, error);
  }
}

async function newOnes(
  records: readonly EventRecord[],
  last: (chain: string) => Promise<ChainHead | undefined>,
): Promise<EventRecord[]> {
  const fresh: EventRecord[] = [];
  const seen = new Map<string, number>();
  for (const record of records) {
    const newest = seen.get(record.writer) ?? (await last(record.writer))?.seq ?? 0;
    seen.set(record.writer, Math.max(newest, record.seq));
    if (record.seq > newest) fresh.push(record);
  }
  return fresh;
}

/** Stretches of records that go to the same file, in order. */
function byDay(records: readonly EventRecord[]): { readonly day: string; readonly batch: EventRecord[] }[] {
  const stretches: { number: number; batch: EventRecord[] }[] = [];
  for (const record of records) {
    const number = Math.floor(record.time / DAY_MS);
    const current = stretches.at(-1);
    if (current?.number === number) current.batch.push(record);
    else stretches.push({ number, batch: [record] });
  }
  return stretches.map(({ number, batch }) => ({ day: dayOf(number * DAY_MS), batch }));
}

/**
 * Newest event of a chain. Within a file a chain only grows, so the file written to last has it; a second file is
 * looked at because times of files are coarse, and a clock set back moves the chain to an older file.
 */
async function findLast(folder: string, chain: string): Promise<ChainHead | undefined> {
  let best: ChainHead | undefined;
  let files = 0;
  for (const day of await daysByChange(folder)) {
    const found = await lastInFile(fileOf(folder, day), chain);
    if (found === undefined) continue;
    if (best === undefined || found.seq > best.seq) best = found;
    if (++files === 2) break;
  }
  return best;
}

async function lastInFile(path: string, chain: string): Promise<ChainHead | undefined> {
  const needle = Buffer.from(`"writer":${JSON.stringify(chain)}`);
  const file = await openFile(path, 'read');
  try {
    const end = await lastLineEnd(file, (await file.stat()).size);
    for await (const { bytes } of blocksBackward({ file, span: { start: 0, end } })) {
      if (!bytes.includes(needle)) continue;
      for (const line of [...linesOf(bytes)].toReversed()) {
        const head = headIn(bytes.subarray(line.start, line.end), needle, chain);
        if (head !== undefined) return head;
      }
    }
    return undefined;
  } finally {
    await file.close();
  }
}

function headIn(line: Buffer, needle: Buffer, chain: string): ChainHead | undefined {
  if (!line.includes(needle)) return undefined;
  const event = readLine(line.toString('utf8'));
  return event?.writer === chain ? { seq: event.seq, hash: event.hash } : undefined;
}

interface OpenDay {
  readonly day: string;
  readonly file: FileHandle;
  readonly inode: number;
  /** Where the next line goes. */
  size: number;
  /** A failed write may have left something behind `size`. */
  dirty: boolean;
}

/** Appends to the file of a day; after a failure it first takes back what was written in part. */
class DayWriter {
  readonly #path: string;
  readonly #log: Log;
  readonly #disk: Disk;
  #open: OpenDay | undefined;

  constructor({ path, log, disk = realDisk }: DirSinkOptions) {
    this.#path = path;
    this.#log = log;
    this.#disk = disk;
  }

  async write(day: string, batch: readonly EventRecord[], changed: (day: string) => void): Promise<void> {
    try {
      const target = await this.#target(day, changed);
      const data = Buffer.from(`${batch.map((record) => record.line).join('\n')}\n`);
      target.dirty = true;
      await this.#disk.write(target.file, data, target.size);
      target.dirty = false;
      target.size += data.length;
    } catch (error) {
      await this.#takeBack(changed);
      throw diskError(`append to the log of ${day}`, error);
    }
  }

  async #takeBack(changed: (day: string) => void): Promise<void> {
    const target = this.#open;
    if (target === undefined || !target.dirty) return;
    changed(target.day);
    try {
      await target.file.truncate(target.size);
      target.dirty = false;
    } catch (error) {
      this.#log.error({ day: target.day, err: error }, 'audit log: cannot take back a failed write yet');
    }
  }

  async #target(day: string, changed: (day: string) => void): Promise<OpenDay> {
    if (this.#open?.dirty) {
      await this.#open.file.truncate(this.#open.size);
      this.#open.dirty = false;
    }
    if (this.#open?.day === day && (await this.#isUntouched(this.#open))) return this.#open;
    await this.close();
    const file = await openDayFile(this.#path, day);
    try {
      const size = await repairTail(this.#path, day, file, this.#log);
      changed(day);
      this.#open = { day, file, size, inode: (await file.stat()).ino, dirty: false };
      return this.#open;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Somebody may have moved the file away (log rotation) or changed its length; then it is opened anew. */
  async #isUntouched({ day, inode, size }: OpenDay): Promise<boolean> {
    const found = await lstat(fileOf(this.#path, day)).catch(() => undefined);
    const same = found?.ino === inode && found.size === size;
    if (!same) this.#log.warn({ day }, 'audit log: the file of the day was changed by somebody else');
    return same;
  }

  async close(): Promise<void> {
    const target = this.#open;
    this.#open = undefined;
    await target?.file.close();
  }
}
