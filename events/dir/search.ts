// Search over the day files: newest or oldest first, page by page, reading only blocks that can answer. Apart from
// sink.ts because it only reads: `verify` and the command line can search a folder nobody writes.
import type { FileHandle } from 'node:fs/promises';
import { GatehouseError } from '#core/errors/error.ts';
import type { AuditEvent } from '../catalogue.ts';
import { diskError, openFile } from '../disk.ts';
import { MAX_PAGE_BYTES, matches, requireQuery, type EventPage, type EventQuery } from '../query.ts';
import { readLine } from '../record.ts';
import { mayHoldUser, type BlockIndex, type KnownBlock } from './block-index.ts';
import {
  blocksBackward,
  blocksForward,
  lastLineEnd,
  linesOf,
  readExact,
  type Block,
  type Span,
} from '../blocks.ts';
import { dayOf, fileOf, listDays } from './day-file.ts';

/** A page ends, with a cursor, after this much reading; the caller asks on. Keeps one question from hogging the server. */
const MAX_SCAN_BYTES = 192 * 1024 * 1024;
const CURSOR = /^([ad])-(\d{4}-\d{2}-\d{2})-(\d{1,15})$/;

interface Place {
  readonly day: string;
  readonly offset: number;
}

/** Needles in the bytes of a line, as Latin-1: cheap to look for, and no line that answers lacks them. */
interface Needles {
  readonly types: readonly string[];
  readonly user: string | undefined;
  readonly text: string | undefined;
}

interface Page {
  readonly query: EventQuery;
  readonly needles: Needles;
  readonly events: AuditEvent[];
  bytes: number;
  scanned: number;
}

/** BAD_REQUEST for a bad query or cursor. Lines that are not events are passed over: `verify` is who reports them. */
export async function searchFolder(folder: string, query: EventQuery, index: BlockIndex): Promise<EventPage> {
  requireQuery(query);
  const start = query.cursor === undefined ? undefined : parseCursor(query.cursor, query.order);
  const page: Page = { query, needles: needlesOf(query), events: [], bytes: 0, scanned: 0 };
  for (const day of await daysToRead(folder, query, start)) {
    const offset = day === start?.day ? start.offset : undefined;
    const stop = await searchDay(folder, day, offset, page, index);
    if (stop !== undefined) {
      return { events: page.events, next: `${query.order === 'asc' ? 'a' : 'd'}-${day}-${stop}` };
    }
  }
  return { events: page.events };
}

function parseCursor(text: string, order: 'asc' | 'desc'): Place {
  const [, letter, day, offset] = CURSOR.exec(text) ?? [];
  if (letter !== order[0] || day === undefined) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'audit query: cursor is not one that this log gave out for this order',
      {
        details: { field: 'cursor' },
      },
    );
  }
  return { day, offset: Number(offset) };
}

async function daysToRead(folder: string, query: EventQuery, start: Place | undefined): Promise<string[]> {
  if (query.to <= query.from) return [];
  const first = dayOf(clampTime(query.from));
  const last = dayOf(clampTime(query.to - 1));
  const days = (await listDays(folder)).filter((day) => day >= first && day <= last);
  if (query.order === 'asc') return days.filter((day) => start === undefined || day >= start.day);
  return days.filter((day) => start === undefined || day <= start.day).toReversed();
}

function clampTime(timeMs: number): number {
  return Math.min(Math.max(timeMs, 0), Date.UTC(9999, 11, 31));
}

