// The contract of a store of recordings. It is made for object stores: objects are written once and whole, nothing is
// renamed or appended to, and every call may be repeated after an answer was lost. Who may call is decided above it.
import type { EndReason, RecordingKind, RecordingMeta } from './meta.ts';
import type { RecordingSource } from './source.ts';
import type { Completion, SegmentUpload } from './upload.ts';

/** `recording`: no end has been uploaded. Otherwise how the recording ended. */
export type RecordingStatus = 'recording' | EndReason;

export interface RecordingEntry {
  readonly session: string;
  readonly status: RecordingStatus;
  /** Id of the host that uploaded it. */
  readonly owner: string;
  /** Milliseconds since the epoch; of the recording, or of its first upload when segment 1 is lost. */
  readonly started: number;
  readonly ended?: number;
  /** Absent when segment 1 is lost. */
  readonly meta?: RecordingMeta;
  readonly participants?: readonly string[];
  readonly exit_code?: number;
  /** Segments and their stored size; both 0 until the recording is complete. */
  readonly segments: number;
  readonly bytes: number;
  readonly missing: readonly number[];
  readonly head?: string;
}

export interface RecordingQuery {
  /** Start of the session, milliseconds since the epoch: from (inclusive) and to (exclusive). */
  readonly from?: number;
  readonly to?: number;
  readonly user?: string;
  readonly serverId?: string;
  readonly kind?: RecordingKind;
  /** Decides beyond the above, such as what a role's `where` says; called for entries that fit otherwise. */
  readonly accepts?: (entry: RecordingEntry) => boolean;
  /** 1 to 1000. */
  readonly limit: number;
  /** `next` of the page before; what it means is the store's own business. */
  readonly cursor?: string;
}

export interface RecordingPage {
  /** Newest first; may be fewer than `limit` although there is a `next`. */
  readonly recordings: readonly RecordingEntry[];
  readonly next?: string;
}

export interface RecordingStore {
  readonly name: string;
  /**
   * Keeps one segment; returns once it is durable. `owner` is the id of the uploading host: the first one owns the
   * session, others are refused with ACCESS_DENIED. The same bytes again are harmless; other bytes under the same
   * number are ALREADY_EXISTS, also after completion. BAD_REQUEST when it is no segment of that session and number,
   * TOO_LARGE above MAX_SEGMENT_BYTES, STORAGE_FULL when there is no room or only what is kept for others, STORAGE_FAILED.
   */
  putSegment(owner: string, upload: SegmentUpload): Promise<void>;
  /**
   * Says that nothing more comes. CONDITION_FAILED when segments are not there that are not declared missing, or the
   * last one is another than `head`; NOT_FOUND when nothing was put. May be repeated; a different completion is
   * ALREADY_EXISTS.
   */
  complete(owner: string, completion: Completion): Promise<RecordingEntry>;
  /**
   * Several recordings of one segment each, whole: as putSegment and complete for each, in fewer steps. When one is
   * refused the others may be kept or not; repeat those one by one.
   */
  putWhole(
    owner: string,
    uploads: readonly Omit<SegmentUpload, 'number'>[],
  ): Promise<readonly RecordingEntry[]>;
  /** Undefined when there is no such recording; BAD_REQUEST for what is no session id. */
  get(session: string): Promise<RecordingEntry | undefined>;
  list(query: RecordingQuery): Promise<RecordingPage>;
  /** To read it; NOT_FOUND comes from its `segments()`. */
  source(session: string): RecordingSource;
  /** Removes every byte of it; false when there was nothing. */
  remove(session: string): Promise<boolean>;
  close(): Promise<void>;
}
