// One connection of one person to one database, from its first byte to its last.
//
//   login read ──> guard ──> recording ──> database ──> open ──(either side, cut, malformed, recording)──> ended
//       └───────────┴────────────┴────────────┴──(refused: told in the words of PostgreSQL)──────────────────^
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { PostgresError } from '#wire/postgres/server-messages.ts';
import {
  authenticationOk,
  backendKeyData,
  cancelRequest,
  errorMessage,
  readyForQuery,
  terminate,
} from '#wire/postgres/write.ts';
import type { OpenedTarget } from '../../target/guard.ts';
import type { TargetConnection } from '../../target/connection.ts';
import type { EngineGround } from './engine.ts';
import { Live } from './live.ts';
import { readLogin, type ClientLogin } from './read-login.ts';
import { startRecording } from './record.ts';
import { endedBecause, fatalOf, withHint } from './refusals.ts';
import type { DbUpstream } from '../connect.ts';
import type { ProvisionedUser } from '../provision/contract.ts';
import { accountOf } from './account.ts';
import { endStream, sendAndClose, within } from './endings.ts';
import { DbSessionEvents } from './session-events.ts';
import { logIn, type UpstreamSession } from './upstream.ts';

export interface SessionOptions {
  readonly ground: EngineGround;
  readonly connection: TargetConnection;
  readonly db: Resource<DbSpec>;
  /** A cancel request came on this connection. */
  onCancel(processId: number, secret: number): void;
}

/** For the whole login; PostgreSQL gives its clients as much. */
const LOGIN_MS = 60_000;
const CANCEL_MS = 10_000;

export class DbSession {
  /** The secret of its cancel key. */
  readonly secret = randomBytes(4);
  readonly #options: SessionOptions;
  readonly #ending = new AbortController();
  #opened: OpenedTarget | undefined;
  #server: Duplex | undefined;
  #upstream: UpstreamSession | undefined;
  #events: DbSessionEvents | undefined;
  #recorder: SessionRecorder | undefined;
  #account: ProvisionedUser | undefined;
  #live: Live | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Resolves when all is closed and on record; never rejects. */
  async run(): Promise<void> {
    const { clock, log } = this.#options.ground;
    const { stream, client } = this.#options.connection;
    stream.on('error', () => stream.destroy());
    const leave = (): void => this.#ending.abort(gone());
    stream.once('close', leave);
    const timer = clock.after(LOGIN_MS, () => this.#ending.abort(tooSlow()));
    try {
      const ended = await this.#open(timer.cancel.bind(timer));
      if (ended !== undefined) await ended;
    } catch (error) {
      if (!(error instanceof GatehouseError)) log.error({ err: error, client }, 'a database session failed');
      const told = fatalOf(error);
      this.#refuse(told, error instanceof Error ? error.message : told.message);
    } finally {
      timer.cancel();
      stream.off('close', leave);
      await this.#close();
    }
  }

  /** Ends it: the client reads why. */
  cut(why: string): void {
    if (this.#live === undefined) this.#ending.abort(new GatehouseError('ACCESS_DENIED', why));
    else this.#live.finish(endedBecause(why));
  }

  /** Cancels what runs. */
  async cancel(): Promise<void> {
    const { key } = this.#upstream ?? {};
    if (key === undefined) return;
    const { ground, db } = this.#options;
    const abort = new AbortController();
    const timer = ground.clock.after(CANCEL_MS, () => abort.abort());
    try {
      const stream = await ground.connector.dial(db, abort.signal);
      await sendAndClose(stream, cancelRequest(key.processId, key.secret), abort.signal);
    } catch (error) {
      ground.log.warn({ err: error, db: db.metadata.name }, 'a query could not be cancelled');
    } finally {
      timer.cancel();
    }
  }

  /** Undefined when the client left without a session; otherwise what to wait for. */
  async #open(loggedIn: () => void): Promise<Promise<void> | undefined> {
    const { connection, onCancel, ground } = this.#options;
    const { signal } = this.#ending;
    const login = await within(readLogin(connection.stream, onCancel), signal);
    if (login === undefined) return undefined;
    const opened = ground.guard.open(connection, this.#request(login), {
      cut: (_reason, message) => this.cut(message),
    });
    this.#opened = opened;
    const account = accountOf({ ...this.#options, opened, login });
    const events = this.#makeEvents(opened, login, account?.roles);
    this.#recorder = await startRecording({
      ...this.#options,
      opened,
      login,
      onFailed: (why) => this.cut(why),
    });
    signal.throwIfAborted();
    if (this.#recorder !== undefined) events.record(this.#recorder);
    this.#account = await account?.open(signal);
    const upstream = await this.#connect(login, signal);
    const server = upstream.stream;
    this.#server = server;
    server.on('error', () => server.destroy());
    const answer = await within(logIn(upstream, login), signal);
    if (!answer.ok) {
      this.#refuse(withHint(answer.error));
      return undefined;
    }
    loggedIn();
    this.#upstream = answer.session;
    return this.#start(server, events, answer.session);
  }

  /** Part of it, such as a call of auth, is not ended by the signal: it is not waited for either. */
  async #connect({ user, database }: ClientLogin, signal: AbortSignal): Promise<DbUpstream> {
    const { ground, connection, db } = this.#options;
    const { certificate } = connection;
    const connecting = ground.connector.connect(db, { user, database, certificate }, signal);
    try {
      return await within(connecting, signal);
    } catch (error) {
      connecting.then(
        ({ stream }) => stream.destroy(),
        () => {},
      );
      throw error;
    }
  }

