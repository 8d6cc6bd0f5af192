// Who a certificate says its holder is. Written by auth/issue into certificates, read by every service.
import { GatehouseError } from './errors/error.ts';
import { check, formatProblem } from './schema/check.ts';
import * as s from './schema/schema.ts';

/** What a machine may act as; the words of `roles=` in tokens and `--roles`. */
export const SYSTEM_ROLES = ['auth', 'proxy', 'node', 'app', 'db', 'kube', 'discovery', 'operator'] as const;
export type SystemRole = (typeof SYSTEM_ROLES)[number];

const userIdentity = s.object({
  kind: s.enumOf(['user']),
  cluster: s.string(),
  name: s.string({ minLength: 1 }),
  /** The `spec.uid` of the user it was made for: one who has the name later is somebody else. */
  uid: s.optional(s.string()),
  roles: s.list(s.string()),
  traits: s.map(s.list(s.string())),
  /** Logins the certificate was issued for; the widest set any use of it may claim. */
  logins: s.list(s.string()),
  /** Set when the certificate may only be used from this address. */
  pinned_ip: s.optional(s.string()),
  /** When a second factor was last proven, RFC 3339. */
  mfa_verified: s.optional(s.timestamp()),
  /** The user who asked for it, when it was issued on behalf of another. */
  impersonator: s.optional(s.string()),
  impersonator_uid: s.optional(s.string()),
  /** Where the certificate may be used: unset means everywhere. */
  usage: s.optional(s.enumOf(['db', 'app', 'kube'])),
  /** With usage `db`: the one database it is for, and the account and database it is narrowed to. */
  route_to_database: s.optional(
    s.object({
      service: s.string({ minLength: 1 }),
      protocol: s.string({ minLength: 1 }),
      username: s.optional(s.string()),
      database: s.optional(s.string()),
    }),
  ),
  /** With usage `app`: the one application it is for; `session_id` is a UUID, the same for all its requests. */
  route_to_app: s.optional(
    s.object({
      name: s.string({ minLength: 1 }),
      public_addr: s.string(),
      session_id: s.string({ minLength: 1 }),
      aws_role_arn: s.optional(s.string()),
    }),
  ),
  /** No later certificate made from this one may outlive this time, RFC 3339. */
  session_expires: s.timestamp(),
});

const hostIdentity = s.object({
  kind: s.enumOf(['host']),
  cluster: s.string(),
  host_id: s.string({ minLength: 1 }),
  name: s.string(),
  roles: s.list(s.enumOf(SYSTEM_ROLES)),
});

/** The local admin identity of the auth host, used by gatectl; its key never leaves the data directory. */
const adminIdentity = s.object({ kind: s.enumOf(['admin']), cluster: s.string(), name: s.string() });

const identity = s.choice([userIdentity, hostIdentity, adminIdentity]);

export type UserIdentity = s.Infer<typeof userIdentity>;
export type HostIdentity = s.Infer<typeof hostIdentity>;
export type AdminIdentity = s.Infer<typeof adminIdentity>;
export type Identity = UserIdentity | HostIdentity | AdminIdentity;

/** Reads the identity carried by a certificate whose chain was verified; CERTIFICATE_INVALID when it is not one. */
export function parseIdentity(document: unknown): Identity {
  const result = check(identity, document);
  if (result.ok) return result.value;
  throw new GatehouseError(
    'CERTIFICATE_INVALID',
    `the certificate carries no usable identity: ${result.problems.slice(0, 3).map(formatProblem).join('; ')}`,
  );
}

/** "joe", "node 3f2c… (web-1)", "local admin": for logs and audit events. */
export function identityName(who: Identity): string {
  switch (who.kind) {
    case 'user':
      return who.name;
    case 'host':
      return `${who.host_id}.${who.cluster}`;
    case 'admin':
      return who.name;
  }
}
