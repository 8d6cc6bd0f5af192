// What a connection speaks, from its first bytes. Pure; first-bytes.ts collects them.
import {
  CANCEL_REQUEST,
  GSS_REQUEST,
  MAX_STARTUP_BYTES,
  PROTOCOL_MAJOR,
  SSL_REQUEST,
} from '#wire/postgres/protocol.ts';
import { isTlsStart, readClientHello, type ClientHello } from './client-hello.ts';

export type Spoken =
  | { readonly type: 'tls'; readonly hello: ClientHello }
  | { readonly type: 'ssh' }
  /** The first packet of a PostgreSQL client: a wish for TLS or GSSAPI, to cancel something, or to begin in clear. */
  | { readonly type: 'postgres'; readonly asks: 'tls' | 'gss' | 'cancel' | 'startup' }
  | { readonly type: 'http' };

const SSH = Buffer.from('SSH-');
/** Longest method of HTTP that is ours to answer, with its blank. */
const HTTP_METHODS = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'PATCH ', 'CONNECT '].map(
  (method) => Buffer.from(method),
);

const POSTGRES_HEAD_BYTES = 8;
const CANCEL_BYTES = 16;

/** `unknown`: none of what is spoken here, whatever may follow. */
export function detect(bytes: Uint8Array): Spoken | 'partial' | 'unknown' {
  if (bytes.length === 0) return 'partial';
  if (isTlsStart(bytes)) {
    const hello = readClientHello(bytes);
    if (hello === 'malformed') return 'unknown';
    return hello === 'partial' ? hello : { type: 'tls', hello };
  }
  if (beginsAs(bytes, SSH)) return bytes.length < SSH.length ? 'partial' : { type: 'ssh' };
  if (bytes[0] === 0) return detectPostgres(bytes);
  const method = HTTP_METHODS.find((known) => beginsAs(bytes, known));
  if (method === undefined) return 'unknown';
  return bytes.length < method.length ? 'partial' : { type: 'http' };
}

/** A length of four bytes, which begins with two zeros, and a code. */
function detectPostgres(bytes: Uint8Array): Spoken | 'partial' | 'unknown' {
  if ((bytes[1] ?? 0) !== 0) return 'unknown';
  if (bytes.length < POSTGRES_HEAD_BYTES) return 'partial';
  const head = new DataView(bytes.buffer, bytes.byteOffset, POSTGRES_HEAD_BYTES);
  const [length, code] = [head.getUint32(0), head.getUint32(4)];
  switch (code) {
    case SSL_REQUEST:
    case GSS_REQUEST:
      if (length !== POSTGRES_HEAD_BYTES) return 'unknown';
      return { type: 'postgres', asks: code === SSL_REQUEST ? 'tls' : 'gss' };
    case CANCEL_REQUEST:
      if (length !== CANCEL_BYTES) return 'unknown';
      return bytes.length < CANCEL_BYTES ? 'partial' : { type: 'postgres', asks: 'cancel' };
    default:
      if (code >>> 16 !== PROTOCOL_MAJOR || length <= POSTGRES_HEAD_BYTES) return 'unknown';
      return length > MAX_STARTUP_BYTES ? 'unknown' : { type: 'postgres', asks: 'startup' };
  }
}

function beginsAs(bytes: Uint8Array, start: Uint8Array): boolean {
  const common = Math.min(bytes.length, start.length);
  for (let at = 0; at < common; at++) if (bytes[at] !== start[at]) return false;
  return true;
}
