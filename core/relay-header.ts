// Who a relayed connection comes from. A proxy writes one signed line before the bytes it passes on to a node or to the
// auth service; whoever serves them takes the client's address from it and from nothing else. Pure; the sockets are
// elsewhere.
//
//   GATEHOUSE-RELAY/1 <payload> <certificate> <signature>\n      each base64url without padding
//
// payload is JSON {client, target, time, nonce}; certificate is the SSH host certificate of the proxy; signature is an
// SSH signature by its key over all bytes before the space in front of it. It says who is behind the connection, not
// what is sent on it: that is proven by the protocol inside.
import { randomBytes, type KeyObject } from 'node:crypto';
import { signatureAlgorithmsOf } from './certs/ssh/algorithms.ts';
import { parseSshCertificate } from './certs/ssh/certificate.ts';
import type { SshPublicKey } from './certs/ssh/public-key.ts';
import { requireSshSignature, signSsh } from './certs/ssh/signature.ts';
import { verifySshCertificate } from './certs/ssh/verify.ts';
import { GatehouseError } from './errors/error.ts';
import { parseIpPort } from './ip-port.ts';
import { check } from './schema/check.ts';
import * as s from './schema/schema.ts';
import { readSshIdentity } from './ssh-identity.ts';

/** The line with its end. Certificates with every name a host may have still fit. */
export const MAX_RELAY_HEADER_BYTES = 16 * 1024;
/** The `target` of connections to the auth service; those to a node name its host id. */
export const RELAY_TO_AUTH = 'auth';

const MAGIC = 'GATEHOUSE-RELAY/1 ';
const START = new Uint8Array(Buffer.from(MAGIC));
const LINE = /^GATEHOUSE-RELAY\/1 ([\w-]{1,2048}) ([\w-]{1,15000}) ([\w-]{1,2800})\n$/;
const NEWLINE = 0x0a;
const NONCE_BYTES = 16;
const MAX_AGE_MS = 5 * 60_000;
const MAX_SEEN = 250_000;

const payloadSchema = s.object({
  client: s.string({ maxLength: 64 }),
  target: s.string({ minLength: 1, maxLength: 253 }),
  time: s.integer({ min: 0 }),
  nonce: s.string({ minLength: 16, maxLength: 64 }),
});

export interface RelayHeaderInput {
  /** The client as core/ip-port.ts writes it. */
  readonly client: string;
  /** A host id, or RELAY_TO_AUTH. */
  readonly target: string;
  readonly now: number;
  /** The host key of the proxy and its SSH certificate (wire blob). */
  readonly key: KeyObject;
  readonly certificate: Uint8Array;
}

export interface RelayContext {
  /** Who reads: its host id, or RELAY_TO_AUTH. */
  readonly target: string;
  readonly now: number;
  /** SSH keys of the host authority. */
  readonly authorities: readonly SshPublicKey[];
  readonly clusterName: string;
  /** One per process: what was seen once is refused the second time. */
  readonly seen: SeenRelays;
}

export interface RelayHeader {
  /** `ip:port` of the client, as core/ip-port.ts writes it. */
  readonly client: string;
  /** Host id of the proxy. Whether a lock is in force on it is the caller's to ask. */
  readonly proxyId: string;
}

/** The line, newline included. Made for one connection: it is good for five minutes, once. */
export function writeRelayHeader(input: RelayHeaderInput): Uint8Array {
  if (parseIpPort(input.client) === undefined) {
    throw new GatehouseError('BAD_REQUEST', 'the client of a relayed connection must be ip:port');
  }
  const [algorithm] = signatureAlgorithmsOf(parseSshCertificate(input.certificate).subject.algorithm);
  if (algorithm === undefined) throw new GatehouseError('BAD_REQUEST', 'the host key cannot sign');
  const payload = JSON.stringify({
    client: input.client,
    target: input.target,
    time: input.now,
    nonce: randomBytes(NONCE_BYTES).toString('base64url'),
  });
  const signed = `${MAGIC}${encode(Buffer.from(payload))} ${encode(input.certificate)}`;
  const line = `${signed} ${encode(signSsh(input.key, algorithm, Buffer.from(signed)))}\n`;
  if (line.length > MAX_RELAY_HEADER_BYTES) {
    throw new GatehouseError('TOO_LARGE', 'the certificate of the proxy is too large for a relay header');
  }
  return new Uint8Array(Buffer.from(line));
}

