// Lists recordings from the index, newest first, a page at a time. A page ends early when few entries fit the question,
// so that one call never reads the work of a year.
import { GatehouseError } from '#core/errors/error.ts';
import { isSessionId } from '../meta.ts';
import type { RecordingEntry, RecordingPage, RecordingQuery } from '../store.ts';
import {
  comparePlaces,
  dayOf,
  endOf,
  startOf,
  type DayIndex,
  type IndexLine,
  type Place,
} from './index-file.ts';

const MAX_LIMIT = 1000;
/** Entries looked at in one call. */
const MAX_LOOKED_AT = 20_000;
const CURSOR = /^(\d{1,15}):([0-9a-f-]{36})$/;

export async function listIndex(index: DayIndex, query: RecordingQuery): Promise<RecordingPage> {
  const { limit } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new GatehouseError('BAD_REQUEST', `the limit of a list of recordings is 1 to ${MAX_LIMIT}`);
  const recordings: RecordingEntry[] = [];
  let lookedAt = 0;
  for await (const line of linesWithin(index, query)) {
    const entry = line.entry();
    lookedAt++;
    if (entry !== undefined && fits(entry, query)) recordings.push(entry);
    if (recordings.length === limit || lookedAt === MAX_LOOKED_AT)
      return { recordings, next: `${line.started}:${line.session}` };
  }
  return { recordings };
}

async function* linesWithin(index: DayIndex, query: RecordingQuery): AsyncGenerator<IndexLine> {
  const { from = 0, to = Infinity } = query;
  const after = readCursor(query.cursor);
  const newestDay = after === undefined ? '9' : dayOf(after.started);
  const isWithin = (line: Place): boolean =>
    line.started >= from && line.started < to && (after === undefined || comparePlaces(line, after) > 0);
  for (const day of await index.days()) {
    if (endOf(day) <= from) return;
    if (startOf(day) >= to || day > newestDay) continue;
    yield* (await index.read(day)).filter(isWithin);
  }
}

function readCursor(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [, started = '', session = ''] = CURSOR.exec(cursor) ?? [];
  // The last day that a date can have.
  if (isSessionId(session) && Number(started) <= 8.64e15) return { started: Number(started), session };
  throw new GatehouseError('BAD_REQUEST', 'the cursor is not the "next" of a page of recordings');
}

function fits(entry: RecordingEntry, { user, serverId, kind, accepts }: RecordingQuery): boolean {
  const { meta } = entry;
  if (user !== undefined && meta?.user !== user) return false;
  if (serverId !== undefined && meta?.server_id !== serverId) return false;
  if (kind !== undefined && meta?.kind !== kind) return false;
  return accepts === undefined || accepts(entry);
}
