// The public keys a client sends, read strictly: plain keys only, none that is weak, and never one of our own.
import type { KeyObject } from 'node:crypto';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { publicKeyFromPem } from '#core/certs/x509/keys.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import {
  AUTHORITY_TYPES,
  type CertificateAuthorities,
  type PublicAuthority,
} from '../authority/authority.ts';
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
    ssh: named('ssh_public_key', () => parseAuthorizedKey(texts.ssh_public_key).key),
    tls: readTlsKey(texts.tls_public_key),
  };
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

/** The keys of all our authorities, in a form that is the same for SSH and X.509. */
export interface AuthorityKeys {
  has(key: KeyObject): boolean;
}

export function authorityKeys(authorities: Pick<CertificateAuthorities, 'publicPart'>): AuthorityKeys {
  const all = AUTHORITY_TYPES.flatMap((type) => spellingsOf(authorities.publicPart(type)));
  const known = new Set(all);
  return { has: (key) => known.has(spellingOf(key)) };
}

function spellingsOf(part: PublicAuthority): string[] {
  return [
    ...part.sshPublicKeys.map((line) => spellingOf(parseAuthorizedKey(line).key.key)),
    ...part.tlsCertificates.map((pem) => spellingOf(parseX509(derFromPem(pem)).publicKey.key)),
  ];
}

/** SubjectPublicKeyInfo: the one spelling that every key type has. */
function spellingOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}
