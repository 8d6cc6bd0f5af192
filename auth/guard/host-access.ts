// What members may read without a role that says so: the whole table, one row per kind with its reason, so that a
// review of what a compromised machine can see is a review of this file. Nothing here grants a write.
import type { SystemRole } from '#core/identity.ts';
import type { Verb } from './access.ts';

interface Row {
  /** System roles that may list, read and watch the kind; `any` for every host. */
  readonly hosts: readonly SystemRole[] | 'any';
  /** Whether every user may, unless a role denies it. */
  readonly users: boolean;
  readonly why: string;
}

/**
 * Not here, and so never for hosts: `user` (traits and roles come with the certificate), `token` (its name is the
 * secret), `instance`, all internal kinds, and whatever kind is added without a row.
 */
export const MEMBER_READS: Readonly<Record<string, Row>> = {
  cluster_name: { hosts: 'any', users: true, why: 'everybody must know which cluster this is' },
  cert_authority: {
    hosts: 'any',
    users: true,
    why: 'public keys only: what members verify each other with, and how they see a rotation',
  },
  cluster_auth_preference: {
    hosts: 'any',
    users: false,
    why: 'whether expired certificates end sessions, and how strictly locks hold',
  },
  cluster_networking_config: {
    hosts: 'any',
    users: false,
    why: 'idle limits and keep-alives of connections',
  },
  session_recording_config: { hosts: 'any', users: false, why: 'whether and where sessions are recorded' },
  lock: { hosts: 'any', users: false, why: 'a locked user must be cut at every service' },
  role: {
    hosts: ['proxy', 'node', 'app', 'db', 'kube'],
    users: false,
    why: 'access is decided at the service that is next to the target',
  },
  node: {
    hosts: ['proxy'],
    users: true,
    why: 'the proxy finds the target of a connection by it; users see those that their roles select',
  },
  proxy: {
    hosts: 'any',
    users: true,
    why: 'agents keep tunnels to all of them, and users are told where to connect',
  },
  session: {
    hosts: ['proxy'],
    users: true,
    why: 'the proxy finds the session that somebody joins; users see those that are theirs or that roles let them see or join',
  },
};

const READING: readonly Verb[] = ['list', 'read'];

export function hostMayRead(roles: readonly SystemRole[], kind: string, verb: Verb): boolean {
  const row = Object.hasOwn(MEMBER_READS, kind) ? MEMBER_READS[kind] : undefined;
  if (row === undefined || !READING.includes(verb)) return false;
  return row.hosts === 'any' || row.hosts.some((role) => roles.includes(role));
}

/** Before the deny rules of the user's roles, and for nodes and live sessions before what they are about. */
export function userMayRead(kind: string, verb: Verb): boolean {
  return READING.includes(verb) && Object.hasOwn(MEMBER_READS, kind) && MEMBER_READS[kind]?.users === true;
}
