// The standard certificate extensions: their values to DER and back. Alternative names have a file of their own.
import { refuseInput, type Refuse } from '../refusal.ts';
import {
  der,
  derBitString,
  derContext,
  derInteger,
  derOctetString,
  derSequence,
  DER_TRUE,
  TAG,
} from './der.ts';
import { DerReader } from './der-reader.ts';
import { derOid, isOid, OID } from './oid.ts';

/** In the order of their bits. */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

const EXT_KEY_USAGES = {
  serverAuth: OID.serverAuth,
  clientAuth: OID.clientAuth,
  codeSigning: OID.codeSigning,
  emailProtection: OID.emailProtection,
  timeStamping: OID.timeStamping,
  ocspSigning: OID.ocspSigning,
} as const;
/** A name of the table, or a dotted OID. */
export type ExtKeyUsage = keyof typeof EXT_KEY_USAGES | (string & {});

export interface X509Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** The DER inside the OCTET STRING. */
  readonly value: Uint8Array;
}

export interface BasicConstraints {
  readonly isCa: boolean;
  readonly pathLen?: number;
}

const MAX_EXT_KEY_USAGES = 32;
const MAX_PATH_LEN = 16;
const CRITICAL = DER_TRUE;

export function derExtension(oidDer: Uint8Array, isCritical: boolean, value: Uint8Array): Uint8Array {
  return isCritical
    ? derSequence(oidDer, CRITICAL, derOctetString(value))
    : derSequence(oidDer, derOctetString(value));
}

export function derBasicConstraints({ isCa, pathLen }: BasicConstraints): Uint8Array {
  if (!isCa) return derSequence();
  if (pathLen === undefined) return derSequence(DER_TRUE);
  if (!Number.isInteger(pathLen) || pathLen < 0 || pathLen > MAX_PATH_LEN) {
    throw refuseInput('path-length', `a path length must be 0 to ${MAX_PATH_LEN}`);
  }
  return derSequence(DER_TRUE, derInteger(Uint8Array.of(pathLen)));
}

export function readBasicConstraints(value: Uint8Array, refuse: Refuse): BasicConstraints {
  const list = onlySequence(value, 'the basic constraints', refuse);
  const isCa = list.defaultFalse('the CA flag');
  const pathLen = list.isDone ? undefined : list.unsigned('the path length', 1)[0];
  list.end('the basic constraints');
  if (pathLen === undefined) return { isCa };
  if (!isCa || pathLen > MAX_PATH_LEN)
    throw refuse('path-length', 'the path length is without CA flag or too long');
  return { isCa, pathLen };
}

export function derKeyUsage(usages: readonly KeyUsage[]): Uint8Array {
  let bits = 0;
  for (const usage of usages) bits |= 0x8000 >> KEY_USAGES.indexOf(usage);
  if (usages.length === 0 || usages.some((usage) => !KEY_USAGES.includes(usage))) {
    throw refuseInput('key-usage', `key usages must be some of ${KEY_USAGES.join(', ')}`);
  }
  const bytes = (bits & 0xff) === 0 ? Uint8Array.of(bits >> 8) : Uint8Array.of(bits >> 8, bits & 0xff);
  return derBitString(bytes, trailingZeros(bytes[bytes.length - 1] ?? 0));
}

export function readKeyUsage(value: Uint8Array, refuse: Refuse): readonly KeyUsage[] {
  const outer = new DerReader(value, refuse);
  const content = outer.content(TAG.bitString, 'the key usage');
  outer.end('the key usage');
  const [unused = 0, first = 0, second = 0] = content;
  const last = content.length === 2 ? first : second;
  // A named bit list in DER ends with a bit that is set.
  if (content.length < 2 || content.length > 3 || last === 0 || unused !== trailingZeros(last)) {
    throw refuse('malformed', 'the key usage is not in DER');
  }
  const bits = (first << 8) | second;
  if ((bits & 0x7f) !== 0) throw refuse('malformed', 'the key usage has unknown bits');
  return KEY_USAGES.filter((_, bit) => (bits & (0x8000 >> bit)) !== 0);
}

export function derExtKeyUsage(usages: readonly ExtKeyUsage[]): Uint8Array {
  const table: Readonly<Record<string, string>> = EXT_KEY_USAGES;
  const oids = usages.map((usage) => (Object.hasOwn(table, usage) ? (table[usage] ?? '') : usage));
  if (oids.length === 0 || oids.length > MAX_EXT_KEY_USAGES || !oids.every(isOid)) {
    throw refuseInput('key-usage', `extended key usages must be ${Object.keys(table).join(', ')} or OIDs`);
  }
  return derSequence(...oids.map(derOid));
}

export function readExtKeyUsage(value: Uint8Array, refuse: Refuse): readonly ExtKeyUsage[] {
  const list = onlySequence(value, 'the extended key usage', refuse);
  const usages: string[] = [];
  do {
    if (usages.length === MAX_EXT_KEY_USAGES) throw refuse('key-usage', 'too many extended key usages');
    const oid = list.oid('an extended key usage');
    usages.push(Object.entries(EXT_KEY_USAGES).find((entry) => entry[1] === oid)?.[0] ?? oid);
  } while (!list.isDone);
  return usages;
}

/** The key identifier form only. */
export function derAuthorityKeyId(keyId: Uint8Array): Uint8Array {
  return derSequence(derContext(0, false, keyId));
}

/** The key identifier; issuer and serial ([1] and [2]), which others add, are not looked at. */
export function readAuthorityKeyId(value: Uint8Array, refuse: Refuse): Uint8Array | undefined {
  const list = onlySequence(value, 'the authority key id', refuse);
  const keyId = list.nextTag === 0x80 ? list.content(0x80, 'the authority key id') : undefined;
  if (list.nextTag === 0xa1) list.any('the authority name');
  if (list.nextTag === 0x82) list.any('the authority serial');
  list.end('the authority key id');
  return keyId;
}

export function derKeyId(keyId: Uint8Array): Uint8Array {
  return der(TAG.octetString, keyId);
}

export function readKeyId(value: Uint8Array, refuse: Refuse): Uint8Array {
  const outer = new DerReader(value, refuse);
  const keyId = outer.content(TAG.octetString, 'the subject key id');
  outer.end('the subject key id');
  return keyId;
}

function onlySequence(value: Uint8Array, what: string, refuse: Refuse): DerReader {
  const outer = new DerReader(value, refuse);
  const list = outer.sequence(what);
  outer.end(what);
  return list;
}

function trailingZeros(byte: number): number {
  return byte === 0 ? 0 : 31 - Math.clz32(byte & -byte);
}
