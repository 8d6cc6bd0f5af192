// The audit events of one database session, with the fields that all of them have in one place, and the same events in its
// recording: what is played back later is what was audited.
import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { TargetConnection, TargetEvent } from '../../target/connection.ts';
import type { QueryResult, SeenQuery } from './seen-query.ts';

export interface SessionEventsOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly hostId: string;
  readonly hostname: string;
  readonly clusterName: string;
  readonly emit: (event: TargetEvent) => void;
  readonly connection: TargetConnection;
  readonly sessionId: string;
  readonly database: {
    readonly service: string;
    readonly protocol: string;
    readonly uri: string;
    readonly type: string;
    readonly origin: string;
  };
  readonly login: { readonly user: string; readonly database: string };
  /** Roles of the database that the account was given for this session. */
  readonly roles: readonly string[];
}

export interface SessionTotals {
  readonly queries: number;
  readonly rows: number;
  /** Bytes of the client, and to it. */
  readonly received: number;
  readonly sent: number;
}

/** As in the catalogue of events, which only auth reads. */
export const RECORDED_CODES: Readonly<Record<string, string>> = {
  'db.session.start': 'TDB00I',
  'db.session.end': 'TDB01I',
  'db.session.query': 'TDB02I',
  'db.session.query.failed': 'TDB02W',
  'db.session.malformed_packet': 'TDB06I',
  'db.session.postgres.function': 'TPG04I',
};
/** A recording takes events of up to 32 KiB as JSON, in which a character may take six. */
const MAX_RECORDED_CHARACTERS = 4096;

export class DbSessionEvents {
  readonly #options: SessionEventsOptions;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #startedAt: number;
  #recorder: SessionRecorder | undefined;
  #index = 0;

  constructor(options: SessionEventsOptions) {
    const { connection, database, login, sessionId, hostId, hostname, roles, clock } = options;
    const { identity, client } = connection;
    this.#options = options;
    this.#startedAt = clock.now();
    this.#fields = {
      user: identity.name,
      ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
      sid: sessionId,
      server_id: hostId,
      server_hostname: hostname,
      'addr.remote': client,
      db_service: database.service,
      db_protocol: database.protocol,
      db_uri: database.uri,
      db_type: database.type,
      db_origin: database.origin,
      db_user: login.user,
      db_name: login.database,
      ...(roles.length === 0 ? {} : { db_roles: roles }),
    };
  }

  /** From now on events are recorded too. */
  record(recorder: SessionRecorder): void {
    this.#recorder = recorder;
  }

  /** True: more may come; false: wait for the recorder. */
  started(): boolean {
    return this.#tell('db.session.start', { success: true });
  }

  refused(error: string): void {
    this.#tell('db.session.start', { success: false, error });
  }

  /** As started. */
  query(query: SeenQuery): boolean {
    const { text, parameters, statement, cut, functionId } = query;
    const more: Record<string, unknown> = { db_query: text, success: true };
    if (parameters !== undefined && parameters.length > 0) more['db_query_parameters'] = parameters;
    if (statement !== undefined) more['statement_name'] = statement;
    if (cut !== undefined) more['cut'] = { db_query: cut };
    if (functionId === undefined) return this.#tell('db.session.query', more);
    return this.#tell('db.session.postgres.function', { ...more, function_oid: functionId });
  }

  /** What came of a query: to the audit log where it failed, to the recording always. */
  result({ query, tag, rows, error }: QueryResult): boolean {
    const more: Record<string, unknown> = { query_number: query.number, success: error === undefined };
    more['duration_ms'] = Math.max(0, this.#options.clock.now() - query.at);
    if (error !== undefined) {
      this.#emit(randomUUID(), 'db.session.query.failed', { db_query: query.text, success: false, error });
      more['error'] = error;
    }
    if (tag !== undefined) more['command'] = tag;
    if (rows !== undefined) more['affected_rows'] = rows;
    return this.#recorder?.event('db.session.result', more) ?? true;
  }

  /** `from`: who sent what is not understood. */
  malformed(from: 'client' | 'server', why: string): void {
    this.#tell('db.session.malformed_packet', { error: why, reason: `sent by the ${from}` });
  }

  ended(totals: SessionTotals): void {
    this.#tell('db.session.end', {
      start_time: timestampOf(this.#startedAt),
      end_time: timestampOf(this.#options.clock.now()),
      db_queries: totals.queries,
      affected_rows: totals.rows,
      rx: totals.received,
      tx: totals.sent,
    });
  }

  #tell(event: string, more: Readonly<Record<string, unknown>>): boolean {
    const uid = randomUUID();
    const index = this.#index++;
    this.#emit(uid, event, more);
    if (this.#recorder === undefined) return true;
    return this.#recorder.event(event, {
      code: RECORDED_CODES[event],
      cluster_name: this.#options.clusterName,
      ei: index,
      uid,
      ...this.#fields,
      ...forRecording(more),
    });
  }

  #emit(uid: string, event: string, more: Readonly<Record<string, unknown>>): void {
    this.#options.emit({ event, uid, ...this.#fields, ...more });
  }
}

/** Long texts are cut; the audit log has them whole, or their hash. */
function forRecording(more: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { db_query: text, db_query_parameters: parameters } = more;
  const isShort = typeof text !== 'string' || text.length <= MAX_RECORDED_CHARACTERS;
  if (isShort && parameters === undefined) return more;
  const fitted: Record<string, unknown> = { ...more };
  if (!isShort) {
    fitted['db_query'] = text.slice(0, MAX_RECORDED_CHARACTERS);
    const sha256 = createHash('sha256').update(text).digest('hex');
    fitted['cut'] ??= { db_query: `${Buffer.byteLength(text)} bytes, sha256 ${sha256}` };
  }
  if (Array.isArray(parameters)) fitted['db_query_parameters'] = fitParameters(parameters as string[]);
  return fitted;
}

function fitParameters(parameters: readonly string[]): readonly string[] {
  const fitted: string[] = [];
  let room = MAX_RECORDED_CHARACTERS;
  for (const value of parameters) {
    if (room <= 0) return [...fitted, `... (${parameters.length - fitted.length} more)`];
    fitted.push(value.length <= room ? value : `${value.slice(0, room)}...`);
    room -= value.length + 1;
  }
  return fitted;
}
