// Becoming a member: learn and compare the authority, make keys, trade the token for certificates, keep the record.
import { generateKeyPair, privateKeyPem, publicKeyPem } from '#core/certs/x509/keys.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { join as joinCall, renewHost } from '#core/api/join.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { Clock } from '#core/clock.ts';
import type { SystemRole } from '#core/identity.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Infer } from '#core/schema/schema.ts';
import type { Secret } from '#core/secret.ts';
import { openApi, type Api } from './api.ts';
import type { ConnectionOptions, Dial } from './connection.ts';
import type { CredentialStore, HostRecord } from './credentials.ts';
import { storeRenewed, takeIdentity } from './identity.ts';
import { findOtherCluster, otherCluster } from './other-cluster.ts';
import { learnAuthorities } from './trust.ts';

export interface JoinProof {
  readonly method: 'kubernetes';
  /** Name of the token; no secret. */
  readonly token: string;
  readonly idToken: Secret;
}

export interface JoinOptions {
  readonly store: CredentialStore;
  /** `host:port` each; what the configuration says now wins over what was stored. */
  readonly authServers: readonly string[];
  /** May be left out on starts after the first. */
  readonly token?: Secret | undefined;
  /** In place of `token`: another join method, whose proof is made anew for each attempt. */
  readonly prove?: (() => Promise<JoinProof>) | undefined;
  readonly caPins: readonly string[];
  readonly roles: readonly SystemRole[];
  readonly nodeName: string;
  readonly addresses: readonly string[];
  /** A stored identity that lacks a role gives way to a new one. For the machine of auth itself, which vouches for it. */
  readonly mayRejoin?: boolean;
  /** A stored identity of another cluster than the one that answers gives way to a new one; also with `mayRejoin`. */
  readonly rejoin?: boolean | undefined;
  /** With `rejoin` and `prove`, a stored identity whose certificates have expired gives way as well. */
  readonly clock?: Pick<Clock, 'now'>;
  /** How auth servers are reached; as in ConnectionOptions. */
  readonly dial?: Dial | undefined;
  readonly log: Log;
}

/**
 * The identity of this host: the stored one, or a new one from the token, stored before it is returned.
 * A stored identity of other roles is refused (BAD_REQUEST) unless `mayRejoin`: its certificates could not be used; one of
 * another cluster (OTHER_CLUSTER) unless `rejoin`.
 * BAD_JOIN_TOKEN without a good token, CA_PIN_MISMATCH for another cluster, UNAVAILABLE when no auth server answers.
 */
export async function becomeMember(options: JoinOptions): Promise<HostRecord> {
  const { store, log, authServers } = options;
  const record = await takeIdentity(
    store,
    { join: () => joinAnew(options), reasonToReplace: (stored) => reasonToReplace(options, stored) },
    log,
  );
  return { ...record, auth_servers: authServers };
}

async function joinAnew(options: JoinOptions): Promise<HostRecord> {
  const { token, prove } = options;
  if (prove !== undefined) {
    return await joinWith(options, async () => {
      const proof = await prove();
      return { method: proof.method, token: proof.token, id_token: proof.idToken.reveal() };
    });
  }
  if (token !== undefined)
    return await joinWith(options, async () => ({ method: 'token', token: token.reveal() }));
  throw new GatehouseError(
    'BAD_JOIN_TOKEN',
    'this host has no identity yet and was given no join token; pass --token',
  );
}

async function reasonToReplace(options: JoinOptions, stored: HostRecord): Promise<string | undefined> {
  const { roles, token, mayRejoin = false, rejoin = false } = options;
  if (mayRejoin && token !== undefined && !hasRoles(stored, roles)) return 'other services than before';
  const other = await findOtherCluster(stored, options);
  if (other !== undefined && !(rejoin || mayRejoin)) throw otherCluster(stored, other, options.store.place);
  if (other !== undefined) return 'the cluster was replaced';
  requireRoles(stored, roles);
  return isOver(options, stored) ? 'its certificates have expired' : undefined;
}

/** Nobody has to come with a new secret, so nobody has to find out why a pod that slept for weeks is not ready. */
function isOver({ rejoin = false, prove, clock }: JoinOptions, stored: HostRecord): boolean {
  return rejoin && prove !== undefined && clock !== undefined && expiryOf(stored) <= clock.now();
}

