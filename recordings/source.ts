// Where a reader takes segments from: a store, a folder, or the API. Apart from the store because players, exports and
// the verifier need nothing else of it.

export interface SegmentInfo {
  /** From 1. */
  readonly number: number;
  /** Size of the segment as it is stored. */
  readonly bytes: number;
}

export interface RecordingSource {
  /** The session that was asked for; segments of another one are a finding. */
  readonly session: string;
  /** The segments that are there, by number; gaps are gaps. */
  segments(): Promise<readonly SegmentInfo[]>;
  /** The bytes of one segment in pieces of any size. Ending the iteration early frees what it holds. */
  open(number: number): AsyncIterable<Uint8Array>;
}
