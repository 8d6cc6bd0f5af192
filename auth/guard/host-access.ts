// What members may do without a role that says so: the whole table, one row per kind with its reason, so that a
// review of what a compromised machine can see and change is a review of this file. Only operators are granted writes.
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
 * Not here, and so never for hosts but operators: `user` (traits and roles come with the certificate), `token` (its
 * name is the secret), `instance`, all internal kinds, and whatever kind is added without a row.
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
  db: {
    hosts: ['db'],
    users: false,
    why: 'agents choose those they serve; people see what is served, which is db_server',
  },
  app: { hosts: ['app'], users: false, why: 'as db' },
  db_server: {
    hosts: ['proxy'],
    users: true,
    why: 'the proxy finds who serves a database; users see those that their roles select',
  },
  app_server: { hosts: ['proxy'], users: true, why: 'as db_server' },
  web_session: {
    hosts: ['proxy'],
    users: false,
    why: 'a proxy drops what it knows of a session as soon as it is over; the secrets are left out',
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

/**
 * What hosts of the role operator keep as custom resources say it: list, read, create, update and delete. Who holds an
 * operator's identity can thereby make a user with any role: it is worth as much as an admin, and joins by nothing that
 * could be copied. It is kept from two steps further: it never sees or writes tokens for the roles auth and operator
 * (decide.ts), and writes only under the mark of an owner (routes/owner-marks.ts), so that operators cannot undo each
 * other's work, or what people made, by mistake. A kind that is not here is not theirs.
 */
export const OPERATOR_WRITES: Readonly<Record<string, string>> = {
  role: 'GatehouseRole',
  user: 'GatehouseUser; passwords and devices are other kinds, and internal',
  token: 'GatehouseToken; not for the roles auth and operator',
  db: 'GatehouseDatabase',
  app: 'GatehouseApp',
  lock: 'GatehouseLock; a lock that people made has no mark and stays',
  cluster_auth_preference: 'how people log in is part of what is declared for a cluster',
  cluster_networking_config: 'as the above',
  session_recording_config: 'as the above',
};

const WRITING: readonly Verb[] = ['list', 'read', 'create', 'update', 'delete'];

/** Whether the table lets hosts of these system roles do it. */
export function hostMay(roles: readonly SystemRole[], kind: string, verb: Verb): boolean {
  const isOperated = roles.includes('operator') && Object.hasOwn(OPERATOR_WRITES, kind);
  return (isOperated && WRITING.includes(verb)) || hostMayRead(roles, kind, verb);
}

function hostMayRead(roles: readonly SystemRole[], kind: string, verb: Verb): boolean {
  const row = Object.hasOwn(MEMBER_READS, kind) ? MEMBER_READS[kind] : undefined;
  if (row === undefined || !READING.includes(verb)) return false;
  return row.hosts === 'any' || row.hosts.some((role) => roles.includes(role));
}

/** Before the deny rules of the user's roles, and for servers, targets and live sessions before what they are about. */
export function userMayRead(kind: string, verb: Verb): boolean {
  return READING.includes(verb) && Object.hasOwn(MEMBER_READS, kind) && MEMBER_READS[kind]?.users === true;
}
