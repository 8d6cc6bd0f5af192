// The one-line text forms OpenSSH reads: authorized_keys, *-cert.pub, known_hosts, TrustedUserCAKeys. Separate
// because these lines have a quoting of their own, and a line break smuggled into one is a second line.
import { refuseInput, type Refuse } from '../refusal.ts';
import type { SshCertificate } from './certificate.ts';
import { MAX_PUBLIC_KEY_BYTES, parsePublicKey, type SshPublicKey } from './public-key.ts';

const MAX_COMMENT_BYTES = 1024;
const MAX_LINE_BYTES = 2 * 64 * 1024;
/** Patterns of known_hosts: names, addresses, [host]:port, wildcards, negation. */
const HOST_PATTERN = /^!?[A-Za-z0-9._*?:[\]-]{1,255}$/;
/** Printable ASCII without comma, space, double quote and backslash: it goes between quotes. */
const LIST_ENTRY = /^[!#-+\--[\]-~]{1,1024}$/;

export interface AuthorizedKey {
  readonly key: SshPublicKey;
  readonly comment: string;
}

/**
 * Reads "ssh-ed25519 AAAA... comment". Lines with options in front are refused: a key that comes with its own
 * rules is not a plain key. Throws BAD_REQUEST; reasons as parsePublicKey.
 */
export function parseAuthorizedKey(line: string): AuthorizedKey {
  const { name, blob, comment } = parseLine(line, MAX_PUBLIC_KEY_BYTES, refuseInput);
  const key = parsePublicKey(blob, refuseInput);
  if (key.algorithm !== name)
    throw refuseInput('malformed', 'the key type before the key is not the one inside');
  return { key, comment };
}

/** One line without line break, for authorized_keys, TrustedUserCAKeys and *.pub files. */
export function publicKeyLine(key: SshPublicKey, comment = ''): string {
  return joinLine(key.algorithm, key.blob, comment);
}

/** One line without line break, for *-cert.pub files. */
export function sshCertificateLine(
  certificate: Pick<SshCertificate, 'algorithm' | 'blob'>,
  comment = '',
): string {
  return joinLine(certificate.algorithm, certificate.blob, comment);
}

/** "@cert-authority patterns key": trust this CA for hosts that match. BAD_REQUEST on a pattern that is not one. */
export function knownHostsCertAuthorityLine(
  patterns: readonly string[],
  authority: SshPublicKey,
  comment = '',
): string {
  if (patterns.length === 0 || !patterns.every((pattern) => HOST_PATTERN.test(pattern))) {
    throw refuseInput('name', 'host patterns must be names, addresses or wildcards such as *.example.com');
  }
  return `@cert-authority ${patterns.join(',')} ${publicKeyLine(authority, comment)}`;
}

/** An authorized_keys line that trusts a CA for the principals named. */
export function authorizedKeysCertAuthorityLine(
  authority: SshPublicKey,
  principals: readonly string[],
  comment = '',
): string {
  if (principals.length === 0 || !principals.every((principal) => LIST_ENTRY.test(principal))) {
    throw refuseInput(
      'principals',
      'principals must be printable ASCII without space, comma, quote and backslash',
    );
  }
  return `cert-authority,principals="${principals.join(',')}" ${publicKeyLine(authority, comment)}`;
}

/** Splits "type base64 comment"; base64 must be canonical. */
export function parseLine(
  line: string,
  maxBytes: number,
  refuse: Refuse,
): { name: string; blob: Uint8Array; comment: string } {
  if (line.length > MAX_LINE_BYTES) throw refuse('too-large', 'the line is too long');
  const text = line.trim();
  if (/[\r\n\0]/.test(text)) throw refuse('malformed', 'one key on one line is needed');
  const [name = '', base64 = '', ...rest] = text.split(/[ \t]+/);
  if (!/^[a-z0-9][a-z0-9@.-]{0,63}$/.test(name) || base64 === '') {
    throw refuse('malformed', 'the line must be: key type, key in base64, comment; options are not taken');
  }
  if (base64.length > Math.ceil(maxBytes / 3) * 4) throw refuse('too-large', `more than ${maxBytes} bytes`);
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) throw refuse('malformed', 'the key is not in base64');
  return { name, blob, comment: rest.join(' ') };
}

function joinLine(algorithm: string, blob: Uint8Array, comment: string): string {
  if (comment.length > MAX_COMMENT_BYTES || /\p{C}/u.test(comment)) {
    throw refuseInput('malformed', 'a comment must be short and printable');
  }
  const base64 = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('base64');
  return comment === '' ? `${algorithm} ${base64}` : `${algorithm} ${base64} ${comment}`;
}
