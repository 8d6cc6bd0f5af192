// The index of a dir store: one file of lines for each day, by the start of the session. A line is appended for each
// change of a recording and the last one counts. Its first columns have a fixed width, so that a list of the newest
// hundred parses a hundred lines and not a day of them.
import { constants } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskError, isMissing, makeFolder, type Disk } from '../disk.ts';
import type { RecordingEntry } from '../store.ts';

const DAY_MS = 86_400_000;
const FILE = /^(\d{4}-\d{2}-\d{2})\.index$/;
const NEWLINE = 10;
const TIME_WIDTH = 15;
const SESSION_WIDTH = 36;
const HEAD_WIDTH = TIME_WIDTH + 1 + SESSION_WIDTH + 1;
const REMOVED = '-';

/** Where a recording stands in the list: by start, then by session. */
export interface Place {
  readonly started: number;
  readonly session: string;
}

/** Newest first. */
export function comparePlaces(a: Place, b: Place): number {
  return b.started - a.started || (a.session < b.session ? 1 : a.session > b.session ? -1 : 0);
}

export interface IndexLine extends Place {
  /** Undefined when the line cannot be read. */
  entry(): RecordingEntry | undefined;
}

export class DayIndex {
  readonly #folder: string;
  readonly #disk: Disk;
  #appending: Promise<void> = Promise.resolve();

  constructor(folder: string, disk: Disk) {
    this.#folder = folder;
    this.#disk = disk;
  }

  open(): Promise<void> {
    return makeFolder(this.#folder, 0o750);
  }

  /** Appends durably, in the order of the calls. */
  add(entries: readonly RecordingEntry[]): Promise<void> {
    return this.#append(entries.map((entry) => [entry, JSON.stringify(entry)] as const));
  }

  remove(place: Place): Promise<void> {
    return this.#append([[place, REMOVED]]);
  }

  #append(lines: readonly (readonly [Place, string])[]): Promise<void> {
    const done = this.#appending.then(() => this.#appendDays(lines));
    this.#appending = done.catch(() => undefined);
    return done;
  }

  async #appendDays(lines: readonly (readonly [Place, string])[]): Promise<void> {
    for (const [day, ofDay] of Map.groupBy(lines, ([{ started }]) => dayOf(started)))
      await this.#appendTo(day, ofDay.map(([place, text]) => lineOf(place, text)).join(''));
  }

  async #appendTo(day: string, text: string): Promise<void> {
    const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
    try {
      const file = await open(join(this.#folder, `${day}.index`), O_RDWR | O_CREAT | O_NOFOLLOW, 0o640);
      try {
        const { size } = await file.stat();
        const last = Buffer.alloc(1, NEWLINE);
        if (size > 0) await file.read(last, 0, 1, size - 1);
        // A crash or a full disk may have left half a line.
        const start = last[0] === NEWLINE ? '' : '\n';
        await this.#disk.write(file, Buffer.from(start + text), size);
        await this.#disk.sync(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw diskError('write the index of recordings', error);
    }
  }

  /** Days of which there is an index, newest first. */
  async days(): Promise<string[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      throw diskError('read the index of recordings', error);
    });
    return names
      .map((name) => FILE.exec(name)?.[1])
      .filter((day) => day !== undefined)
      .toSorted()
      .toReversed();
  }

  /** The recordings of a day, newest first, each once. */
  async read(day: string): Promise<IndexLine[]> {
    const bytes = await readFile(join(this.#folder, `${day}.index`)).catch((error: unknown) => {
      if (isMissing(error)) return Buffer.alloc(0);
      throw diskError('read the index of recordings', error);
    });
    const found = new Map<string, IndexLine>();
    for (let start = 0; start < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline === -1 ? bytes.length : newline;
      const line = end - start > HEAD_WIDTH ? parseLine(bytes, start, end) : undefined;
      const isRemoved = bytes[start + HEAD_WIDTH] === REMOVED.charCodeAt(0);
      if (line !== undefined && isRemoved) found.delete(line.session);
      else if (line !== undefined) found.set(line.session, line);
      start = end + 1;
    }
    return [...found.values()].sort(comparePlaces);
  }
}

export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** The first millisecond of a day. */
export function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

export function endOf(day: string): number {
  return startOf(day) + DAY_MS;
}

function lineOf({ started, session }: Place, text: string): string {
  return `${String(started).padStart(TIME_WIDTH, '0')} ${session} ${text}\n`;
}

function parseLine(bytes: Buffer, start: number, end: number): IndexLine | undefined {
  const started = Number(bytes.toString('latin1', start, start + TIME_WIDTH));
  const session = bytes.toString('latin1', start + TIME_WIDTH + 1, start + TIME_WIDTH + 1 + SESSION_WIDTH);
  if (!Number.isSafeInteger(started)) return undefined;
  return {
    started,
    session,
    entry() {
      try {
        return JSON.parse(bytes.toString('utf8', start + HEAD_WIDTH, end)) as RecordingEntry;
      } catch {
        return undefined;
      }
    },
  };
}
