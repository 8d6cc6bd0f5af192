// The public keys a client sends, read strictly: plain keys only, none that is weak.
import type { KeyObject } from 'node:crypto';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { publicKeyFromPem } from '#core/certs/x509/keys.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { SubjectKeys } from './plan.ts';

export interface KeyTexts {
  /** One authorized_keys line. */
  readonly ssh_public_key: string;
  /** SPKI, PEM. */
  readonly tls_public_key: string;
}

/** BAD_REQUEST names the field: not a plain public key, of an unsupported sort, or weak (RSA below 2048 bits). */
export function readSubjectKeys(texts: KeyTexts): SubjectKeys & Required<Pick<SubjectKeys, 'ssh'>> {
  return {
    ssh: readSshKey(texts.ssh_public_key),
    tls: readTlsKey(texts.tls_public_key),
  };
}

export function readSshKey(line: string): SshPublicKey {
  return named('ssh_public_key', () => parseAuthorizedKey(line).key);
}

export function readTlsKey(pem: string): KeyObject {
  return named('tls_public_key', () => publicKeyFromPem(pem));
}

function named<T>(field: keyof KeyTexts, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    const details = { ...error.details, field };
    throw new GatehouseError('BAD_REQUEST', `${field}: ${error.message}`, { cause: error, details });
  }
}
