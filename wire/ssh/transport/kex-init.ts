// The lists each end opens a key exchange with, and what the two agree on (RFC 4253 7.1). Pure: bytes in, choice out.
import { randomBytes } from 'node:crypto';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import { CIPHERS, KEX_ALGORITHMS, MACS } from './algorithms.ts';
import type { CipherAlgorithm, KexAlgorithm, MacAlgorithm } from './algorithms.ts';
import { failure, protocolError, refuseMessage } from './failure.ts';

const COOKIE_BYTES = 16;
/** OpenSSH sends about 300 bytes; far more is not a list that somebody needs. */
const MAX_LIST_BYTES = 4096;
const MAX_NAME_CHARS = 64;

const STRICT = { server: 'kex-strict-s-v00@openssh.com', client: 'kex-strict-c-v00@openssh.com' } as const;
const EXT_INFO = { server: 'ext-info-s', client: 'ext-info-c' } as const;

export interface KexLists {
  readonly kex: readonly string[];
  readonly hostKey: readonly string[];
  readonly cipherToServer: readonly string[];
  readonly cipherToClient: readonly string[];
  readonly macToServer: readonly string[];
  readonly macToClient: readonly string[];
  readonly compressionToServer: readonly string[];
  readonly compressionToClient: readonly string[];
}

export interface KexInit extends KexLists {
  /** The next message is a guess at the exchange. */
  readonly isGuessed: boolean;
  readonly payload: Buffer;
}

export interface Direction {
  readonly cipher: CipherAlgorithm;
  /** Undefined where the cipher authenticates by itself. */
  readonly mac: MacAlgorithm | undefined;
}

export interface Agreement {
  readonly kex: KexAlgorithm;
  readonly hostKey: string;
  readonly toServer: Direction;
  readonly toClient: Direction;
}

/** What this end offers. The markers of strict key exchange and extensions belong to the first exchange only. */
export function ownLists(
  role: 'server' | 'client',
  isFirst: boolean,
  hostKey: readonly string[],
  gcmOnly: boolean,
): KexLists {
  const kex = isFirst ? [...KEX_ALGORITHMS, EXT_INFO[role], STRICT[role]] : KEX_ALGORITHMS;
  const ciphers = CIPHERS.filter(({ mode }) => mode === 'gcm' || !gcmOnly).map(({ name }) => name);
  const macs = MACS.map(({ name }) => name);
  const none = ['none'];
  return {
    kex,
    hostKey,
    cipherToServer: ciphers,
    cipherToClient: ciphers,
    macToServer: macs,
    macToClient: macs,
    compressionToServer: none,
    compressionToClient: none,
  };
}

/** True when GCM alone will do in both directions for a client with these lists. */
export function takesGcm(lists: KexLists): boolean {
  const hasGcm = (names: readonly string[]): boolean =>
    CIPHERS.some(({ mode, name }) => mode === 'gcm' && names.includes(name));
  return hasGcm(lists.cipherToServer) && hasGcm(lists.cipherToClient);
}

export function isStrict(peer: 'server' | 'client', lists: KexLists): boolean {
  return lists.kex.includes(STRICT[peer]);
}

export function takesExtensions(peer: 'server' | 'client', lists: KexLists): boolean {
  return lists.kex.includes(EXT_INFO[peer]);
}

export function encodeKexInit(lists: KexLists): Buffer {
  const writer = new WireWriter(1536).raw(Uint8Array.of(MSG.kexInit)).raw(randomBytes(COOKIE_BYTES));
  for (const names of inOrder(lists)) writer.string(names.join(','));
  // Two lists of languages, no guess, and four bytes that are reserved.
  writer.string('').string('').raw(Uint8Array.of(0)).uint32(0);
  return Buffer.from(writer.finish());
}

function inOrder(lists: KexLists): readonly (readonly string[])[] {
  return [
    lists.kex,
    lists.hostKey,
    lists.cipherToServer,
    lists.cipherToClient,
    lists.macToServer,
    lists.macToClient,
    lists.compressionToServer,
    lists.compressionToClient,
  ];
}

