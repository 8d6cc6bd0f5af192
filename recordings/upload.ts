// What a host uploads, and where to: the store itself in tests, the API of auth in life. Apart from the store because a
// host is identified by its certificate and never says who it is.

export interface SegmentUpload {
  /** A UUID in lower case; anything else is BAD_REQUEST. */
  readonly session: string;
  /** From 1. */
  readonly number: number;
  /** Of `bytes`, in hexadecimal; another one is BAD_REQUEST, as is a segment that does not begin as one. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

export interface Completion {
  readonly session: string;
  /** How many segments the recording has. */
  readonly segments: number;
  /** SHA-256 of the last segment. It vouches for all of them: each segment names the hash of the one before it. */
  readonly head: string;
  /** Segments that are lost (their files were damaged on the host); the recording is kept without them. */
  readonly missing: readonly number[];
}

/**
 * Each call may be repeated after its answer was lost. The codes that `isRefusal` of spool/refusal.ts names say that
 * repeating is of no use; everything else is tried again.
 */
export interface UploadTarget {
  putSegment(upload: SegmentUpload): Promise<void>;
  complete(completion: Completion): Promise<void>;
  /** Recordings of one segment each, whole, at most MAX_BATCH and MAX_BATCH_BYTES: put and complete for each of them. */
  putWhole(uploads: readonly Omit<SegmentUpload, 'number'>[]): Promise<void>;
}

export const MAX_BATCH = 64;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
