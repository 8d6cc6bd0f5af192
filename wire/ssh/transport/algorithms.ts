// The algorithms of a connection, in our order of preference. No CBC, no SHA-1, no "none", nothing whose only users are
// gone; chacha20-poly1305@openssh.com is missing because node:crypto has no bare Poly1305.
import type { KeyObject } from 'node:crypto';
import { CERTIFICATE_SUFFIX, type SshSignatureAlgorithm } from '#core/certs/ssh/algorithms.ts';

export const KEX_ALGORITHMS = [
  'mlkem768x25519-sha256',
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group14-sha256',
] as const;
export type KexAlgorithm = (typeof KEX_ALGORITHMS)[number];

export interface CipherAlgorithm {
  readonly name: string;
  readonly mode: 'gcm' | 'ctr';
  /** As node:crypto calls it. */
  readonly node: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ctr' | 'aes-192-ctr' | 'aes-256-ctr';
  readonly keyBytes: number;
  readonly ivBytes: number;
}

export const CIPHERS: readonly CipherAlgorithm[] = [
  { name: 'aes128-gcm@openssh.com', mode: 'gcm', node: 'aes-128-gcm', keyBytes: 16, ivBytes: 12 },
  { name: 'aes256-gcm@openssh.com', mode: 'gcm', node: 'aes-256-gcm', keyBytes: 32, ivBytes: 12 },
  { name: 'aes128-ctr', mode: 'ctr', node: 'aes-128-ctr', keyBytes: 16, ivBytes: 16 },
  { name: 'aes192-ctr', mode: 'ctr', node: 'aes-192-ctr', keyBytes: 24, ivBytes: 16 },
  { name: 'aes256-ctr', mode: 'ctr', node: 'aes-256-ctr', keyBytes: 32, ivBytes: 16 },
];

export interface MacAlgorithm {
  readonly name: string;
  readonly hash: 'sha256' | 'sha512';
  /** Of key and of tag. */
  readonly bytes: number;
  /** Over the ciphertext; the old way is over the plaintext. */
  readonly isEtm: boolean;
}

export const MACS: readonly MacAlgorithm[] = [
  { name: 'hmac-sha2-256-etm@openssh.com', hash: 'sha256', bytes: 32, isEtm: true },
  { name: 'hmac-sha2-512-etm@openssh.com', hash: 'sha512', bytes: 64, isEtm: true },
  { name: 'hmac-sha2-256', hash: 'sha256', bytes: 32, isEtm: false },
  { name: 'hmac-sha2-512', hash: 'sha512', bytes: 64, isEtm: false },
];

/** What we verify, of users (server-sig-algs) and of hosts. */
export const SIGNATURE_ALGORITHMS: readonly SshSignatureAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** What a client asks for unless it is told otherwise: certificates first. */
export const HOST_KEY_ALGORITHMS: readonly string[] = [
  ...SIGNATURE_ALGORITHMS.map((name) => `${name}${CERTIFICATE_SUFFIX}`),
  ...SIGNATURE_ALGORITHMS,
];

const CURVE_ALGORITHMS: Readonly<Record<string, SshSignatureAlgorithm>> = {
  prime256v1: 'ecdsa-sha2-nistp256',
  secp384r1: 'ecdsa-sha2-nistp384',
  secp521r1: 'ecdsa-sha2-nistp521',
};

/** The signatures that a private key can make; none for a key that SSH has no use for. */
export function signaturesOfKey(key: KeyObject): readonly SshSignatureAlgorithm[] {
  if (key.asymmetricKeyType === 'ed25519') return ['ssh-ed25519'];
  if (key.asymmetricKeyType === 'rsa') return ['rsa-sha2-512', 'rsa-sha2-256'];
  const algorithm = CURVE_ALGORITHMS[key.asymmetricKeyDetails?.namedCurve ?? ''];
  return algorithm === undefined ? [] : [algorithm];
}
