// How a machine becomes a member, and stays one.
import { SYSTEM_ROLES } from '../identity.ts';
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

export const hostKeys = {
  /** One authorized_keys line and one SPKI PEM; the private keys stay on the machine. */
  ssh_public_key: s.string({ minLength: 1, maxLength: 8192 }),
  tls_public_key: s.string({ minLength: 1, maxLength: 8192 }),
} as const;

export const hostCertificates = s.object({
  host_id: s.string(),
  cluster_name: s.string(),
  /** Base64 SSH certificate line, and PEM. */
  ssh_certificate: s.string(),
  tls_certificate: s.string(),
  /** What the machine must trust: certificates (PEM) and keys (authorized_keys lines) by authority. */
  tls_authorities: s.object({ host: s.list(s.string()), user: s.list(s.string()) }),
  ssh_authorities: s.object({ host: s.list(s.string()), user: s.list(s.string()) }),
});
export type HostCertificates = s.Infer<typeof hostCertificates>;

export const join = endpoint({
  method: 'POST',
  path: '/v1/join',
  says: 'Exchanges a join token, or the proof that it asks for, for a host identity; needs no identity.',
  request: s.object({
    method: s.withDefault(s.enumOf(['token', 'kubernetes']), 'token'),
    /** The name of the token; for method `token` the secret. */
    token: s.string({ minLength: 1, maxLength: 1024, secret: true }),
    /** The proof itself, for method `kubernetes`: a ServiceAccount token for this cluster. */
    id_token: s.optional(s.string({ minLength: 1, maxLength: 16 * 1024, secret: true })),
    roles: s.list(s.enumOf(SYSTEM_ROLES), { max: SYSTEM_ROLES.length }),
    node_name: s.string({ minLength: 1, maxLength: 253 }),
    /** Names and addresses under which others will dial this machine. */
    addresses: s.withDefault(s.list(s.string({ maxLength: 253 }), { max: 32 }), []),
    ...hostKeys,
  }),
  reply: hostCertificates,
});

export const renewHost = endpoint({
  method: 'POST',
  path: '/v1/certificates/host',
  says: 'New certificates for the host that calls, with the same host id and roles.',
  request: s.object({
    node_name: s.string({ minLength: 1, maxLength: 253 }),
    addresses: s.withDefault(s.list(s.string({ maxLength: 253 }), { max: 32 }), []),
    ...hostKeys,
  }),
  reply: hostCertificates,
});

export const heartbeat = endpoint({
  method: 'POST',
  path: '/v1/heartbeat',
  says: 'Presence of the host that calls: what it serves, the sessions it carries, and its instance record, with a time to live.',
  request: s.object({
    version: s.string({ maxLength: 64 }),
    ttl: s.withDefault(s.duration({ minMs: 1000 }), '10m'),
    /** Its own `node` and `proxy`, named by its host id, and targets and live sessions whose `host_id` it is. */
    resources: s.withDefault(s.list(s.json(), { max: 3002 }), []),
    /** Ids of its sessions that are over; they are taken off the list at once. */
    ended: s.withDefault(s.list(s.string({ maxLength: 64 }), { max: 1000 }), []),
    /** Targets that it no longer serves, by the names of their presence; they are taken off the lists at once. */
    gone: s.optional(
      s.list(s.object({ kind: s.enumOf(['db_server', 'app_server']), name: s.string({ maxLength: 512 }) }), {
        max: 2000,
      }),
    ),
  }),
  reply: s.object({ server_version: s.string() }),
});
