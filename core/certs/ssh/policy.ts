// What any SSH certificate of ours may say, whoever asks: the same rules run when we issue and when we read, so
// that nothing can be issued that is refused, nor accepted that would not be issued. Context (who signed, which
// principal, what time) is in verify.ts.
import { parseIp, parseNetwork, isInNetwork, type IpNetwork } from '../ip-address.ts';
import type { Refuse } from '../refusal.ts';
import { requirePrintable } from '../text-rules.ts';

export const SSH_CERTIFICATE_TYPES = ['user', 'host'] as const;
export type SshCertificateType = (typeof SSH_CERTIFICATE_TYPES)[number];

export const MAX_CERTIFICATE_BYTES = 64 * 1024;
export const MAX_PRINCIPALS = 256;
export const MAX_PRINCIPAL_BYTES = 1024;
export const MAX_KEY_ID_BYTES = 1024;
export const MAX_OPTIONS = 64;
export const MAX_OPTION_NAME_BYTES = 256;
export const MAX_OPTION_VALUE_BYTES = 16 * 1024;
const MAX_SOURCE_NETWORKS = 64;
/** 9999-12-31T23:59:59Z. Also keeps "forever" (2^64-1) out: a certificate of ours always ends. */
export const MAX_TIME_S = 253_402_300_799;

/** Extensions OpenSSH knows; they carry no value. Others must be named like `roles@gatehouse.dev`. */
export const STANDARD_EXTENSIONS: ReadonlySet<string> = new Set([
  'no-touch-required',
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
]);

/**
 * Printable ASCII without space and comma (lists are comma-joined elsewhere: CVE-2026-35414), without the pattern
 * characters * and ?, not negated. Unicode is refused: two principals could look alike and differ.
 */
const PRINCIPAL = /^(?!!)[!-)+\-->@-~]+$/;
const OPTION_NAME = /^[A-Za-z0-9][A-Za-z0-9@._-]*$/;

/** The part of a certificate that these rules are about. Times in milliseconds since the epoch. */
export interface SshCertificateClaims {
  readonly type: SshCertificateType;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly validAfter: number;
  readonly validBefore: number;
  readonly criticalOptions: ReadonlyMap<string, string>;
  readonly extensions: ReadonlyMap<string, string>;
}

/** Throws the refusal of the first broken rule. */
export function requireSoundClaims(claims: SshCertificateClaims, refuse: Refuse): void {
  requirePrintable(claims.keyId, 'the key id', MAX_KEY_ID_BYTES, 'key-id', refuse);
  requireSoundPrincipals(claims.principals, refuse);
  requireSoundValidity(claims.validAfter, claims.validBefore, refuse);
  for (const options of [claims.criticalOptions, claims.extensions]) requireSoundOptions(options, refuse);
  requireKnownCriticalOptions(claims, refuse);
  for (const [name, value] of claims.extensions) {
    if (STANDARD_EXTENSIONS.has(name) && value !== '') throw refuse('option', `${name} takes no value`);
  }
}

/** An empty list is refused for hosts too: OpenSSH reads it as "any host". */
export function requireSoundPrincipals(principals: readonly string[], refuse: Refuse): void {
  if (principals.length === 0) throw refuse('principals', 'a certificate needs at least one principal');
  if (principals.length > MAX_PRINCIPALS)
    throw refuse('principals', `more than ${MAX_PRINCIPALS} principals`);
  if (new Set(principals).size !== principals.length)
    throw refuse('principals', 'a principal is there twice');
  for (const principal of principals) {
    if (principal.length > MAX_PRINCIPAL_BYTES || !PRINCIPAL.test(principal)) {
      throw refuse(
        'principals',
        `a principal must be 1 to ${MAX_PRINCIPAL_BYTES} printable ASCII characters without space, comma, * and ?`,
      );
    }
  }
}

/** The networks of a source-address value; throws `source-address` unless all are addresses or CIDR networks. */
export function parseSourceAddresses(list: string, refuse: Refuse): readonly IpNetwork[] {
  const entries = list.split(',', MAX_SOURCE_NETWORKS + 1);
  const networks = entries.map((entry) => parseNetwork(entry)).filter((network) => network !== undefined);
  if (entries.length > MAX_SOURCE_NETWORKS || networks.length !== entries.length) {
    throw refuse(
      'source-address',
      `source-address must be 1 to ${MAX_SOURCE_NETWORKS} addresses or CIDR networks`,
    );
  }
  return networks;
}

/** True when `address` (textual IP) lies in one of the networks of a source-address value. */
export function isSourceAllowed(list: string, address: string, refuse: Refuse): boolean {
  const ip = parseIp(address);
  return ip !== undefined && parseSourceAddresses(list, refuse).some((network) => isInNetwork(ip, network));
}

function requireSoundValidity(validAfter: number, validBefore: number, refuse: Refuse): void {
  const isSound = (ms: number): boolean => Number.isSafeInteger(ms) && ms >= 0 && ms <= MAX_TIME_S * 1000;
  if (!isSound(validAfter) || !isSound(validBefore)) {
    throw refuse('validity-bounds', 'the validity must lie between the years 1970 and 9999');
  }
  if (validAfter >= validBefore) throw refuse('validity-bounds', 'the validity must begin before it ends');
}

function requireSoundOptions(options: ReadonlyMap<string, string>, refuse: Refuse): void {
  if (options.size > MAX_OPTIONS) throw refuse('option', `more than ${MAX_OPTIONS} options`);
  for (const [name, value] of options) {
    if (name.length > MAX_OPTION_NAME_BYTES || !OPTION_NAME.test(name)) {
      throw refuse('option', 'an option name must be letters, digits and @ . _ - only');
    }
    if (Buffer.byteLength(value) > MAX_OPTION_VALUE_BYTES) {
      throw refuse('too-large', `the option ${name} has more than ${MAX_OPTION_VALUE_BYTES} bytes`);
    }
  }
}

function requireKnownCriticalOptions(claims: SshCertificateClaims, refuse: Refuse): void {
  for (const [name, value] of claims.criticalOptions) {
    if (claims.type === 'host') {
      throw refuse('unknown-critical-option', 'a host certificate takes no critical option');
    }
    if (name === 'source-address') parseSourceAddresses(value, refuse);
    else if (name !== 'force-command') {
      throw refuse('unknown-critical-option', `the critical option ${name} is not known`);
    } else if (value === '' || value.includes('\0')) {
      throw refuse('option', 'force-command must be a command without NUL');
    }
  }
}
