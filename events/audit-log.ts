// The contract of the audit log, which the rest of the auth service sees. The one implementation is log.ts; apart so
// that code that emits events depends on no disk.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { EventInput } from './catalogue.ts';
import type { CheckpointKeeper } from './checkpoint.ts';
import type { Disk } from './disk.ts';
import type { EventPage, EventQuery } from './query.ts';
import type { Sink } from './sink.ts';

export interface AuditLogOptions {
  /** At least one; events go to all, searches to the first. The log closes them. */
  readonly sinks: readonly Sink[];
  /** Folder of the journal, on a local disk; made when missing. One process uses it at a time. */
  readonly spillDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusterName: string;
  /** Id of this auth server. Two servers must not share one: each keeps its own chain. */
  readonly writer: string;
  readonly checkpoint?: CheckpointKeeper | undefined;
  readonly disk?: Disk | undefined;
  readonly limits?: Partial<AuditLimits> | undefined;
}

export interface AuditLimits {
  /** Events held in memory while the journal cannot be written; beyond it they are lost, and counted. */
  readonly queueBytes: number;
  readonly segmentBytes: number;
  readonly appendTimeoutMs: number;
  /**
   * How long `close` waits for sinks to catch up, for the last checkpoint, and for sinks to close: each in turn, so that
   * a process that is told to end does so within two seconds. What sinks lack is delivered after the next start.
   */
  readonly closeTimeoutMs: number;
  readonly checkpointEvents: number;
  readonly checkpointMs: number;
}

export interface SinkStatus {
  readonly name: string;
  /** Events the sink does not have yet. */
  readonly pending: number;
  readonly failing?: { readonly code: string; readonly message: string; readonly since: number } | undefined;
}

export interface AuditStatus {
  /** The journal takes events, none were lost, and no sink is failing. */
  readonly healthy: boolean;
  /** Whether `emitDurably` would succeed at present: the condition for starting new sessions. */
  readonly durable: boolean;
  /** Events that at least one sink lacks, those in memory included. */
  readonly pending: number;
  /** Time of the oldest such event, as far as known; milliseconds since the epoch. */
  readonly oldest?: number | undefined;
  /** Bytes of the journal on disk. */
  readonly journalBytes: number;
  /** Events lost since the start, because memory was full while the journal could not be written. */
  readonly lost: number;
  readonly sinks: readonly SinkStatus[];
}

export interface AuditLog {
  /** Takes the event: its place in the chain is fixed when this returns. Never throws, never waits. */
  emit(event: EventInput): void;
  /**
   * As `emit`; resolves when the event is on stable storage. Rejects with STORAGE_FULL or STORAGE_FAILED when it cannot
   * be now (unless memory is full as well, it is still written later), UNAVAILABLE after `close`.
   */
  emitDurably(event: EventInput): Promise<void>;
  /** Resolves when each sink has what was emitted before, or it or the journal is failing. */
  flush(): Promise<void>;
  /** Asks the first sink, which then knows of all that was emitted before, unless it fails or takes over 2 s. */
  search(query: EventQuery): Promise<EventPage>;
  status(): AuditStatus;
  /** Writes and delivers what it can, stores a last checkpoint, closes the sinks. Safe to call twice. */
  close(): Promise<void>;
}