/** Throws BAD_REQUEST. The payload is kept, as the exchange is signed over it. */
export function parseKexInit(payload: Buffer): KexInit {
  const reader = new WireReader(payload, refuseMessage);
  reader.raw(1 + COOKIE_BYTES, 'the cookie');
  const names = (what: string): readonly string[] => readNames(reader, what);
  const lists = {
    kex: names('the key exchange algorithms'),
    hostKey: names('the host key algorithms'),
    cipherToServer: names('the ciphers'),
    cipherToClient: names('the ciphers'),
    macToServer: names('the MACs'),
    macToClient: names('the MACs'),
    compressionToServer: names('the compressions'),
    compressionToClient: names('the compressions'),
  };
  names('the languages');
  names('the languages');
  const isGuessed = reader.raw(1, 'the guess')[0] !== 0;
  reader.uint32('the reserved field');
  reader.end('the KEXINIT');
  return { ...lists, isGuessed, payload: Buffer.from(payload) };
}

/** A name-list, RFC 4251 5: printable ASCII. Empty names, which it forbids and libssh 0.10 sends, are passed over. */
export function readNames(reader: WireReader, what: string): readonly string[] {
  const bytes = reader.bytes(what, MAX_LIST_BYTES);
  if (bytes.length === 0) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (!/^[\x21-\x7e]+$/.test(text)) throw protocolError(`${what} are not a list of names`);
  const names = text.split(',').filter((name) => name !== '');
  if (names.some((name) => name.length > MAX_NAME_CHARS)) {
    throw protocolError(`${what} have a name that is too long`);
  }
  return names;
}

/** The client's first choice that the server has, for each list. Throws NOT_SUPPORTED and says which has none. */
export function agree(client: KexLists, server: KexLists): Agreement {
  const kex = choose('key exchange', client.kex, server.kex, KEX_ALGORITHMS);
  const hostKey = chooseName('host key', client.hostKey, server.hostKey);
  const toServer = direction(
    client.cipherToServer,
    server.cipherToServer,
    client.macToServer,
    server.macToServer,
  );
  const toClient = direction(
    client.cipherToClient,
    server.cipherToClient,
    client.macToClient,
    server.macToClient,
  );
  chooseName('compression', client.compressionToServer, server.compressionToServer);
  chooseName('compression', client.compressionToClient, server.compressionToClient);
  return { kex, hostKey, toServer, toClient };
}

/** RFC 4253 7.1: a guess is right when both ends prefer the same of the first two lists. */
export function isGuessRight(client: KexLists, server: KexLists): boolean {
  return client.kex[0] === server.kex[0] && client.hostKey[0] === server.hostKey[0];
}

function direction(
  clientCiphers: readonly string[],
  serverCiphers: readonly string[],
  clientMacs: readonly string[],
  serverMacs: readonly string[],
): Direction {
  const name = chooseName('cipher', clientCiphers, serverCiphers);
  const cipher = CIPHERS.find((candidate) => candidate.name === name);
  if (cipher === undefined) throw nothingInCommon('cipher', clientCiphers);
  if (cipher.mode === 'gcm') return { cipher, mac: undefined };
  const macName = chooseName('MAC', clientMacs, serverMacs);
  const mac = MACS.find((candidate) => candidate.name === macName);
  if (mac === undefined) throw nothingInCommon('MAC', clientMacs);
  return { cipher, mac };
}

function choose<T extends string>(
  what: string,
  client: readonly string[],
  server: readonly string[],
  known: readonly T[],
): T {
  // Markers such as ext-info-c stand in the same list and are no algorithms.
  for (const name of client) {
    const match = known.find((candidate) => candidate === name);
    if (match !== undefined && server.includes(name)) return match;
  }
  throw nothingInCommon(what, client);
}

function chooseName(what: string, client: readonly string[], server: readonly string[]): string {
  const name = client.find((candidate) => server.includes(candidate));
  if (name === undefined) throw nothingInCommon(what, client);
  return name;
}

function nothingInCommon(what: string, client: readonly string[]): Error {
  const offered = client.slice(0, 8).join(', ');
  return failure(
    'NOT_SUPPORTED',
    DISCONNECT.keyExchangeFailed,
    `the two ends have no ${what} algorithm in common; the client offers ${offered === '' ? 'none' : offered}`,
  );
}
