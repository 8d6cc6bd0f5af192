// The public keys of the authorities as a set, in a form that is the same for SSH and X.509: whoever asks for a
// certificate must not bring one of them. Apart from open.ts because making the set is slow and is done once.
import type { KeyObject } from 'node:crypto';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { PublicAuthority } from './authority.ts';

/** Of one authority, in every format it has. */
export function ownKeysOf(part: PublicAuthority): ReadonlySet<string> {
  return new Set([
    ...part.sshPublicKeys.map((line) => spellingOf(parseAuthorizedKey(line).key.key)),
    ...part.tlsCertificates.map((pem) => spellingOf(parseX509(derFromPem(pem)).publicKey.key)),
  ]);
}

/** SubjectPublicKeyInfo: the one spelling that every key type has. */
export function spellingOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}