/**
 * Looks at the first bytes of a connection: `absent` when they cannot become a header, `partial` when more are needed
 * (never above MAX_RELAY_HEADER_BYTES), else the length of the header with its newline. Says nothing about its truth.
 */
export function relayHeaderLength(bytes: Uint8Array): number | 'partial' | 'absent' {
  const common = Math.min(bytes.length, START.length);
  for (let i = 0; i < common; i++) if (bytes[i] !== START[i]) return 'absent';
  if (bytes.length < START.length) return 'partial';
  const end = bytes.subarray(0, MAX_RELAY_HEADER_BYTES).indexOf(NEWLINE);
  if (end >= 0) return end + 1;
  return bytes.length < MAX_RELAY_HEADER_BYTES ? 'partial' : 'absent';
}

/**
 * Reads one header: exactly its bytes, as relayHeaderLength measured them. BAD_REQUEST when it is not one;
 * CERTIFICATE_INVALID when its certificate is not one of this cluster's proxies, or did not sign it; UNAUTHENTICATED when
 * it is for another target, too old, from the future, or was used before. Whatever is thrown: end the connection.
 */
export function readRelayHeader(bytes: Uint8Array, context: RelayContext): RelayHeader {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const match = bytes.length > MAX_RELAY_HEADER_BYTES ? null : LINE.exec(text);
  const [, payloadText, certificateText, signatureText] = match ?? [];
  if (payloadText === undefined || certificateText === undefined || signatureText === undefined) {
    throw malformed();
  }
  const payload = parsePayload(payloadText);
  const { certificate } = verifySshCertificate(decode(certificateText), {
    type: 'host',
    authorities: context.authorities,
    // Who it is comes from the identity inside.
    principal: null,
    now: context.now,
  });
  const signed = Buffer.from(text.slice(0, text.lastIndexOf(' ')), 'latin1');
  requireSshSignature(certificate.subject, signed, decode(signatureText));
  const identity = readSshIdentity(certificate.extensions);
  const isProxy = identity.kind === 'host' && identity.roles.includes('proxy');
  if (!isProxy || identity.cluster !== context.clusterName) {
    throw new GatehouseError(
      'CERTIFICATE_INVALID',
      'the relay header was not written by a proxy of this cluster',
      {
        details: { reason: 'identity' },
      },
    );
  }
  requireUse(payload, context);
  return { client: payload.client, proxyId: identity.host_id };
}

/**
 * Remembers headers for as long as they are good, in bounded memory: at most 250,000, then the older half is forgotten.
 * Only headers that a proxy of the cluster signed get here.
 */
export class SeenRelays {
  #recent = new Set<string>();
  #older = new Set<string>();
  #turnedAt = 0;

  /** False when `nonce` was here before. */
  add(nonce: string, now: number): boolean {
    // A header is good from 5 minutes before `now` to 5 minutes after: each half is kept for at least ten.
    if (now - this.#turnedAt >= 2 * MAX_AGE_MS || this.#recent.size >= MAX_SEEN / 2) {
      this.#older = this.#recent;
      this.#recent = new Set();
      this.#turnedAt = now;
    }
    if (this.#recent.has(nonce) || this.#older.has(nonce)) return false;
    this.#recent.add(nonce);
    return true;
  }
}

function requireUse(payload: s.Infer<typeof payloadSchema>, context: RelayContext): void {
  const refuse = (why: string): GatehouseError =>
    new GatehouseError('UNAUTHENTICATED', `the relay header is refused: ${why}`);
  if (payload.target !== context.target) throw refuse('it is for another service');
  if (!(Math.abs(context.now - payload.time) <= MAX_AGE_MS)) {
    throw refuse('its time differs by more than five minutes; set the clocks of both machines with NTP');
  }
  if (!context.seen.add(payload.nonce, context.now)) throw refuse('it was used before');
}

function parsePayload(text: string): s.Infer<typeof payloadSchema> {
  let document: unknown;
  try {
    document = JSON.parse(decode(text).toString('utf8'));
  } catch (cause) {
    throw malformed(cause);
  }
  const result = check(payloadSchema, document);
  if (!result.ok || parseIpPort(result.value.client) === undefined) throw malformed();
  return result.value;
}

const malformed = (cause?: unknown): GatehouseError =>
  new GatehouseError('BAD_REQUEST', 'the relay header is malformed', { cause });

const encode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

/** Of the one form that `encode` writes: bits that mean nothing are zero. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (encode(bytes) !== text) throw malformed();
  return bytes;
}
