// What agents and proxies, and proxies among themselves, say to each other over SSH. An agent connects with its host
// certificate, its host id as user name, and asks to be a tunnel; from then on the proxy opens a channel for each
// connection to it. A proxy asks another one the same way for an agent whose tunnel ends there.
import { GatehouseError } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

/** Global request of an agent: from now on this connection is its tunnel. Payload TunnelHello, reply TunnelWelcome. */
export const TUNNEL_REQUEST = 'tunnel@gatehouse.dev';
/** Global request of a proxy that goes away, without answer: go elsewhere, this connection stays while it is used. */
export const RECONNECT_REQUEST = 'reconnect@gatehouse.dev';
/** Channel that a proxy opens to a tunnel. Payload Dial. */
export const DIAL_CHANNEL = 'dial@gatehouse.dev';
/** Channel that a proxy opens to another proxy. Payload PeerDial. */
export const PEER_CHANNEL = 'peer-dial@gatehouse.dev';

export const TUNNEL_SERVICES = ['ssh', 'db', 'app'] as const;
export type TunnelService = (typeof TUNNEL_SERVICES)[number];

const MAX_BYTES = 4096;

export interface JsonCodec<T> {
  encode(value: T): Uint8Array;
  /** BAD_REQUEST. */
  decode(bytes: Uint8Array): T;
}

const address: s.Format = {
  says: 'ip:port of the client',
  accepts: (text) => parseIpPort(text) !== undefined,
};
const dialFields = {
  service: s.enumOf(TUNNEL_SERVICES),
  /** `ip:port` of the person's client. */
  client: s.string({ format: address, maxLength: 64 }),
};

/** What the tunnel is for; words that a reader does not know say nothing to it. */
export const tunnelHello = json('the tunnel request', {
  services: s.list(s.string({ maxLength: 32 }), { max: 32 }),
});
export const tunnelWelcome = json('the answer to the tunnel request', {
  proxy_id: s.string({ minLength: 1, maxLength: 253 }),
});
export const dial = json('the dial', dialFields);
export const peerDial = json('the dial through a peer', {
  ...dialFields,
  target: s.string({ minLength: 1, maxLength: 253 }),
});

/** Fields that are not known are left out: the other end may be newer. */
function json<F extends s.Fields>(what: string, fields: F): JsonCodec<s.InferFields<F>> {
  const schema = s.object(fields);
  return {
    encode: (value) => new Uint8Array(Buffer.from(JSON.stringify(value))),
    decode(bytes) {
      const document = parse(bytes, what);
      const known = Object.entries(document).filter(([key]) => Object.hasOwn(fields, key));
      const result = check(schema, Object.fromEntries(known));
      if (result.ok) return result.value;
      const [first] = result.problems;
      throw malformed(what, first === undefined ? undefined : formatProblem(first));
    },
  };
}

function parse(bytes: Uint8Array, what: string): object {
  if (bytes.length > MAX_BYTES) throw malformed(what, `more than ${MAX_BYTES} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw malformed(what, 'not JSON', cause);
  }
  if (typeof document !== 'object' || document === null) throw malformed(what, 'not an object');
  return document;
}

function malformed(what: string, why = 'malformed', cause?: unknown): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `${what} is not understood: ${why}`, { cause });
}
