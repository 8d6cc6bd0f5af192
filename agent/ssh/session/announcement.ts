// How a session with a terminal is announced to the cluster, so that others see and join it.
import type { LiveSession } from '#client/member/live-sessions.ts';
import type { SshHost } from '../context.ts';
import type { Party } from '../join/party.ts';

/** Longer commands are cut: the audit log has the whole one. */
const MAX_COMMAND = 4096;

export function announcementOf(host: SshHost, party: Party): LiveSession {
  const { owner, command, startedAt } = party;
  const guests = party.guests.map(({ access, mode, joinedAt }) => ({
    user: access.identity.name,
    mode,
    joined: timeOf(joinedAt),
  }));
  return {
    session_type: 'ssh',
    state: party.isHeld ? 'pending' : 'running',
    user: owner.identity.name,
    login: owner.login,
    server_id: host.hostId,
    server_hostname: host.hostname,
    server_labels: host.labels(),
    created: timeOf(startedAt),
    participants: [{ user: owner.identity.name, mode: 'peer' }, ...guests],
    initial_command: command === undefined ? [] : [command.slice(0, MAX_COMMAND)],
    interactive: true,
    moderated: party.isModerated,
    host_roles: [...owner.roles],
  };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
