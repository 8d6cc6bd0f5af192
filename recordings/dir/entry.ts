// The entry of a recording as its own frames tell it. Apart from the store because it is pure, and the same whether a
// recording came in one piece or in many.
import { GatehouseError } from '#core/errors/error.ts';
import { sha256 } from '../format/segment.ts';
import type { RecordingEnd, RecordingMeta } from '../meta.ts';
import { endOf, metaOf } from '../segment-facts.ts';
import type { RecordingEntry, RecordingStatus } from '../store.ts';

/** A recording that claims to begin later than this after its first upload began then. */
const MAX_CLOCK_DIFFERENCE_MS = 3_600_000;

export interface EntryFacts {
  readonly session: string;
  readonly owner: string;
  readonly meta: RecordingMeta | undefined;
  /** When its first segment came. */
  readonly created: number;
  /** Of a recording that goes on. */
  readonly status?: RecordingStatus;
  /** Of a complete one: the last segment, unless that is lost. */
  readonly last?: Uint8Array | undefined;
  readonly segments?: number;
  readonly bytes?: number;
  readonly missing?: readonly number[];
  readonly head?: string;
}

export function entryOf(facts: EntryFacts): RecordingEntry {
  const { session, owner, meta, last, head, segments = 0, bytes = 0, missing = [] } = facts;
  const end = last === undefined ? undefined : endOf(last);
  return {
    session,
    status: facts.status ?? end?.reason ?? 'interrupted',
    owner,
    started: startOf(facts),
    ...endFacts(end),
    ...(meta === undefined ? {} : { meta }),
    segments,
    bytes,
    missing,
    ...(head === undefined ? {} : { head }),
  };
}

function startOf({ meta, created }: EntryFacts): number {
  const started = Date.parse(meta?.started_at ?? '');
  return started >= 0 && started <= created + MAX_CLOCK_DIFFERENCE_MS ? started : created;
}

function endFacts(
  end: RecordingEnd | undefined,
): Pick<RecordingEntry, 'ended' | 'participants' | 'exit_code'> {
  if (end === undefined) return {};
  const { ended_at, participants, exit_code } = end;
  return {
    ended: Date.parse(ended_at),
    ...(participants === undefined ? {} : { participants }),
    ...(exit_code === undefined ? {} : { exit_code }),
  };
}

/** Of a recording of one segment. BAD_REQUEST when that is no whole recording. */
export function requireWhole(session: string, segment: Uint8Array, now: number): RecordingEntry {
  const entry = wholeEntry(session, segment, now);
  if (entry.meta !== undefined && endOf(segment)?.segments === 1) return entry;
  throw new GatehouseError('BAD_REQUEST', `recording: ${session} is no whole recording in one segment`);
}

/** As `requireWhole`, for one that was kept and may be damaged by now. */
export function wholeEntry(session: string, segment: Uint8Array, now: number): RecordingEntry {
  const meta = metaOf(segment);
  return entryOf({
    session,
    owner: meta?.recorded_by ?? '',
    meta,
    created: now,
    last: segment,
    segments: 1,
    bytes: segment.length,
    head: sha256(segment),
  });
}

/** ACCESS_DENIED when the recording belongs to another host. */
export function requireOwner(session: string, owner: string, caller: string): void {
  if (owner === caller) return;
  throw new GatehouseError('ACCESS_DENIED', `the recording ${session} belongs to another host`);
}