  #request(login: ClientLogin) {
    const { connection, db } = this.#options;
    return {
      kind: 'db',
      target: { name: connection.target, labels: {} },
      user: login.user,
      database: login.database,
      makesUsers: db.spec.admin_user !== undefined,
    } as const;
  }

  #makeEvents(opened: OpenedTarget, login: ClientLogin, roles: readonly string[] = []): DbSessionEvents {
    const { ground, connection, db } = this.#options;
    this.#events = new DbSessionEvents({
      clock: ground.clock,
      hostId: ground.hostId,
      hostname: ground.hostname,
      clusterName: ground.view.clusterName(),
      emit: ground.emit,
      connection,
      sessionId: opened.id,
      database: {
        service: db.metadata.name,
        protocol: db.spec.protocol,
        uri: db.spec.uri,
        type: ground.connector.typeOf(db),
        // What comes from a file has never been stored.
        origin: db.metadata.revision === undefined ? 'config-file' : 'dynamic',
      },
      login,
      roles,
    });
    return this.#events;
  }

  /** The client may send queries. Resolves when the session is over. */
  #start(server: Duplex, events: DbSessionEvents, { greeting }: UpstreamSession): Promise<void> {
    const { connection, ground } = this.#options;
    const client = connection.stream;
    const live = new Live({
      client,
      server,
      events,
      recorder: this.#recorder,
      clock: ground.clock,
      auditFilled: () => ground.auditFilled?.() ?? 0,
      onInput: () => this.#opened?.touch(),
    });
    this.#live = live;
    events.started();
    const key = backendKeyData(ground.cancelProcessId, this.secret.readUInt32BE());
    client.write(Buffer.concat([authenticationOk(), ...greeting, key, readyForQuery('I')]));
    live.start();
    return live.ended;
  }

  /** The client is told why there is no session, and so is the audit log, if it came so far. */
  #refuse(error: PostgresError, forAdmins = `${error.code}: ${error.message}`): void {
    const { stream } = this.#options.connection;
    if (stream.writable) stream.write(errorMessage({ ...error, severity: 'FATAL' }));
    if (this.#live === undefined) this.#events?.refused(forAdmins);
  }

  /** Whatever was opened, in reverse. */
  async #close(): Promise<void> {
    const { connection, ground } = this.#options;
    this.#live?.finish();
    this.#opened?.close();
    endStream(connection.stream, ground.clock);
    const server = this.#server;
    if (server !== undefined) {
      // A query that nobody waits for must not go on.
      if (this.#live?.isBusy === true && !server.destroyed) await this.cancel();
      endStream(server, ground.clock, terminate());
    }
    // It waits for the backend to be gone, and tries again: nobody waits for that.
    void this.#account?.close(this.#upstream?.key === undefined ? [] : [this.#upstream.key.processId]);
    await this.#recorder?.end({ participants: [connection.identity.name] }).catch((error: unknown) => {
      ground.log.warn({ err: error }, 'the recording of a database session has no end');
    });
  }
}

const gone = (): GatehouseError => new GatehouseError('UNAVAILABLE', 'the client left');
const tooSlow = (): GatehouseError => new GatehouseError('UNAVAILABLE', 'the login took too long');
