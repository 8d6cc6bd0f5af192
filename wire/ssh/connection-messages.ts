// The messages above the transport that are built or judged in more than one place (RFC 4252, RFC 4254). Their numbers
// are in messages.ts; what each layer does with them is in its own file.
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_PACKET_BYTES } from './limits.ts';

/** Extended data of this type is standard error; there is no other type. */
export const STDERR = 1;

/** Reasons to refuse a channel, RFC 4254 5.1. */
export const OPEN_REFUSED = {
  prohibited: 1,
  connectFailed: 2,
  unknownType: 3,
  resourceShortage: 4,
} as const;

/** Names of requests, channel types, methods and algorithms are longer nowhere. */
export const MAX_NAME_BYTES = 256;

/** For a peer that breaks the protocol. Thrown out of onMessage, it ends the connection. */
export function protocolError(message: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', message, { details: { reason: 'protocol' } });
}

/** A message that is its own number and then 32-bit numbers. */
export function numbersMessage(type: number, ...numbers: readonly number[]): Uint8Array {
  const message = Buffer.allocUnsafe(1 + 4 * numbers.length);
  message[0] = type;
  let at = 1;
  for (const number of numbers) at = message.writeUInt32BE(number, at);
  return message;
}

/** Starts a message: its number first. */
export function startMessage(type: number, expectedBytes = 128): WireWriter {
  return new WireWriter(expectedBytes).raw(Uint8Array.of(type));
}

/** With its head it still fits a packet; SSH has no way to send more in one message. */
const MAX_PAYLOAD_BYTES = MAX_PACKET_BYTES - 1024;

/** Throws TOO_LARGE for what no request or opening can carry. */
export function requirePayloadFits(payload: Uint8Array): void {
  if (payload.length <= MAX_PAYLOAD_BYTES) return;
  throw new GatehouseError('TOO_LARGE', `an SSH request carries at most ${MAX_PAYLOAD_BYTES} bytes`);
}
