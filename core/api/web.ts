// What the web port of a proxy tells everybody: where its doors are, how people sign in, and who vouches for members.
// Clients and agents begin here when all they know is one address.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

/** How TLS clients ask for the auth API (ALPN); `gatehouse-proxy-ssh` is in wire/proxy-request.ts. */
export const AUTH_PROTOCOL = 'gatehouse-auth';
/** Raw streams over HTTP, where a balancer ends TLS: `GET /v1/webapi/connect` with `Upgrade:` one of these. */
export const CONNECT_PATH = '/v1/webapi/connect';
export const UPGRADE_TO_AUTH = 'gatehouse-auth';
export const UPGRADE_TO_SSH = 'gatehouse-ssh';
/** Databases and applications: TLS with a certificate for one of them runs inside. */
export const UPGRADE_TO_DB = 'gatehouse-db';
export const UPGRADE_TO_APP = 'gatehouse-app';

const address = s.optional(s.string({ maxLength: 512 }));

export const webAnswer = s.object({
  cluster_name: s.string({ maxLength: 253 }),
  server_version: s.string({ maxLength: 128 }),
  min_client_version: s.string({ maxLength: 128 }),
  auth: s.object({
    type: s.string(),
    /** Besides the password: off, otp, optional, on, webauthn, u2f. */
    second_factor: s.string(),
    allow_local_auth: s.optional(s.boolean()),
    has_motd: s.optional(s.boolean()),
  }),
  proxy: s.object({
    /** True: the web port serves all protocols. */
    tls_routing_enabled: s.boolean(),
    ssh: s.object({
      /** `host:port` as bound; left out where the web port is the only one. */
      listen_addr: address,
      tunnel_listen_addr: address,
      web_listen_addr: address,
      /** `host:port` to dial: of the web port, of SSH, of tunnels. */
      public_addr: s.string({ maxLength: 512 }),
      ssh_public_addr: s.string({ maxLength: 512 }),
      ssh_tunnel_public_addr: s.string({ maxLength: 512 }),
    }),
    /** All names of the web port. */
    public_addrs: s.list(s.string({ maxLength: 512 }), { max: 64 }),
    /** The host id of the one that answers; behind a balancer another may the next time. */
    id: s.string({ maxLength: 253 }),
    /** False: something in front ends TLS, so only HTTP and its upgrades get through to the proxy. */
    ends_tls: s.boolean(),
  }),
  /** The host authority (PEM). Whoever trusts the web certificate of the proxy may trust these; a pin proves them as well. */
  host_authorities: s.list(s.string({ maxLength: 16_384 }), { max: 16 }),
});
export type WebAnswer = s.Infer<typeof webAnswer>;

const nothing = s.object({});

export const webPing = endpoint({
  method: 'GET',
  path: '/v1/webapi/ping',
  says: 'The proxy: cluster, versions, sign-in, addresses and the host authority; needs no identity.',
  request: nothing,
  reply: webAnswer,
});

export const webFind = endpoint({
  method: 'GET',
  path: '/v1/webapi/find',
  says: 'The proxy: the same, under the name that agents ask for.',
  request: nothing,
  reply: webAnswer,
});
