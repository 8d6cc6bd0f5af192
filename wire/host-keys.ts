// What a member of the cluster shows in SSH, at either end: its key with its host certificate; and what it makes of the
// certificate that another member shows. Here because agents and proxies do both.
import { createPrivateKey } from 'node:crypto';
import { refuseCertificate, refuseInput } from '#core/certs/refusal.ts';
import { parseLine } from '#core/certs/ssh/lines.ts';
import { MAX_CERTIFICATE_BYTES } from '#core/certs/ssh/policy.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { readSshIdentity } from '#core/ssh-identity.ts';
import type { SshKey } from './ssh/ssh.ts';

/** The part of client/credentials.ts that this needs. */
export interface HostKeyRecord {
  readonly ssh_private_key: string;
  readonly certificates: { readonly ssh_certificate: string };
}

export type CertifiedKey = Required<SshKey>;

/**
 * The key of the identity in force, read once per renewal. What is returned throws UNAVAILABLE until the host has joined.
 */
export function certifiedHostKey(record: () => HostKeyRecord | undefined): () => CertifiedKey {
  let known: { readonly of: HostKeyRecord; readonly key: CertifiedKey } | undefined;
  return () => {
    const current = record();
    if (current === undefined) throw new GatehouseError('UNAVAILABLE', 'this host has not joined yet');
    if (known?.of !== current) known = { of: current, key: readKey(current) };
    return known.key;
  };
}

/**
 * What a server offers: its certificate first, and behind it the key alone, for clients that know no certificates of
 * hosts. Those have to learn the key in their own way, and again at each renewal.
 */
export function offeredHostKeys(key: SshKey): readonly SshKey[] {
  return [key, { privateKey: key.privateKey }];
}

function readKey({ ssh_private_key: key, certificates }: HostKeyRecord): CertifiedKey {
  const { blob } = parseLine(certificates.ssh_certificate, MAX_CERTIFICATE_BYTES, refuseInput);
  return { privateKey: createPrivateKey(key), certificate: blob };
}

export interface HostGround {
  /** Keys of the host authority. */
  readonly authorities: readonly SshPublicKey[];
  readonly clusterName: string;
  readonly now: number;
  /** The member must have one of these. */
  readonly roles: readonly SystemRole[];
}

export interface ProvenHost {
  readonly identity: HostIdentity;
  /** Milliseconds since the epoch. */
  readonly validBefore: number;
}

/**
 * Which member a certificate is of; that it holds the key is proven by the exchange around it. Members are known by their
 * id and role and not by where they were dialed. CERTIFICATE_INVALID when it is none of this cluster, or has none of the
 * roles.
 */
export function readHostCertificate(blob: Uint8Array, ground: HostGround): ProvenHost {
  const { certificate } = verifySshCertificate(blob, {
    type: 'host',
    authorities: ground.authorities,
    principal: null,
    now: ground.now,
  });
  const identity = readSshIdentity(certificate.extensions);
  if (identity.kind !== 'host' || identity.cluster !== ground.clusterName) {
    throw refuseCertificate('identity', 'the certificate is not of a member of this cluster');
  }
  if (!identity.roles.some((role) => ground.roles.includes(role))) {
    throw refuseCertificate(
      'identity',
      `the certificate is of a member without the role ${ground.roles.join(' or ')}`,
    );
  }
  return { identity, validBefore: certificate.validBefore };
}
