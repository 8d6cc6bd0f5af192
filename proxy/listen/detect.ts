// What a connection speaks, from its first bytes. Pure; first-bytes.ts collects them.
import { isTlsStart, readClientHello, type ClientHello } from './client-hello.ts';

export type Spoken =
  | { readonly type: 'tls'; readonly hello: ClientHello }
  | { readonly type: 'ssh' }
  | { readonly type: 'http' };

const SSH = Buffer.from('SSH-');
/** Longest method of HTTP that is ours to answer, with its blank. */
const HTTP_METHODS = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'DELETE ', 'OPTIONS ', 'PATCH ', 'CONNECT '].map(
  (method) => Buffer.from(method),
);

/** `unknown`: none of what is spoken here, whatever may follow. */
export function detect(bytes: Uint8Array): Spoken | 'partial' | 'unknown' {
  if (bytes.length === 0) return 'partial';
  if (isTlsStart(bytes)) {
    const hello = readClientHello(bytes);
    if (hello === 'malformed') return 'unknown';
    return hello === 'partial' ? hello : { type: 'tls', hello };
  }
  if (beginsAs(bytes, SSH)) return bytes.length < SSH.length ? 'partial' : { type: 'ssh' };
  const method = HTTP_METHODS.find((known) => beginsAs(bytes, known));
  if (method === undefined) return 'unknown';
  return bytes.length < method.length ? 'partial' : { type: 'http' };
}

function beginsAs(bytes: Uint8Array, start: Uint8Array): boolean {
  const common = Math.min(bytes.length, start.length);
  for (let at = 0; at < common; at++) if (bytes[at] !== start[at]) return false;
  return true;
}
