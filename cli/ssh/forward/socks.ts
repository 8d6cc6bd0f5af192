// The SOCKS protocol as a browser speaks it to -D: version 5 without authentication (RFC 1928), 4 and 4a; CONNECT only.
// Pure, and bounded: whatever runs on this machine may connect.
import { formatIp } from '#core/certs/ip-address.ts';
import { refuseInput } from '#core/certs/refusal.ts';

/** No request is longer: version 4a has two texts of up to 255 bytes. */
export const MAX_SOCKS_BYTES = 600;

export type SocksMessage =
  /** Answer it, then read the request. */
  | { readonly is: 'greeting'; readonly used: number; readonly reply: Uint8Array }
  | {
      readonly is: 'request';
      readonly used: number;
      readonly host: string;
      readonly port: number;
      readonly granted: Uint8Array;
      readonly failed: Uint8Array;
    };

const NO_AUTHENTICATION = 0;
const CONNECT = 1;
const HOST_NAME = /^[\x21-\x7e]{1,255}$/;

/** The first message in `bytes`; undefined when it is not complete. BAD_REQUEST when it is none that is understood. */
export function readSocks(bytes: Uint8Array, wants: SocksMessage['is']): SocksMessage | undefined {
  if (bytes.length > MAX_SOCKS_BYTES * 2) throw bad('too much before an answer');
  if (bytes.length === 0) return undefined;
  const message =
    bytes[0] === 4 && wants === 'greeting'
      ? readVersion4(bytes)
      : bytes[0] === 5
        ? wants === 'greeting'
          ? readGreeting(bytes)
          : readRequest(bytes)
        : undefined;
  if (message !== undefined) return message;
  if (bytes[0] !== 5 && !(bytes[0] === 4 && wants === 'greeting')) throw bad('not SOCKS 4, 4a or 5');
  if (bytes.length > MAX_SOCKS_BYTES) throw bad('the message is too long');
  return undefined;
}

function readGreeting(bytes: Uint8Array): SocksMessage | undefined {
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + count) return undefined;
  if (!bytes.subarray(2, 2 + count).includes(NO_AUTHENTICATION))
    throw bad('the client wants to authenticate');
  return { is: 'greeting', used: 2 + count, reply: Uint8Array.of(5, NO_AUTHENTICATION) };
}

function readRequest(bytes: Uint8Array): SocksMessage | undefined {
  const [, command, , type, first] = bytes;
  if (type === undefined || first === undefined) return undefined;
  if (command !== CONNECT) throw bad('only CONNECT is served');
  const size = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? first + 1 : undefined;
  if (size === undefined) throw bad('unknown type of address');
  const end = 4 + size;
  if (bytes.length < end + 2) return undefined;
  const host =
    type === 3 ? nameOf(bytes.subarray(5, end)) : formatIp(Uint8Array.from(bytes.subarray(4, end)));
  return {
    is: 'request',
    used: end + 2,
    host,
    port: portAt(bytes, end),
    granted: Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    failed: Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0),
  };
}

function readVersion4(bytes: Uint8Array): SocksMessage | undefined {
  if (bytes.length < 9) return undefined;
  if (bytes[1] !== CONNECT) throw bad('only CONNECT is served');
  const userEnd = bytes.indexOf(0, 8);
  if (userEnd < 0) return undefined;
  const ip = Uint8Array.from(bytes.subarray(4, 8));
  const isNamed = ip[0] === 0 && ip[1] === 0 && ip[2] === 0 && ip[3] !== 0;
  const nameEnd = isNamed ? bytes.indexOf(0, userEnd + 1) : userEnd;
  if (nameEnd < 0) return undefined;
  return {
    is: 'request',
    used: nameEnd + 1,
    host: isNamed ? nameOf(bytes.subarray(userEnd + 1, nameEnd)) : formatIp(ip),
    port: portAt(bytes, 2),
    granted: Uint8Array.of(0, 0x5a, 0, 0, 0, 0, 0, 0),
    failed: Uint8Array.of(0, 0x5b, 0, 0, 0, 0, 0, 0),
  };
}

function nameOf(bytes: Uint8Array): string {
  const name = Buffer.from(bytes).toString('latin1');
  if (HOST_NAME.test(name)) return name;
  throw bad('the name of the host cannot be one');
}

function portAt(bytes: Uint8Array, at: number): number {
  const port = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (port > 0) return port;
  throw bad('port 0 cannot be connected to');
}

const bad = (why: string) => refuseInput('malformed', `SOCKS: ${why}`);
