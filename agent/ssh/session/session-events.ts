// The audit events of one session, with the fields that all of them have in one place.
import type { AgentEvent, SshAccess, SshHost } from '../context.ts';
import type { SftpAction } from '../sftp/watch.ts';
import type { TerminalSize } from './parts.ts';
import type { CopiedFile } from './scp-watch.ts';

export interface SessionEventContext {
  readonly host: SshHost;
  readonly access: Pick<SshAccess, 'identity' | 'login' | 'remoteAddress' | 'localAddress'>;
  readonly sessionId: string;
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
  copied(file: CopiedFile): void {
    this.#emit('scp', { ...file });
  }

  /** Something done by SFTP. */
  sftp(action: SftpAction): void {
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
    const told: AgentEvent = {
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
