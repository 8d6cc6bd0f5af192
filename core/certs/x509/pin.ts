// CA pins: a short text that names a CA key, so that a joining machine can know the right server before it trusts
// anything. "sha256:" and 64 hex digits: SHA-256 over the SubjectPublicKeyInfo of the CA certificate.
import { createHash, timingSafeEqual } from 'node:crypto';
import { refuseInput } from '../refusal.ts';
import { parseX509, type ParsedCertificate } from './parse.ts';

/** The pin of a certificate, given as DER or parsed. A CA keeps its pin when its certificate is renewed. */
export function caPin(certificate: Uint8Array | ParsedCertificate): string {
  const { publicKey } = certificate instanceof Uint8Array ? parseX509(certificate) : certificate;
  return `sha256:${createHash('sha256').update(publicKey.der).digest('hex')}`;
}

/** The pin in its canonical (lower case) form; BAD_REQUEST, reason `pin`, when it is not one. */
export function parsePin(text: string): string {
  const pin = text.trim().toLowerCase();
  if (/^sha256:[0-9a-f]{64}$/.test(pin)) return pin;
  throw refuseInput('pin', 'a CA pin must be sha256: and 64 hex digits, as `gatectl status` prints it');
}

/** True when the certificate holds the pinned key. `pin` is checked with parsePin. */
export function isPinned(pin: string, certificate: Uint8Array | ParsedCertificate): boolean {
  return timingSafeEqual(Buffer.from(parsePin(pin)), Buffer.from(caPin(certificate)));
}
