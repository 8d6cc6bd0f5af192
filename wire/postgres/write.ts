// Builds messages and first packets: what an agent says to a client in the server's place, and to a server in the client's.
import type { PostgresError } from './server-messages.ts';
import { CANCEL_REQUEST, CLIENT, PROTOCOL_MAJOR, SERVER, SSL_REQUEST } from './protocol.ts';

/** A message with a type byte. */
export function message(type: number, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const contents = parts.map((part) => (typeof part === 'string' ? zeroEnded(part) : part));
  const length = contents.reduce((sum, part) => sum + part.length, 4);
  const bytes = Buffer.allocUnsafe(length + 1);
  bytes[0] = type;
  bytes.writeUInt32BE(length, 1);
  let at = 5;
  for (const part of contents) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** ErrorResponse. `severity` FATAL ends the connection: the caller closes it. */
export function errorMessage(error: PostgresError): Buffer {
  const { severity, code, message: text, detail, hint } = error;
  const parts = [`S${severity}`, `V${severity}`, `C${code}`, `M${text}`];
  if (detail !== undefined) parts.push(`D${detail}`);
  if (hint !== undefined) parts.push(`H${hint}`);
  return message(SERVER.error, ...parts.map((part) => part.replaceAll('\0', ' ')), Buffer.of(0));
}

export const authenticationOk = (): Buffer => message(SERVER.authentication, uint32(0));

export const parameterStatus = (name: string, value: string): Buffer =>
  message(SERVER.parameterStatus, name, value);

export const backendKeyData = (processId: number, secret: number): Buffer =>
  message(SERVER.backendKeyData, uint32(processId), uint32(secret));

/** `status`: I idle, T in a transaction, E in a failed one. */
export const readyForQuery = (status: 'I' | 'T' | 'E'): Buffer => message(SERVER.ready, Buffer.from(status));

/** Tells a client that asked for more than version 3.0 what it gets. */
export function negotiateVersion(unknownOptions: readonly string[]): Buffer {
  return message(SERVER.negotiate, uint32(0), uint32(unknownOptions.length), ...unknownOptions);
}

/** The first packet of a connection. No text may hold a zero byte. */
export function startupPacket(parameters: Iterable<readonly [string, string]>): Buffer {
  const texts = [...parameters].flatMap(([name, value]) => [zeroEnded(name), zeroEnded(value)]);
  return packet(uint32(PROTOCOL_MAJOR << 16), ...texts, Buffer.of(0));
}

export const sslRequest = (): Buffer => packet(uint32(SSL_REQUEST));

export const cancelRequest = (processId: number, secret: number): Buffer =>
  packet(uint32(CANCEL_REQUEST), uint32(processId), uint32(secret));

export const terminate = (): Buffer => message(CLIENT.terminate);

/** PasswordMessage, or an answer in SASL that has no length of its own. */
export const passwordMessage = (...parts: readonly (Uint8Array | string)[]): Buffer =>
  message(CLIENT.password, ...parts);

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function packet(...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([uint32(length), ...parts]);
}

function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
