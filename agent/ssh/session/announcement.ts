// How a session with a terminal is announced to the cluster, so that others see and join it.
import type { LiveSession } from '#client/member/live-sessions.ts';
import type { SessionParts } from './parts.ts';
import type { TerminalRun } from './terminal-run.ts';

/** Longer commands are cut: the audit log has the whole one. */
const MAX_COMMAND = 4096;

export function announcementOf({ host }: SessionParts, run: TerminalRun): LiveSession {
  const { access, command } = run;
  return {
    session_type: 'ssh',
    state: 'running',
    user: access.identity.name,
    login: access.login,
    server_id: host.hostId,
    server_hostname: host.hostname,
    server_labels: host.labels(),
    created: new Date(run.startedAt).toISOString(),
    participants: run.present.map(({ user, mode }) => ({ user, mode })),
    initial_command: command === undefined ? [] : [command.slice(0, MAX_COMMAND)],
    interactive: true,
    moderated: false,
    host_roles: [...access.roles],
  };
}
