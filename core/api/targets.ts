// How people get certificates for one database or application, and learn what their roles grant there.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

const targetName = s.string({ minLength: 1, maxLength: 253 });

export const targetCertificate = endpoint({
  method: 'POST',
  path: '/v1/certificates/target',
  says: 'A certificate for one database or one application that the caller may use now; it lives no longer than the login.',
  request: s.object({
    /** Exactly one of the two. */
    database: s.optional(
      s.object({
        service: targetName,
        /** Narrows the certificate to this account, and this database. */
        username: s.optional(s.string({ minLength: 1, maxLength: 253 })),
        database: s.optional(s.string({ minLength: 1, maxLength: 253 })),
      }),
    ),
    app: s.optional(
      s.object({
        name: targetName,
        /** For AWS applications: the whole ARN of the role to take. */
        aws_role: s.optional(s.string({ minLength: 1, maxLength: 2048 })),
      }),
    ),
    ttl: s.optional(s.duration({ minMs: 60_000 })),
    tls_public_key: s.string({ minLength: 1, maxLength: 8192 }),
  }),
  reply: s.object({
    tls_certificate: s.string(),
    /** PEM of the authorities of hosts, that proxies are checked with. */
    tls_authorities: s.list(s.string()),
    expires: s.timestamp(),
    user: s.string(),
    cluster_name: s.string(),
    /** As in the certificate: `postgres`, or `http` and `aws` for applications. */
    protocol: s.string(),
    /** Where browsers reach an application, when its document says so. */
    public_addr: s.optional(s.string()),
    /** The uuid of the application's session. */
    session_id: s.optional(s.string()),
  }),
});
export type TargetCertificate = s.Infer<typeof targetCertificate.reply>;

/** `any`: by "*"; `values` are then what is named besides. Denied names are left out. */
const granted = s.object({ values: s.list(s.string()), any: s.boolean() });

export const targetGrants = endpoint({
  method: 'POST',
  path: '/v1/targets/grants',
  says: 'Which accounts, databases and AWS roles the caller may use at a database or an application.',
  request: s.object({ kind: s.enumOf(['db', 'app']), name: targetName }),
  reply: s.object({
    db_users: granted,
    db_names: granted,
    /** Accounts that are denied although `db_users.any`, and databases alike. */
    denied_db_users: s.list(s.string()),
    denied_db_names: s.list(s.string()),
    /** Each spelled out; of the application's account and partition, when it says which. */
    aws_role_arns: s.list(s.string()),
    /** Accounts are made as needed, named as the person. */
    creates_db_user: s.boolean(),
  }),
});
export type TargetGrants = s.Infer<typeof targetGrants.reply>;
