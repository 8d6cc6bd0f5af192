// Calls about the cluster as a whole: what anyone may know, and what its members may.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

const nothing = s.object({});

export const ping = endpoint({
  method: 'GET',
  path: '/v1/ping',
  says: 'Name, version and sign-in settings of the cluster; needs no identity.',
  request: nothing,
  reply: s.object({
    cluster_name: s.string(),
    server_version: s.string(),
    min_client_version: s.string(),
    auth: s.object({ type: s.string(), second_factor: s.string() }),
  }),
});

export const hostAuthority = endpoint({
  method: 'GET',
  path: '/v1/authorities/host',
  says: 'The certificates of the host authority, to be compared with a CA pin; needs no identity.',
  request: nothing,
  reply: s.object({ tls_certificates: s.list(s.string(), { max: 16 }) }),
});

export const status = endpoint({
  method: 'GET',
  path: '/v1/status',
  says: 'Cluster name, version, state of each certificate authority, and the CA pin.',
  request: nothing,
  reply: s.object({
    cluster_name: s.string(),
    server_version: s.string(),
    authorities: s.list(
      s.object({ type: s.string(), rotation: s.string(), last_rotated: s.optional(s.timestamp()) }),
    ),
    ca_pins: s.list(s.string()),
  }),
});

export const whoami = endpoint({
  method: 'GET',
  path: '/v1/whoami',
  says: 'The identity the server sees in the certificate of this connection.',
  request: nothing,
  reply: s.object({ identity: s.json() }),
});

export const backup = endpoint({
  method: 'GET',
  path: '/v1/backup',
  says: 'A consistent copy of the store, taken while it runs; the body is the file.',
  request: nothing,
  reply: s.json(),
});
