// How a relayed session is recorded and watched: which name its program has, which recorder it gets, and who looks at files
// that are copied. Apart from relayed-session.ts, which moves the bytes.
import type { SessionEvents } from '#client/audit/session-events.ts';
import { parseScp, SFTP } from '#core/access/file-copy.ts';
import type { SessionRequest } from '#core/access/ssh-sessions.ts';
import { MAX_COMMAND_CHARACTERS } from '#recordings/meta.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { FlowWatch } from '#wire/sftp/flow-watch.ts';
import { ScpWatch } from '#wire/sftp/scp-watch.ts';
import { SftpWatch } from '#wire/sftp/watch.ts';
import type { Relayed } from './relayed-access.ts';

type Program = Exclude<SessionRequest, { readonly what: 'terminal' }>;

export interface RecordedSession {
  readonly id: string;
  readonly shown: string | undefined;
  readonly terminal: { readonly term: string; readonly size: string } | undefined;
}

/** As audit and recordings name it; undefined for a shell. */
export function shownAs(program: Program, forceCommand: string | undefined): string | undefined {
  if (forceCommand !== undefined) return forceCommand;
  if (program.what === 'shell') return undefined;
  return program.what === 'exec' ? program.command : program.name;
}

/** A session that must be recorded and cannot be throws; others go on, which the log tells. */
export function recordSession(
  { access, host, recordings }: Relayed,
  { id, shown, terminal }: RecordedSession,
): SessionRecorder | undefined {
  const mode = access.options.recordSsh;
  if (mode === 'off') return undefined;
  try {
    return recordings.record({
      sessionId: id,
      // A shell is for people, with a terminal or without.
      kind: terminal === undefined && shown !== undefined ? 'exec' : 'interactive',
      mode,
      facts: {
        user: access.identity.name,
        login: access.login,
        server_id: host.hostId,
        server_hostname: host.hostname,
        cluster_name: host.clusterName,
        recorded_by: host.proxyId,
        protocol: 'ssh',
        'addr.remote': access.remoteAddress,
        ...(shown === undefined ? {} : { command: shown.slice(0, MAX_COMMAND_CHARACTERS) }),
        ...terminal,
      },
    });
  } catch (error) {
    if (mode === 'strict') throw error;
    host.log.warn({ session: id, err: error }, 'a session is not recorded');
    return undefined;
  }
}

/** A server with an agent tells of files by itself. */
export function watchFlow(
  program: Program,
  forceCommand: string | undefined,
  events: SessionEvents,
  hasAgent: boolean,
): FlowWatch | undefined {
  if (hasAgent || forceCommand !== undefined) return undefined;
  if (program.what === 'subsystem')
    return program.name === SFTP ? new SftpWatch((fields) => events.sftp(fields)) : undefined;
  const scp = program.what === 'exec' ? parseScp(program.command) : undefined;
  return scp && new ScpWatch(scp, (file) => events.copied(file));
}
