// What is put on record of people at applications: the beginning and end of a session, and every request. Requests go
// into recordings of five minutes, because there are too many of them for the audit log; the log says which ones.
import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { TargetEvent, TargetGround } from '../../target/connection.ts';

export type SessionsGround = Pick<
  TargetGround,
  'clock' | 'log' | 'hostId' | 'hostname' | 'view' | 'emit' | 'record'
>;

/** Who, with what; the same for all requests of a session. */
export interface AppSessionFacts {
  readonly sid: string;
  readonly user: string;
  readonly impersonator?: string | undefined;
  readonly client: string;
  readonly app: string;
  readonly uri: string;
  readonly publicAddr: string;
  readonly awsRoleArn?: string | undefined;
}

export interface RequestFacts {
  readonly method: string;
  /** With its query. */
  readonly target: string;
  /** 0: the client left before there was one. */
  readonly status: number;
}

/** One connection of a session. */
export interface SessionSeat {
  /** Cheap; never throws. */
  request(facts: RequestFacts): void;
  /** An event with fields of its own, into the same recording. */
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
  leave(): void;
}

export interface AppSessions {
  enter(facts: AppSessionFacts): SessionSeat;
  /** Ends all of them. */
  close(): Promise<void>;
}

const CHUNK_MS = 5 * 60_000;
/** A session without connections is over after this time. */
const LINGER_MS = 60_000;
const MAX_PATH = 2048;

export function openAppSessions(ground: SessionsGround): AppSessions {
  const live = new Map<string, LiveSession>();
  return {
    enter(facts) {
      const known = live.get(facts.sid);
      const session = known ?? new LiveSession(ground, facts, () => live.delete(facts.sid));
      if (known === undefined) live.set(facts.sid, session);
      return session.enter();
    },
    async close() {
      const ends = [...live.values()].map((session) => session.end());
      await Promise.all(ends);
    },
  };
}

class LiveSession {
  readonly #ground: SessionsGround;
  readonly #facts: AppSessionFacts;
  readonly #onEnd: () => void;
  readonly #clock: Clock;
  readonly #log: Log;
  #seats = 0;
  #linger: Timer | undefined;
  #chunk:
    | { readonly id: string; readonly recorder: SessionRecorder | undefined; readonly timer: Timer }
    | undefined;
  #isOver = false;

  constructor(ground: SessionsGround, facts: AppSessionFacts, onEnd: () => void) {
    this.#ground = ground;
    this.#facts = facts;
    this.#onEnd = onEnd;
    this.#clock = ground.clock;
    this.#log = ground.log;
    this.#emit('app.session.start', {});
  }

  enter(): SessionSeat {
    this.#seats++;
    this.#linger?.cancel();
    let isHere = true;
    return {
      request: (request) => this.#request(request),
      event: (name, fields) => this.#recorder()?.event(name, { ...this.#about(), ...fields }),
      leave: () => {
        if (!isHere) return;
        isHere = false;
        if (--this.#seats === 0) this.#linger = this.#clock.after(LINGER_MS, () => void this.end());
      },
    };
  }

  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#linger?.cancel();
    this.#onEnd();
    const ended = this.#endChunk();
    this.#emit('app.session.end', {});
    await ended;
  }

  #request({ method, target, status }: RequestFacts): void {
    const recorder = this.#recorder();
    if (recorder === undefined) return;
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    recorder.event('app.session.request', {
      app_name: this.#facts.app,
      method,
      path: path.slice(0, MAX_PATH),
      raw_query: mark === -1 ? '' : target.slice(mark + 1, mark + 1 + MAX_PATH),
      status_code: status,
    });
  }

  /** That of the chunk, which begins with its first request. */
  #recorder(): SessionRecorder | undefined {
    if (this.#chunk === undefined && !this.#isOver) {
      const id = randomUUID();
      const recorder = this.#open(id);
      const timer = this.#clock.after(CHUNK_MS, () => void this.#endChunk());
      this.#chunk = { id, recorder, timer };
      this.#emit('app.session.chunk', { session_chunk_id: id });
    }
    return this.#chunk?.recorder;
  }

  #open(id: string): SessionRecorder | undefined {
    const { record, hostId, hostname, view } = this.#ground;
    const { user, app, client } = this.#facts;
    try {
      const recorder = record({
        sessionId: id,
        kind: 'interactive',
        mode: 'best_effort',
        facts: {
          user,
          login: '',
          server_id: hostId,
          server_hostname: app,
          cluster_name: view.clusterName(),
          recorded_by: hostId,
          protocol: 'app',
          'addr.remote': client,
        },
      });
      recorder?.failed.catch(() => {});
      return recorder;
    } catch (error) {
      this.#log.warn({ err: error, app, host: hostname }, 'the requests of a session cannot be recorded');
      return undefined;
    }
  }

  async #endChunk(): Promise<void> {
    const chunk = this.#chunk;
    this.#chunk = undefined;
    chunk?.timer.cancel();
    await chunk?.recorder?.end({}).catch(() => {});
  }

  #emit(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#ground.emit({ event, ...this.#about(), ...fields } as TargetEvent);
  }

  #about(): Readonly<Record<string, unknown>> {
    const { sid, user, impersonator, client, app, uri, publicAddr, awsRoleArn } = this.#facts;
    return {
      sid,
      user,
      ...(impersonator === undefined ? {} : { impersonator }),
      'addr.remote': client,
      app_name: app,
      app_uri: uri,
      app_public_addr: publicAddr,
      ...(awsRoleArn === undefined ? {} : { aws_role_arn: awsRoleArn }),
      server_id: this.#ground.hostId,
      server_hostname: this.#ground.hostname,
    };
  }
}
