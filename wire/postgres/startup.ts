// What a client sends before anything else: a request for encryption, the cancelling of another connection, or who it is
// and which database it wants. Apart from the messages after it, because these packets have no type byte.
import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { Content } from './content.ts';
import { malformed } from './malformed.ts';
import { CANCEL_REQUEST, GSS_REQUEST, MAX_STARTUP_BYTES, SSL_REQUEST } from './protocol.ts';

export type FirstPacket =
  | { readonly type: 'ssl' | 'gss' }
  | { readonly type: 'cancel'; readonly processId: number; readonly secret: number }
  | {
      readonly type: 'startup';
      readonly major: number;
      readonly minor: number;
      /** As they came, `user` and `database` among them; names are unique. */
      readonly parameters: ReadonlyMap<string, string>;
    };

const LENGTH_BYTES = 4;
const CODE_BYTES = 4;

/**
 * Reads one packet from a paused stream and leaves what follows in it. Undefined when the stream ends before; BAD_REQUEST
 * when it is none. The caller bounds the time by destroying the stream.
 */
export async function readFirstPacket(stream: Duplex): Promise<FirstPacket | undefined> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const length = packetLength(bytes);
    if (length !== undefined && bytes.length >= length) {
      if (bytes.length > length) stream.unshift(bytes.subarray(length));
      return parseFirstPacket(bytes.subarray(LENGTH_BYTES, length));
    }
    const more = await nextPiece(stream);
    if (more === undefined) {
      if (bytes.length === 0) return undefined;
      throw malformed('the connection ended within the first packet');
    }
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
  }
}

function packetLength(bytes: Buffer): number | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const length = bytes.readUInt32BE(0);
  if (length < LENGTH_BYTES + CODE_BYTES || length > MAX_STARTUP_BYTES) {
    throw malformed('the first packet has no sensible length');
  }
  return length;
}

/** The next bytes, undefined at the end. Rejects with the stream's error. */
export function nextPiece(stream: Duplex): Promise<Buffer | undefined> {
  const here = stream.read() as Buffer | null;
  if (here !== null) return Promise.resolve(here);
  if (stream.readableEnded || stream.destroyed) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      stream.off('error', onError);
      act();
    };
    const onReadable = (): void => {
      const piece = stream.read() as Buffer | null;
      if (piece !== null) settle(() => resolve(piece))();
    };
    const onEnd = settle(() => resolve(undefined));
    const onError = (error: Error): void => settle(() => reject(error))();
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', onError);
  });
}

/** The packet without its length. BAD_REQUEST when it is none. */
export function parseFirstPacket(bytes: Buffer): FirstPacket {
  const content = new Content(bytes, 0, bytes.length);
  const code = content.uint32();
  if (code === SSL_REQUEST || code === GSS_REQUEST) {
    content.finish();
    return { type: code === SSL_REQUEST ? 'ssl' : 'gss' };
  }
  if (code === CANCEL_REQUEST) {
    const [processId, secret] = [content.uint32(), content.uint32()];
    content.finish();
    return { type: 'cancel', processId, secret };
  }
  const [major, minor] = [code >>> 16, code & 0xffff];
  // What else follows is only known of version 3.
  const parameters = major === 3 ? readParameters(bytes, content) : new Map<string, string>();
  return { type: 'startup', major, minor, parameters };
}

function readParameters(bytes: Buffer, content: Content): Map<string, string> {
  // Names decide who may do what: they must mean the same here and where they are sent.
  if (!isUtf8(bytes.subarray(CODE_BYTES))) throw malformed('the startup packet is not UTF-8');
  const parameters = new Map<string, string>();
  for (let name = content.text(); name !== ''; name = content.text()) {
    if (parameters.has(name)) throw malformed('a parameter is there twice');
    parameters.set(name, content.text());
  }
  content.finish();
  return parameters;
}
