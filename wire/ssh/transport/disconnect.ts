// DISCONNECT (RFC 4253 11.1) as bytes and as errors. Its text is a stranger's: bounded, and without control characters.
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { DISCONNECT, MSG } from '../messages.ts';
import { refuseMessage } from './failure.ts';

const MAX_TEXT_BYTES = 1024;
const MAX_TEXT_CHARS = 200;

export function encodeDisconnect(code: number, message: string): Buffer {
  const writer = new WireWriter(128)
    .raw(Uint8Array.of(MSG.disconnect))
    .uint32(code)
    .string(message)
    .string('');
  return Buffer.from(writer.finish());
}

/** What the peer's words mean for this end: undefined when it ended in order. Throws BAD_REQUEST. */
export function errorOfDisconnect(payload: Buffer): GatehouseError | undefined {
  const reader = new WireReader(payload.subarray(1), refuseMessage);
  const reason = reader.uint32('the reason');
  if (reason === DISCONNECT.byApplication) return undefined;
  const bytes = reader.bytes('the message', MAX_TEXT_BYTES);
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/\p{C}+/gu, ' ')
    .slice(0, MAX_TEXT_CHARS);
  return new GatehouseError(
    'UNAVAILABLE',
    `the other end disconnected: ${text === '' ? 'no reason given' : text}`,
    {
      details: { reason },
    },
  );
}

/** What of an error the peer is told: only what was written for it. */
export function tellable(error: GatehouseError): { readonly code: number; readonly message: string } {
  const code = error.details['disconnect'];
  if (typeof code === 'number') return { code, message: error.message };
  const isOfHost = error.code === 'CERTIFICATE_INVALID';
  return { code: isOfHost ? DISCONNECT.hostKeyNotVerifiable : DISCONNECT.protocolError, message: 'refused' };
}