/** When the certificates of a record end, milliseconds since the epoch. */
export function expiryOf({ certificates }: HostRecord): number {
  return parseX509(derFromPem(certificates.tls_certificate)).notAfter;
}

/** An API connection as the host. The caller closes it. */
export function openHostApi(
  record: HostRecord,
  about: Pick<ConnectionOptions, 'onServerTime' | 'dial'> = {},
): Api {
  return openApi({
    ...about,
    addresses: record.auth_servers,
    authorities: record.certificates.tls_authorities.host,
    identity: { certificate: record.certificates.tls_certificate, privateKey: record.tls_private_key },
  });
}

/** New keys and certificates for the same host id, stored before they are returned. */
export async function renewIdentity(
  record: HostRecord,
  options: Pick<JoinOptions, 'store' | 'nodeName' | 'addresses' | 'dial' | 'log'>,
): Promise<HostRecord> {
  const keys = makeKeys();
  const api = openHostApi(record, { dial: options.dial });
  try {
    const certificates = await api.call(renewHost, {
      node_name: options.nodeName,
      addresses: options.addresses,
      ...keys.publicKeys,
    });
    const renewed = {
      ...record,
      ...keys.privateKeys,
      certificates,
      node_name: options.nodeName,
      generation: record.generation + 1,
    };
    return await storeRenewed(options.store, record, renewed, options.log);
  } finally {
    api.close();
  }
}

type ProofOfRequest = Pick<Infer<typeof joinCall.request>, 'method' | 'token' | 'id_token'>;

/** The proof is asked for when it is known who will get it. */
async function joinWith(options: JoinOptions, proof: () => Promise<ProofOfRequest>): Promise<HostRecord> {
  if (options.caPins.length === 0) {
    options.log.warn(
      { authServers: options.authServers },
      'joining without a CA pin: the auth server is taken on trust; pass --ca-pin to be safe',
    );
  }
  const authorities = await learnFromAny(options);
  const api = openApi({ addresses: options.authServers, authorities, dial: options.dial });
  const keys = makeKeys();
  try {
    const certificates = await api.call(joinCall, {
      ...(await proof()),
      roles: options.roles,
      node_name: options.nodeName,
      addresses: options.addresses,
      ...keys.publicKeys,
    });
    return {
      format: 1,
      generation: 1,
      roles: options.roles,
      node_name: options.nodeName,
      auth_servers: options.authServers,
      ...keys.privateKeys,
      certificates,
    };
  } finally {
    api.close();
  }
}

/** The first reachable server decides; a pin mismatch ends the attempt at once. */
async function learnFromAny({
  authServers: addresses,
  caPins: pins,
  dial,
}: Pick<JoinOptions, 'authServers' | 'caPins' | 'dial'>): Promise<readonly string[]> {
  let failure: unknown = new GatehouseError('USAGE', 'no auth server is configured; pass --auth-server');
  for (const address of addresses) {
    try {
      return await learnAuthorities(address, pins, dial);
    } catch (error) {
      failure = error;
      if (!(error instanceof GatehouseError && error.code === 'UNAVAILABLE')) throw error;
    }
  }
  throw failure;
}

function makeKeys(): {
  publicKeys: { ssh_public_key: string; tls_public_key: string };
  privateKeys: { ssh_private_key: string; tls_private_key: string };
} {
  const ssh = generateKeyPair('ed25519');
  const tls = generateKeyPair('ecdsa-p256');
  return {
    publicKeys: {
      ssh_public_key: publicKeyLine(publicKeyFromKeyObject(ssh.publicKey)),
      tls_public_key: publicKeyPem(tls.publicKey),
    },
    privateKeys: {
      ssh_private_key: privateKeyPem(ssh.privateKey).reveal(),
      tls_private_key: privateKeyPem(tls.privateKey).reveal(),
    },
  };
}

const hasRoles = (record: HostRecord, roles: readonly SystemRole[]): boolean =>
  roles.every((role) => record.roles.includes(role));

function requireRoles(record: HostRecord, roles: readonly SystemRole[]): void {
  if (hasRoles(record, roles)) return;
  throw new GatehouseError(
    'BAD_REQUEST',
    `this host joined as ${record.roles.join(', ')} and cannot act as ${roles.join(', ')}; start it with those roles, or remove its identity to join again`,
  );
}
