// The first line each end sends (RFC 4253 4.2). Read byte-exact and bounded: it is the first thing a stranger can send,
// and it goes into the hash that both ends sign.
import { DISCONNECT } from '../messages.ts';
import { failure, protocolError } from './failure.ts';

/** Says no version: what runs here is nobody's business before login. */
export const OUR_VERSION = 'SSH-2.0-Gatehouse';

/** With the line's end, RFC 4253 4.2. */
const MAX_LINE_BYTES = 255;
const MAX_LINES_BEFORE = 50;
const MAX_BYTES_BEFORE = 8192;
const LF = 10;
const CR = 13;

/**
 * Takes chunks until the line is complete. A server refuses anything before it; a client passes over up to 50 lines, as
 * the RFC lets servers send them.
 */
export class VersionReader {
  readonly #role: 'server' | 'client';
  #line = '';
  #lines = 0;
  #before = 0;

  constructor(role: 'server' | 'client') {
    this.#role = role;
  }

  /** The line without its end, and the bytes behind it. Throws BAD_REQUEST or NOT_SUPPORTED. */
  push(chunk: Buffer): { readonly version: string; readonly rest: Buffer } | undefined {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(LF, at);
      const stop = end === -1 ? chunk.length : end;
      this.#add(chunk, at, stop);
      if (end === -1) return undefined;
      at = end + 1;
      const line = this.#takeLine();
      if (line !== undefined) return { version: line, rest: chunk.subarray(at) };
    }
    return undefined;
  }

  #add(chunk: Buffer, from: number, to: number): void {
    // One byte more is kept than is allowed, so that a line that is too long is seen as such.
    const room = MAX_LINE_BYTES - this.#line.length;
    this.#line += chunk.toString('latin1', from, Math.min(to, from + room));
    this.#before += to - from;
    if (this.#isOurs()) {
      if (to - from > room || this.#line.length > MAX_LINE_BYTES - 1) {
        throw protocolError('the version line is too long');
      }
      return;
    }
    if (this.#role === 'server') throw protocolError('the client does not speak SSH');
    if (this.#before > MAX_BYTES_BEFORE) throw protocolError('too much text before the version line');
  }

  /** Whether the line is, or may still become, a version. */
  #isOurs(): boolean {
    return this.#line.startsWith('SSH-') || 'SSH-'.startsWith(this.#line);
  }

  #takeLine(): string | undefined {
    const line = this.#line.charCodeAt(this.#line.length - 1) === CR ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    if (line.startsWith('SSH-')) return requireVersion(line, this.#role);
    if (this.#role === 'server') throw protocolError('the client does not speak SSH');
    this.#lines += 1;
    if (this.#lines > MAX_LINES_BEFORE) throw protocolError('too many lines before the version line');
    return undefined;
  }
}

function requireVersion(line: string, role: 'server' | 'client'): string {
  const isSupported = line.startsWith('SSH-2.0-') || (role === 'client' && line.startsWith('SSH-1.99-'));
  if (!isSupported) {
    throw failure('NOT_SUPPORTED', DISCONNECT.versionNotSupported, 'only version 2.0 of SSH is spoken here');
  }
  if (!/^[\x20-\x7e]+$/.test(line))
    throw protocolError('the version line has characters that are not allowed');
  return line;
}

const GCM_FIRST = /^SSH-2\.0-(?:Gatehouse|Go\b|ssh2js|libssh_|AsyncSSH_|OpenSSH_[1-9]\d)/;

/**
 * True for clients that take AES-GCM, rather than what we would not want, from the full list. For others a server waits
 * for the client's list and then offers only GCM, when it is in there.
 */
export function prefersGcm(version: string): boolean {
  return GCM_FIRST.test(version);
}
