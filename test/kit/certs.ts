// Keys and hand-made certificates for tests: properly signed, but with any field as the test wants it. Separate from
// the issuing code, which refuses to make what these tests need.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { der, derBitString, derContext, derInteger, derSequence } from '#core/certs/x509/der.ts';
import { derExtension } from '#core/certs/x509/extensions.ts';
import { derName } from '#core/certs/x509/name.ts';
import { derOid } from '#core/certs/x509/oid.ts';
import { algorithmDer, signX509, type X509SignatureAlgorithm } from '#core/certs/x509/signature-algorithm.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { publicKeyInfo } from '#core/certs/x509/spki.ts';
import { derTime } from '#core/certs/x509/time.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { sshAuthority, type SshAuthority } from '#core/certs/ssh/issue.ts';
import { publicKeyFromKeyObject, type SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { signSsh } from '#core/certs/ssh/signature.ts';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { GatehouseError } from '#core/errors/error.ts';

export const NOW = Date.parse('2026-03-01T12:00:00Z');
export const HOUR = 3_600_000;

/** One private key of each family that is supported. */
export function makeKeys(): Record<'ed25519' | 'p256' | 'p384' | 'p521' | 'rsa', KeyObject> {
  return {
    ed25519: generateKeyPair('ed25519').privateKey,
    p256: generateKeyPair('ecdsa-p256').privateKey,
    p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
    rsa: generateKeyPair('rsa-2048').privateKey,
  };
}

export function makeSshAuthority(): SshAuthority {
  return sshAuthority(generateKeyPair('ed25519').privateKey);
}

export function makeSshKey(): SshPublicKey {
  return publicKeyFromKeyObject(generateKeyPair('ed25519').publicKey);
}

/** The code and reason of what `run` throws, or what else happened. */
export function refusalOf(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (error instanceof GatehouseError) return `${error.code} ${String(error.details['reason'])}`;
    return `other exception: ${String(error)}`;
  }
}

export interface SshFields {
  algorithm: string;
  nonce: Uint8Array;
  keyFields: Uint8Array;
  serial: bigint;
  type: number;
  keyId: string | Uint8Array;
  principals: readonly (string | Uint8Array)[];
  validAfter: bigint;
  validBefore: bigint;
  criticalOptions: readonly (readonly [string, string | Uint8Array])[];
  extensions: readonly (readonly [string, string | Uint8Array])[];
  reserved: Uint8Array;
  authorityBlob: Uint8Array;
  trailing: Uint8Array;
  signature: (signed: Uint8Array) => Uint8Array;
}

/** A certificate signed by `authority`, good unless `fields` says otherwise. Option values given as text are wrapped. */
export function craftSshCertificate(authority: SshAuthority, fields: Partial<SshFields> = {}): Uint8Array {
  const key = makeSshKey();
  const all: SshFields = {
    algorithm: 'ssh-ed25519-cert-v01@openssh.com',
    nonce: new Uint8Array(32),
    keyFields: key.blob.subarray(4 + 'ssh-ed25519'.length),
    serial: 7n,
    type: 1,
    keyId: 'joe',
    principals: ['root', 'ubuntu'],
    validAfter: BigInt(NOW / 1000 - 60),
    validBefore: BigInt(NOW / 1000 + 3600),
    criticalOptions: [],
    extensions: [['permit-pty', '']],
    reserved: new Uint8Array(),
    authorityBlob: authority.publicKey.blob,
    trailing: new Uint8Array(),
    signature: (signed) => signSsh(authority.privateKey, authority.algorithm, signed),
    ...fields,
  };
  const options = (list: WireWriter, entries: SshFields['extensions']): void => {
    for (const [name, value] of entries) {
      list.string(name).nested((data) => {
        if (typeof value !== 'string') data.raw(value);
        else if (value !== '') data.string(value);
      });
    }
  };
  const writer = new WireWriter()
    .string(all.algorithm)
    .string(all.nonce)
    .raw(all.keyFields)
    .uint64(all.serial)
    .uint32(all.type)
    .string(all.keyId)
    .nested((list) => all.principals.forEach((principal) => list.string(principal)))
    .uint64(all.validAfter)
    .uint64(all.validBefore)
    .nested((list) => options(list, all.criticalOptions))
    .nested((list) => options(list, all.extensions))
    .string(all.reserved)
    .string(all.authorityBlob);
  return writer.string(all.signature(writer.finish())).raw(all.trailing).finish();
}

export interface X509Fields {
  version: Uint8Array;
  serial: Uint8Array;
  innerAlgorithm: Uint8Array;
  outerAlgorithm: Uint8Array;
  issuer: Uint8Array;
  validity: Uint8Array;
  subject: Uint8Array;
  publicKey: Uint8Array;
  extensions: readonly Uint8Array[];
  afterExtensions: Uint8Array;
  signature: (signed: Uint8Array) => Uint8Array;
}

/** A certificate signed by `privateKey`, readable unless `fields` says otherwise. */
export function craftX509(privateKey: KeyObject, fields: Partial<X509Fields> = {}): Uint8Array {
  const algorithm: X509SignatureAlgorithm = 'ecdsa-sha256';
  const name = derName({ commonName: 'crafted' });
  const all: X509Fields = {
    version: derContext(0, true, derInteger(Uint8Array.of(2))),
    serial: derInteger(Uint8Array.of(1)),
    innerAlgorithm: algorithmDer(algorithm),
    outerAlgorithm: algorithmDer(algorithm),
    issuer: name,
    validity: derSequence(derTime(NOW - HOUR, refuseInput), derTime(NOW + HOUR, refuseInput)),
    subject: name,
    publicKey: publicKeyInfo(privateKey, refuseInput).der,
    extensions: [derExtension(derOid('2.5.29.19'), true, derSequence())],
    afterExtensions: new Uint8Array(),
    signature: (signed) => derBitString(signX509(privateKey, algorithm, signed)),
    ...fields,
  };
  const signed = derSequence(
    all.version,
    all.serial,
    all.innerAlgorithm,
    all.issuer,
    all.validity,
    all.subject,
    all.publicKey,
    derContext(3, true, derSequence(...all.extensions)),
    all.afterExtensions,
  );
  return derSequence(signed, all.outerAlgorithm, all.signature(signed));
}

/** An element with any tag and raw content, for malformed input. */
export function rawDer(tag: number, ...bytes: readonly number[]): Uint8Array {
  return der(tag, Uint8Array.from(bytes));
}
