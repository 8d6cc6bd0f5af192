// How a person signs in, accepts an invite, and gets certificates.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

/** Keys the client made; only the public halves travel. */
const clientKeys = {
  ssh_public_key: s.string({ minLength: 1, maxLength: 8192 }),
  tls_public_key: s.string({ minLength: 1, maxLength: 8192 }),
} as const;

export const userCertificates = s.object({
  user: s.string(),
  cluster_name: s.string(),
  ssh_certificate: s.string(),
  tls_certificate: s.string(),
  expires: s.timestamp(),
  roles: s.list(s.string()),
  logins: s.list(s.string()),
  tls_authorities: s.list(s.string()),
  ssh_host_authorities: s.list(s.string()),
});
export type UserCertificates = s.Infer<typeof userCertificates>;

export const login = endpoint({
  method: 'POST',
  path: '/v1/login',
  says: 'Password and second factor for short-lived certificates; needs no identity.',
  request: s.object({
    user: s.string({ minLength: 1, maxLength: 253 }),
    password: s.string({ minLength: 1, maxLength: 1024, secret: true }),
    otp: s.optional(s.string({ maxLength: 16, secret: true })),
    ttl: s.optional(s.duration({ minMs: 60_000 })),
    ...clientKeys,
  }),
  reply: userCertificates,
});

export const reissue = endpoint({
  method: 'POST',
  path: '/v1/certificates/user',
  says: 'Certificates for the calling user from the ones it holds: the same or less, never more, never longer.',
  request: s.object({
    ttl: s.optional(s.duration({ minMs: 60_000 })),
    ...clientKeys,
  }),
  reply: userCertificates,
});

export const signUser = endpoint({
  method: 'POST',
  path: '/v1/certificates/sign',
  says: 'Certificates for a user, made by an admin (gatectl auth sign).',
  request: s.object({
    user: s.string({ minLength: 1, maxLength: 253 }),
    ttl: s.withDefault(s.duration({ minMs: 60_000 }), '12h'),
    cert_format: s.withDefault(s.enumOf(['standard', 'oldssh']), 'standard'),
    ...clientKeys,
  }),
  reply: userCertificates,
});

export const signDatabase = endpoint({
  method: 'POST',
  path: '/v1/certificates/db',
  says: 'A server certificate for a self-hosted database, made by an admin (gatectl auth sign --format=db).',
  request: s.object({
    tls_public_key: s.string({ minLength: 1, maxLength: 8192 }),
    hosts: s.list(s.string({ minLength: 1, maxLength: 253 }), { max: 64 }),
    ttl: s.withDefault(s.duration({ minMs: 60_000 }), '2190h'),
  }),
  reply: s.object({
    tls_certificate: s.string(),
    tls_authorities: s.list(s.string()),
    expires: s.timestamp(),
  }),
});

export const signSshd = endpoint({
  method: 'POST',
  path: '/v1/certificates/sshd',
  says: 'A host certificate for a server with plain sshd, made by an admin (gatectl auth sign --format=openssh --host).',
  request: s.object({
    ssh_public_key: s.string({ minLength: 1, maxLength: 8192 }),
    hosts: s.list(s.string({ minLength: 1, maxLength: 253 }), { max: 64 }),
    ttl: s.withDefault(s.duration({ minMs: 60_000 }), '8760h'),
  }),
  reply: s.object({
    ssh_certificate: s.string(),
    /** authorized_keys lines: who may vouch for users, for TrustedUserCAKeys. */
    ssh_user_authorities: s.list(s.string()),
    expires: s.timestamp(),
  }),
});

export const createInvite = endpoint({
  method: 'POST',
  path: '/v1/invites',
  says: 'Creates a user (purpose invite) or clears the credentials of one (purpose reset), and makes a single-use link.',
  request: s.object({
    user: s.string({ minLength: 1, maxLength: 253 }),
    purpose: s.enumOf(['invite', 'reset']),
    roles: s.withDefault(s.list(s.string(), { max: 256 }), []),
    traits: s.withDefault(s.map(s.list(s.string())), {}),
    ttl: s.withDefault(s.duration({ minMs: 60_000 }), '1h'),
  }),
  reply: s.object({
    token: s.string({ secret: true }),
    url: s.string({ secret: true }),
    expires: s.timestamp(),
  }),
});

const inviteToken = s.string({ minLength: 1, maxLength: 256, secret: true });

export const openInvite = endpoint({
  method: 'POST',
  path: '/v1/invites/open',
  says: 'What an invite asks for: the user name, and the secret of the one-time password to enrol.',
  request: s.object({ token: inviteToken }),
  reply: s.object({
    user: s.string(),
    purpose: s.string(),
    second_factor: s.string(),
    /** An otpauth:// URI; the same one at each call for the same invite. */
    otp_uri: s.optional(s.string({ secret: true })),
    expires: s.timestamp(),
  }),
});

export const acceptInvite = endpoint({
  method: 'POST',
  path: '/v1/invites/accept',
  says: 'Sets the password and the one-time password of an invited user; works once.',
  request: s.object({
    token: inviteToken,
    password: s.string({ minLength: 1, maxLength: 1024, secret: true }),
    otp: s.optional(s.string({ maxLength: 16, secret: true })),
  }),
  reply: s.object({ user: s.string() }),
});

export const revokeInvite = endpoint({
  method: 'POST',
  path: '/v1/invites/revoke',
  says: 'Ends links to sign up or reset that have not been used; named as `gatectl tokens ls` shows them.',
  request: s.object({
    /** The shown beginning of a link's hash (32 or more hex digits), or the token of a link itself. */
    links: s.list(s.string({ minLength: 32, maxLength: 256, secret: true }), { max: 100 }),
  }),
  reply: s.object({ revoked: s.list(s.object({ link: s.string(), user: s.string() })) }),
});
