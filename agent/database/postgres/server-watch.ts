// Reads a copy of what the server answers: what came of each query, whether something runs, and what the server thinks of
// prepared statements. Rows go by uncounted, one look at their header each.
import { SERVER } from '#wire/postgres/protocol.ts';
import { readCommandTag, readError } from '#wire/postgres/server-messages.ts';
import { MessageScanner, type MessageListener } from '#wire/postgres/scanner.ts';
import type { Pending } from './pending.ts';
import type { QueryResult, SeenQuery } from './seen-query.ts';

export interface ServerWatchOptions {
  readonly pending: Pending;
  onResult(result: QueryResult): void;
}

const MAX_ERROR_BYTES = 16 * 1024;
const MAX_TAG_BYTES = 128;
const IGNORED = -1;

export class ServerWatch implements MessageListener {
  readonly #options: ServerWatchOptions;
  readonly #scanner = new MessageScanner(this);
  /** Rows that commands spoke of: read or written. */
  rows = 0;

  constructor(options: ServerWatchOptions) {
    this.#options = options;
  }

  /** True where a message could be put in between. */
  get isBetween(): boolean {
    return this.#scanner.isBetween;
  }

  /** BAD_REQUEST where it is not the protocol. */
  scan(bytes: Buffer): void {
    this.#scanner.scan(bytes);
  }

  begin(type: number, length: number): number {
    switch (type) {
      case SERVER.dataRow:
      case SERVER.copyData:
      case SERVER.rowDescription:
        return IGNORED;
      case SERVER.error:
        return MAX_ERROR_BYTES;
      case SERVER.commandComplete:
        return Math.min(length, MAX_TAG_BYTES);
      case SERVER.parseComplete:
      case SERVER.closeComplete:
      case SERVER.ready:
      case SERVER.emptyQuery:
      case SERVER.portalSuspended:
        return Math.min(length, 1);
      case SERVER.copyIn:
        return 0;
      default:
        return IGNORED;
    }
  }

  /** Nothing that is wanted is longer, but for errors: their end may go. */
  piece(): void {}

  message(type: number, bytes: Buffer, start: number, end: number): void {
    const { pending } = this.#options;
    switch (type) {
      case SERVER.commandComplete:
        this.#completed(bytes, start, end);
        return;
      case SERVER.error: {
        const { code, message } = readError(bytes, start, end);
        this.#tell(pending.failed(), { error: `${code}: ${message}` });
        return;
      }
      case SERVER.parseComplete:
        pending.parsed();
        return;
      case SERVER.closeComplete:
        pending.closed();
        return;
      case SERVER.ready:
        pending.ready();
        return;
      case SERVER.copyIn:
        pending.copyIn();
        return;
      default:
        pending.completed();
    }
  }

  #completed(bytes: Buffer, start: number, end: number): void {
    const { pending } = this.#options;
    const { tag, rows } = readCommandTag(bytes, start, end);
    this.rows += rows ?? 0;
    this.#tell(pending.completed(), { tag, rows });
  }

  #tell(query: SeenQuery | undefined, result: Omit<QueryResult, 'query'>): void {
    if (query !== undefined) this.#options.onResult({ query, ...result });
  }
}
