// The write-ahead journal: every event is here, on stable storage, before any sink is asked to take it. Segment files
// of lines, named by the number of their first line; numbers count lines of this journal, whatever chain they are of.
// Apart from the day files because a journal forgets what all sinks have, and its tail may be taken back.
import { unlink, type FileHandle } from 'node:fs/promises';
import type { Log } from '#core/log.ts';
import { blocksForward, linesOf } from './blocks.ts';
import { diskError, openFile, syncFolder, type Disk } from './disk.ts';
import {
  listSegments,
  newestIn,
  passOver,
  pathOf,
  readLines,
  recover,
  type Segment,
} from './journal-segment.ts';
import { recordOf, type EventRecord } from './record.ts';

export interface JournalOptions {
  /** An existing folder that this process has locked. */
  readonly folder: string;
  readonly disk: Disk;
  readonly log: Log;
  /** A new segment is begun once the newest is this large. */
  readonly segmentBytes: number;
}

export interface JournalBatch {
  readonly records: readonly EventRecord[];
  /** Number of the line after the last one read; lines that could not be read are passed over. */
  readonly end: number;
}

export interface Journal {
  /** Number of the oldest line kept. */
  readonly first: number;
  /** Number the next line will get. */
  readonly end: number;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Newest event; undefined in a new journal. A journal never forgets its newest event. */
  readonly newest: EventRecord | undefined;
  /** Resolves when all are on stable storage; when it throws (STORAGE_FULL, STORAGE_FAILED), none is kept. */
  commit(records: readonly EventRecord[]): Promise<void>;
  /** Reads about `maxBytes`, at least one line, from line `from` on. */
  read(from: number, maxBytes: number): Promise<JournalBatch>;
  /** Forgets whole segments of lines before `number`. */
  trim(number: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens or makes the journal and takes back what a crash left unfinished at its end. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  try {
    const firsts = await listSegments(options.folder);
    const segments: Segment[] = [];
    let newest: EventRecord | undefined;
    for (const [at, first] of firsts.entries()) {
      const next = firsts[at + 1];
      if (next !== undefined) {
        segments.push(await passOver(options.folder, first, next));
        continue;
      }
      const recovered = await recover(options.folder, first, options.log);
      segments.push(recovered.segment);
      newest = recovered.newest;
    }
    for (let at = segments.length - 2; newest === undefined && at >= 0; at--) {
      const segment = segments[at];
      newest = segment && (await newestIn(segment));
    }
    return new SegmentJournal(options, segments, newest);
  } catch (error) {
    throw diskError('open the journal', error);
  }
}

interface Bookmark {
  readonly number: number;
  readonly offset: number;
}

class SegmentJournal implements Journal {
  readonly #options: JournalOptions;
  readonly #segments: Segment[];
  /** Where lines start that a reader is likely to ask for next. */
  readonly #bookmarks: Bookmark[] = [];
  #newest: EventRecord | undefined;
  #file: FileHandle | undefined;
  #dirty = true;

  constructor(options: JournalOptions, segments: Segment[], newest: EventRecord | undefined) {
    this.#options = options;
    this.#segments = segments;
    this.#newest = newest;
  }

  get first(): number {
    return this.#segments[0]?.first ?? 1;
  }

  get end(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 1 : last.first + last.lines;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  get newest(): EventRecord | undefined {
    return this.#newest;
  }

  async commit(records: readonly EventRecord[]): Promise<void> {
    if (records.length === 0) return;
    try {
      const segment = await this.#target();
      const file = (this.#file ??= await openFile(segment.path, 'write'));
      if (this.#dirty) await file.truncate(segment.bytes);
      this.#dirty = true;
      const data = Buffer.from(`${records.map((record) => record.line).join('\n')}\n`);
      await this.#options.disk.write(file, data, segment.bytes);
      this.#dirty = false;
      segment.bytes += data.length;
      segment.lines += records.length;
      this.#newest = records.at(-1);
    } catch (error) {
      throw diskError('write the journal', error);
    }
  }

  async #target(): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.bytes < this.#options.segmentBytes) return last;
    const path = pathOf(this.#options.folder, this.end);
    const file = await openFile(path, 'writeOrMake');
    try {
      await syncFolder(this.#options.folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
    this.#dirty = true;
    const segment = { first: this.end, path, lines: 0, bytes: 0 };
    this.#segments.push(segment);
    return segment;
  }

  async read(from: number, maxBytes: number): Promise<JournalBatch> {
    const index = Math.max(
      this.#segments.findLastIndex(({ first }) => first <= from),
      0,
    );
    const segment = this.#segments[index];
    if (segment === undefined) return { records: [], end: from };
    const next = this.#segments[index + 1];
    const number = Math.max(from, segment.first);
    const limit = segment.bytes;
    let file: FileHandle | undefined;
    try {
      file = await openFile(segment.path, 'read');
      const start = await this.#offsetOf(file, segment, number, limit);
      const bytes = await readLines(file, start, limit, maxBytes);
      const batch = this.#parse(bytes, number);
      if (batch.end === number && next !== undefined && next.first > number) {
        const missing = next.first - number;
        this.#options.log.error({ segment: segment.path, missing }, 'audit journal: lines are missing');
        return { records: [], end: next.first };
      }
      this.#bookmarks.unshift({ number: batch.end, offset: start + bytes.length });
      this.#bookmarks.splice(16);
      return batch;
    } catch (error) {
      throw diskError('read the journal', error);
    } finally {
      await file?.close();
    }
  }

  async #offsetOf(file: FileHandle, segment: Segment, number: number, limit: number): Promise<number> {
    if (number === segment.first) return 0;
    const bookmark = this.#bookmarks.find((mark) => mark.number === number);
    if (bookmark !== undefined) return bookmark.offset;
    let at = segment.first;
    for await (const { start, bytes } of blocksForward({ file, span: { start: 0, end: limit } })) {
      for (const line of linesOf(bytes)) {
        if (at++ === number) return start + line.start;
      }
    }
    return limit;
  }

  #parse(bytes: Buffer, number: number): JournalBatch {
    const records: EventRecord[] = [];
    let end = number;
    for (const line of linesOf(bytes)) {
      const record = recordOf(bytes.toString('utf8', line.start, line.end));
      if (record !== undefined) records.push(record);
      else this.#options.log.error({ line: end }, 'audit journal: passed over a line that cannot be read');
      end++;
    }
    return { records, end };
  }

  async trim(number: number): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.lines === 0 || next.first > number) return;
      await unlink(oldest.path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw diskError('remove a delivered journal segment', error);
      });
      this.#segments.shift();
      this.#bookmarks.length = 0;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
