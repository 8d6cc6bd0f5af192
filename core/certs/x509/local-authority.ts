// An authority for one machine: it makes server certificates for a listener on loopback, for names below a few given
// domains and nothing else, which its own certificate says (name constraints). Apart from issue.ts, which only the
// authorities of a cluster may use.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { derContext, derSequence } from './der.ts';
import type { X509Extension } from './extensions.ts';
import { issueSelfSignedCa, issueX509, x509Issuer, type X509Issuer } from './issue.ts';
import { OID } from './oid.ts';
import { parseX509 } from './parse.ts';

export interface LocalAuthorityRequest {
  readonly privateKey: KeyObject;
  readonly commonName: string;
  /** DNS names; it can vouch for these and what is below them. At least one. */
  readonly domains: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The DER of the authority's certificate. BAD_REQUEST for names or times that are none. */
export function localAuthority({
  privateKey,
  commonName,
  domains,
  ...times
}: LocalAuthorityRequest): Uint8Array {
  return issueSelfSignedCa({
    ...times,
    privateKey,
    pathLen: 0,
    subject: { commonName, organization: ['Gatehouse'] },
    extensions: [nameConstraints(domains)],
  });
}

/** The signer of a certificate that `localAuthority` made. BAD_REQUEST when the key is another one. */
export function localIssuer(certificate: Uint8Array, privateKey: KeyObject): X509Issuer {
  return x509Issuer(parseX509(certificate, { understood: [OID.nameConstraints] }), privateKey);
}

export interface LocalServerRequest {
  readonly issuer: X509Issuer;
  readonly privateKey: KeyObject;
  readonly dnsName: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The DER of a server certificate for one name. BAD_REQUEST for a name that is none. */
export function localServer({ privateKey, dnsName, ...request }: LocalServerRequest): Uint8Array {
  return issueX509({
    ...request,
    subject: { organization: ['Gatehouse'] },
    publicKey: createPublicKey(privateKey),
    dnsNames: [dnsName],
    extKeyUsage: ['serverAuth'],
  });
}

const DNS_NAME = 2;
const IP_ADDRESS = 7;
/** An address and a mask of zeros: all of them. */
const ALL_ADDRESSES = [new Uint8Array(8), new Uint8Array(32)];

/** RFC 5280, 4.2.1.10: DNS names below `domains`, no addresses. */
function nameConstraints(domains: readonly string[]): X509Extension {
  const permitted = domains.map((name) => subtree(DNS_NAME, Buffer.from(name, 'ascii')));
  const excluded = ALL_ADDRESSES.map((all) => subtree(IP_ADDRESS, all));
  return {
    oid: OID.nameConstraints,
    critical: true,
    value: derSequence(derContext(0, true, ...permitted), derContext(1, true, ...excluded)),
  };
}

const subtree = (tag: number, bytes: Uint8Array): Uint8Array => derSequence(derContext(tag, false, bytes));