/** The offset where the next page starts, or undefined when the day is read to its end. */
async function searchDay(
  folder: string,
  day: string,
  from: number | undefined,
  page: Page,
  index: BlockIndex,
): Promise<number | undefined> {
  let file;
  try {
    file = await openFile(fileOf(folder, day), 'read');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw diskError(`open the log of ${day}`, error);
  }
  try {
    const end = await lastLineEnd(file, (await file.stat()).size);
    if (from !== undefined) await requireBorder(file, from, end);
    const known = index.of(day);
    const span = page.query.order === 'asc' ? { start: from ?? 0, end } : { start: 0, end: from ?? end };
    const wanted = (block: Span): boolean => mayAnswer(block as KnownBlock, page);
    const blocks = (page.query.order === 'asc' ? blocksForward : blocksBackward)({
      file,
      span,
      known,
      wanted,
    });
    for await (const block of blocks) {
      if (known.startingAt(block.start) === undefined) known.learn(block, block.bytes.toString('latin1'));
      const stop = searchBlock(block, page);
      if (stop !== undefined) return stop;
    }
    return undefined;
  } finally {
    await file.close();
  }
}

async function requireBorder(file: FileHandle, offset: number, end: number): Promise<void> {
  const isBorder = offset === 0 || (offset <= end && (await readExact(file, offset - 1, offset))[0] === 10);
  if (!isBorder) {
    throw new GatehouseError('BAD_REQUEST', 'audit query: cursor does not fit this log', {
      details: { field: 'cursor' },
    });
  }
}

function mayAnswer({ facts }: KnownBlock, { query, needles }: Page): boolean {
  if (facts.maxTime < query.from || facts.minTime >= query.to) return false;
  if (needles.types.length > 0 && !needles.types.some((type) => facts.types.has(valueIn(type)))) return false;
  return needles.user === undefined || mayHoldUser(facts, valueIn(needles.user));
}

/** `"user":"x"` → `"x"`. */
function valueIn(needle: string): string {
  return needle.slice(needle.indexOf(':') + 1);
}

function needlesOf({ types = [], user, search }: EventQuery): Needles {
  const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
  return {
    types: types.map((type) => bytes(`"event":${JSON.stringify(type)}`)),
    user: user === undefined ? undefined : bytes(`"user":${JSON.stringify(user)}`),
    text:
      search === undefined || search === ''
        ? undefined
        : bytes(JSON.stringify(search).slice(1, -1)).toLowerCase(),
  };
}

function mayMatch(text: string, { types, user, text: needle }: Needles): boolean {
  if (user !== undefined && !text.includes(user)) return false;
  if (types.length > 0 && !types.some((type) => text.includes(type))) return false;
  return needle === undefined || text.toLowerCase().includes(needle);
}

/** Cheaper than `mayMatch`, which it comes before. */
function mayMatchBytes(bytes: Buffer, { types, user }: Needles): boolean {
  if (user !== undefined && !bytes.includes(user, 0, 'latin1')) return false;
  return types.length === 0 || types.some((type) => bytes.includes(type, 0, 'latin1'));
}

/** Adds what answers; the offset where the next page starts when this page is full, or has read enough. */
function searchBlock(block: Block, page: Page): number | undefined {
  const asc = page.query.order === 'asc';
  page.scanned += block.bytes.length;
  for (const line of candidates(block.bytes, page.needles, asc)) {
    const event = readLine(block.bytes.toString('utf8', line.start, line.end));
    if (event === undefined || !matches(event, page.query)) continue;
    page.events.push(event);
    page.bytes += line.end - line.start;
    if (page.events.length >= page.query.limit || page.bytes >= MAX_PAGE_BYTES) {
      return block.start + (asc ? line.end + 1 : line.start);
    }
  }
  if (page.scanned < MAX_SCAN_BYTES) return undefined;
  return asc ? block.end : block.start;
}

function* candidates(bytes: Buffer, needles: Needles, asc: boolean): Generator<Span> {
  if (!mayMatchBytes(bytes, needles)) return;
  const text = bytes.toString('latin1');
  if (!mayMatch(text, needles)) return;
  const lines = [...linesOf(bytes)];
  for (const line of asc ? lines : lines.toReversed()) {
    if (mayMatch(text.slice(line.start, line.end), needles)) yield line;
  }
}
