// A session whose client may send queries: both directions, the pace of its recording, and its end. Apart from session.ts,
// which brings it so far.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { PostgresError } from '#wire/postgres/server-messages.ts';
import { errorMessage } from '#wire/postgres/write.ts';
import { ClientWatch } from './client-watch.ts';
import { Pending } from './pending.ts';
import { Relay, type RelayEnd } from './relay.ts';
import { ServerWatch } from './server-watch.ts';
import type { DbSessionEvents } from './session-events.ts';

export interface LiveOptions {
  readonly client: Duplex;
  readonly server: Duplex;
  readonly events: DbSessionEvents;
  readonly recorder: SessionRecorder | undefined;
  readonly clock: Clock;
  /** Share of the room for audit events that is taken. */
  auditFilled(): number;
  /** The client sent something. */
  onInput(): void;
}

/** What is left is for the events of other sessions, and for the end of this one. */
const MOST_FILLED = 0.5;
const AUDIT_LOOK_MS = 200;

export class Live {
  /** Resolves when nothing is passed on any more; the streams are still open. */
  readonly ended: Promise<void>;
  readonly #options: LiveOptions;
  readonly #pending = new Pending();
  readonly #clientWatch: ClientWatch;
  readonly #serverWatch: ServerWatch;
  readonly #relay: Relay;
  readonly #resolve: () => void;
  #isOver = false;
  #isAwaitingAudit = false;

  constructor(options: LiveOptions) {
    const { client, server, events, clock, onInput } = options;
    const pending = this.#pending;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#serverWatch = new ServerWatch({
      pending,
      onResult: (result) => this.#paced(events.result(result)),
    });
    this.#clientWatch = new ClientWatch({
      pending,
      now: () => clock.now(),
      onQuery: (query) => {
        this.#paced(events.query(query));
        if (options.auditFilled() > MOST_FILLED) this.#awaitAudit();
      },
    });
    this.#relay = new Relay({
      client,
      server,
      clientWatch: this.#clientWatch,
      serverWatch: this.#serverWatch,
      onInput,
      onEnd: (end) => this.#onEnd(end),
    });
  }

  /** Whether the server works on something. */
  get isBusy(): boolean {
    return this.#pending.isBusy;
  }

  /** After the client was greeted. */
  start(): void {
    this.#relay.start();
  }

  /** Nothing is passed on from now on. `error` is what the client is told, where it can still read. Safe to call twice. */
  finish(error?: PostgresError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#relay.stop();
    const { client, events } = this.#options;
    // Within a message of the server nothing else can be said.
    if (error !== undefined && client.writable && this.#serverWatch.isBetween)
      client.write(errorMessage(error));
    events.ended({
      queries: this.#clientWatch.count,
      rows: this.#serverWatch.rows,
      received: this.#relay.received,
      sent: this.#relay.sent,
    });
    this.#resolve();
  }

  /** Auth is behind, or away: rather than lose events, the client waits. */
  #awaitAudit(): void {
    if (this.#isAwaitingAudit || this.#isOver) return;
    this.#isAwaitingAudit = true;
    this.#relay.hold();
    this.#options.clock.after(AUDIT_LOOK_MS, () => {
      this.#isAwaitingAudit = false;
      if (this.#options.auditFilled() > MOST_FILLED) this.#awaitAudit();
      this.#relay.release();
    });
  }

  /** The recording is behind: the client waits. */
  #paced(hasRoom: boolean): void {
    if (hasRoom) return;
    this.#relay.hold();
    void this.#options.recorder?.drained().then(() => this.#relay.release());
  }

  #onEnd(end: RelayEnd): void {
    if (end.by !== 'malformed') {
      this.finish();
      return;
    }
    this.#options.events.malformed(end.from, end.error.message);
    const who = end.from === 'client' ? 'client' : 'database';
    const message = `Gatehouse: the ${who} sent what is not the protocol; the session has ended`;
    this.finish({ severity: 'FATAL', code: '08P01', message });
  }
}
