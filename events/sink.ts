// The contract of a place that keeps audit events. One folder per implementation below this one; all pass
// events/conformance. The pipeline (log.ts) owns order, durability and retries, so that sinks stay simple.
import type { ChainHead, EventRecord } from './record.ts';
import type { EventPage, EventQuery } from './query.ts';

/**
 * Errors of `append`: TOO_LARGE or BAD_REQUEST say that this very event can never be taken; the pipeline then finds
 * which one it is, sets it aside in the quarantine file and goes on. Whatever else is thrown counts as an outage: the
 * same batch comes again, for as long as it takes. A batch that threw may have been written in part.
 */
export interface Sink {
  /** Unique among the sinks of a log and stable over restarts, such as its URI without secrets. */
  readonly name: string;
  /**
   * Keeps the records; resolved means they are as safe as this sink makes them. Records of one writer come in order of
   * `seq`. Repeating a batch, wholly or in part, is harmless: what is there already is passed over.
   * After a time-out a call may overlap with the one before it; the sink keeps them apart itself.
   */
  append(records: readonly EventRecord[]): Promise<void>;
  /** Absent when the sink cannot be asked. BAD_REQUEST for a bad cursor or query. */
  search?(query: EventQuery): Promise<EventPage>;
  /** Newest record this sink holds of `writer`; undefined when none. Absent when the sink cannot tell. */
  last?(writer: string): Promise<ChainHead | undefined>;
  /** Waits for appends under way; safe to call twice. */
  close(): Promise<void>;
}
