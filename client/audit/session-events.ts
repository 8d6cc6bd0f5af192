// The audit events of one SSH session, with the fields that all of them have in one place. Here because nodes and proxies
// that record tell of sessions alike.
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';

/** An event as audit-sender.ts takes it. */
export type SessionEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

export interface SessionEventContext {
  /** The server that the session is on, and where its events go. */
  readonly host: {
    readonly clock: Pick<Clock, 'now'>;
    readonly hostId: string;
    readonly hostname: string;
    labels(): Readonly<Record<string, string>>;
    emit(event: SessionEvent): void;
  };
  readonly access: {
    readonly identity: UserIdentity;
    readonly login: string;
    readonly remoteAddress: string;
    readonly localAddress: string;
  };
  readonly sessionId: string;
}

interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** How the program ended. Both unset: the session was closed before. */
export interface ExitOutcome {
  readonly code?: number;
  /** Without SIG. */
  readonly signal?: string;
}

export interface SessionEnd {
  readonly interactive: boolean;
  readonly participants: readonly string[];
  readonly startedAt: number;
  readonly exit: ExitOutcome;
}

export class SessionEvents {
  readonly #context: SessionEventContext;

  constructor(context: SessionEventContext) {
    this.#context = context;
  }

  /** `size`: of the terminal, where there is one. */
  started(size: TerminalSize | undefined, command: string | undefined): void {
    this.#emit('session.start', {
      ...(size === undefined ? {} : { size: sizeText(size) }),
      initial_command: command === undefined ? [] : [command],
    });
  }

  ended({ interactive, participants, startedAt, exit }: SessionEnd): void {
    this.#emit('session.end', {
      interactive,
      participants,
      start_time: new Date(startedAt).toISOString(),
      end_time: this.#now(),
      ...exitFields(exit, false),
    });
  }

  /** Somebody takes part in the session; `access` of these events is theirs. */
  joined(mode: string): void {
    this.#emit('session.join', { mode });
  }

  /** `reason`: why they had to go. */
  left(mode: string, reason: string | undefined): void {
    this.#emit('session.leave', { mode, ...(reason === undefined ? {} : { reason }) });
  }

  resized(size: TerminalSize): void {
    this.#emit('resize', { size: sizeText(size) });
  }

  executed(command: string, exit: ExitOutcome): void {
    this.#emit('exec', { command, success: exit.code === 0, ...exitFields(exit, true) });
  }

  /** Bytes to and from the client. */
  data(sent: number, received: number): void {
    this.#emit('session.data', { tx: sent, rx: received });
  }

  /** A file that was copied by the old scp. */
  copied(file: object): void {
    this.#emit('scp', { ...file });
  }

  /** Something done by SFTP. */
  sftp(action: object): void {
    this.#emit('sftp', { ...action });
  }

  /** The person may connect, but not do this. */
  rejected(reason: string): void {
    const { host, access, sessionId } = this.#context;
    host.emit({
      event: 'session.rejected',
      user: access.identity.name,
      reason,
      login: access.login,
      sid: sessionId,
      server_id: host.hostId,
      server_hostname: host.hostname,
      'addr.remote': access.remoteAddress,
      proto: 'ssh',
    });
  }

  #emit(event: string, fields: Readonly<Record<string, unknown>>): void {
    const { host, access, sessionId } = this.#context;
    const { impersonator } = access.identity;
    const told: SessionEvent = {
      event,
      user: access.identity.name,
      login: access.login,
      sid: sessionId,
      namespace: 'default',
      server_id: host.hostId,
      server_hostname: host.hostname,
      server_labels: host.labels(),
      'addr.local': access.localAddress,
      'addr.remote': access.remoteAddress,
      proto: 'ssh',
      ...(impersonator === undefined ? {} : { impersonator }),
      ...fields,
    };
    host.emit(told);
  }

  #now(): string {
    return new Date(this.#context.host.clock.now()).toISOString();
  }
}

export const sizeText = ({ columns, rows }: TerminalSize): string => `${columns}:${rows}`;

function exitFields({ code, signal }: ExitOutcome, withError: boolean): Record<string, unknown> {
  const error =
    code === undefined
      ? signal === undefined
        ? 'the session was closed before the program ended'
        : `ended by SIG${signal}`
      : '';
  return {
    ...(code === undefined ? {} : { exitCode: code }),
    ...(withError ? { exitError: error } : {}),
  };
}
