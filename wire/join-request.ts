// How a client asks to take part in a session that is going on: the words that both ends must spell alike. The client
// logs in to the server of the session as JOIN_LOGIN (core/access/ssh-access.ts), whatever accounts it has there, and
// opens one session channel: `env` with the mode, `pty-req` with its size, then the subsystem. It may send `window-change`
// and JOIN_REQUESTS after.

/** peer, observer or moderator; observer when it is not said. */
export const JOIN_MODE_VARIABLE = 'GATEHOUSE_JOIN_MODE';

/** Requests of moderators on the channel, without payload. The keys for them are Ctrl-T and t, p or c. */
export const JOIN_REQUESTS = {
  /** Ends the session for all. */
  terminate: 'terminate@gatehouse.dev',
  /** Nobody types and nobody sees until it goes on. */
  pause: 'pause@gatehouse.dev',
  /** Ends a pause that a moderator made; what roles require stays required. */
  resume: 'continue@gatehouse.dev',
} as const;

/** Sent to those who joined, without an answer: the size of the terminal, with the payload of `window-change`. */
export const TERMINAL_SIZE = 'terminal-size@gatehouse.dev';

const PREFIX = 'join:';
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The name of the subsystem that joins the session. */
export const joinSubsystem = (sessionId: string): string => PREFIX + sessionId;

/** The session that a subsystem is about; undefined for all other names. */
export function sessionToJoin(subsystem: string): string | undefined {
  if (!subsystem.startsWith(PREFIX)) return undefined;
  const id = subsystem.slice(PREFIX.length);
  return ID.test(id) ? id : undefined;
}
