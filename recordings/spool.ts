// The contract of the spool: a folder on the recording host where segments wait until they are uploaded. A recorder
// writes into it, an uploader empties it, and what a dead process left in it is finished by the next one.
import type { Code } from '#core/errors/codes.ts';
import type { Packer } from './format/packer.ts';

/** What could not be kept or uploaded, for the `recording.failed` audit event. */
export interface RecordingFailure {
  readonly session: string;
  /** `write`: something of the session is not in the recording. `upload`: files were put aside in `quarantine`. */
  readonly step: 'write' | 'upload';
  readonly code: Code;
  readonly reason: string;
}

/** A segment that is complete: nothing is written to it any more. */
export interface ClosedSegment {
  readonly session: string;
  readonly number: number;
  /** There is none after it. */
  readonly last: boolean;
  readonly path: string;
  readonly bytes: number;
}

/** A segment that is being written. */
export interface OpenSegment {
  /** Adds to the end. STORAGE_FULL or STORAGE_FAILED; then nothing of `data` is in the file. */
  append(data: Uint8Array): Promise<void>;
  /** What was added is on stable storage once it returns. */
  sync(): Promise<void>;
  /** Makes it a closed segment, durably; append no more. May be repeated when it failed. */
  close(last: boolean): Promise<void>;
}

export interface Spool {
  readonly dir: string;
  /** For all recorders that write here. */
  readonly packer: Packer;
  /** Bytes in the spool, and how many it may hold. At the bound appends fail with STORAGE_FULL. */
  usedBytes(): number;
  readonly maxBytes: number;
  /** Begins a segment with `header`. */
  begin(session: string, number: number, header: Uint8Array): Promise<OpenSegment>;
  /** Closed segments that were not removed yet: sessions in order of age, numbers ascending. */
  closed(): readonly ClosedSegment[];
  /** Calls at each further closed segment. Returns the way to stop it. */
  onClosed(listener: (segment: ClosedSegment) => void): () => void;
  /** Deletes the file of an uploaded segment. May be repeated. */
  remove(segment: ClosedSegment): Promise<void>;
  /** Puts a file that nobody takes aside, for a person, and reports it. */
  quarantine(segment: ClosedSegment, code: Code, reason: string): Promise<void>;
  report(failure: RecordingFailure): void;
  /** Finishes what dead processes left: open segments get an end that says `interrupted`. Returns how many sessions. */
  adopt(): Promise<number>;
  /** What is still being written is given up as it is: whoever opens the spool next finishes it. */
  close(): Promise<void>;
}
