// A recording as callers see it, and as the conditions of roles do. Pure.
import type { Recording } from '#core/api/recordings.ts';
import type { WhereContext } from '#core/access/predicates.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { RecordingEntry } from '#recordings/store.ts';

/** Without a first segment nobody can say whose it is: then only rules about all sessions show it. */
export function contextOf({ meta, participants }: RecordingEntry): NonNullable<WhereContext['session']> {
  if (meta === undefined) return { participants: [] };
  const { user, login } = meta;
  return { user, login, participants: [...new Set([user, ...(participants ?? [])])] };
}

export function shownOf(entry: RecordingEntry): Recording {
  const { session: sid, status, owner, meta, ended, exit_code, segments, bytes, missing } = entry;
  return {
    sid,
    status,
    owner,
    started: timestampOf(entry.started),
    ...(ended === undefined ? {} : { ended: timestampOf(ended) }),
    ...(meta === undefined ? {} : aboutOf(meta)),
    participants: [...contextOf(entry).participants],
    ...(exit_code === undefined ? {} : { exit_code }),
    segments,
    bytes,
    missing: [...missing],
  };
}

function aboutOf(meta: NonNullable<RecordingEntry['meta']>): Partial<Recording> {
  const { kind, user, login, server_id, server_hostname, command } = meta;
  return { kind, user, login, server_id, server_hostname, ...(command === undefined ? {} : { command }) };
}
