// The caller's identity inside an SSH certificate: one extension of ours, written by auth/issue and read by agents.
// Principals and times are in the certificate itself; the verified certificate wins where both say something.
import { decodeUtf8 } from './certs/text-rules.ts';
import { refuseCertificate } from './certs/refusal.ts';
import { parseIdentity, type Identity } from './identity.ts';

export const SSH_IDENTITY_EXTENSION = 'gatehouse-identity@gatehouse.dev';

const MAX_BYTES = 16 * 1024;

export function writeSshIdentity(identity: Identity): string {
  return JSON.stringify(identity);
}

/**
 * The identity in the extensions of an SSH certificate that was verified; CERTIFICATE_INVALID when there is none, as
 * in certificates made in the `oldssh` format.
 */
export function readSshIdentity(extensions: ReadonlyMap<string, string>): Identity {
  const text = extensions.get(SSH_IDENTITY_EXTENSION);
  if (text === undefined) throw refuseCertificate('identity', 'the certificate carries no identity');
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw refuseCertificate('identity', `an identity has at most ${MAX_BYTES} bytes`);
  }
  let document: unknown;
  try {
    document = JSON.parse(decodeUtf8(Buffer.from(text), 'the identity', refuseCertificate));
  } catch (cause) {
    throw refuseCertificate('identity', 'the identity is not JSON', cause);
  }
  return parseIdentity(document);
}
