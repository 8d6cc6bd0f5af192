// The beginning of a client's connection: requests for encryption, which it has by now, and then who it wants to be in
// which database. What cannot be served is refused here, before anybody is asked.
import type { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import { malformed } from '#wire/postgres/malformed.ts';
import { MAX_NAME_BYTES, PROTOCOL_MAJOR } from '#wire/postgres/protocol.ts';
import { readFirstPacket, type FirstPacket } from '#wire/postgres/startup.ts';
import { negotiateVersion } from '#wire/postgres/write.ts';

export interface ClientLogin {
  readonly user: string;
  readonly database: string;
  /** The other parameters, as the server is given them. */
  readonly parameters: readonly (readonly [string, string])[];
}

/** SSL and GSS, and once more each. */
const MAX_REQUESTS = 4;
const NO = Buffer.from('N');
/** What PostgreSQL reads as "no". */
const OFF = ['', '0', 'f', 'fa', 'fal', 'fals', 'false', 'n', 'no', 'of', 'off'];
const EXTENSION_PREFIX = '_pq_.';

/**
 * Undefined when the client left, or sent a cancel request, which `onCancel` was given. BAD_REQUEST, NOT_SUPPORTED with
 * the text for the client.
 */
export async function readLogin(
  stream: Duplex,
  onCancel: (processId: number, secret: number) => void,
): Promise<ClientLogin | undefined> {
  for (let n = 0; n <= MAX_REQUESTS; n++) {
    const packet = await readFirstPacket(stream);
    if (packet === undefined) return undefined;
    if (packet.type === 'startup') return readStartup(packet, stream);
    if (packet.type === 'cancel') {
      onCancel(packet.processId, packet.secret);
      return undefined;
    }
    // The connection is in TLS already: a tunnel on the client's machine is what it speaks to.
    stream.write(NO);
  }
  throw malformed('too many requests for encryption');
}

function readStartup(
  { major, minor, parameters }: Extract<FirstPacket, { type: 'startup' }>,
  stream: Duplex,
): ClientLogin {
  if (major !== PROTOCOL_MAJOR) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      `version ${major}.${minor} of the protocol; 3.0 is spoken here`,
    );
  }
  if (!OFF.includes(parameters.get('replication')?.toLowerCase() ?? '')) {
    throw new GatehouseError('NOT_SUPPORTED', 'replication connections cannot be audited and are not served');
  }
  const user = parameters.get('user') ?? '';
  if (user === '') throw new GatehouseError('BAD_REQUEST', 'no database user was named');
  const given = parameters.get('database') ?? '';
  const database = given === '' ? user : given;
  requireName(user, 'user');
  requireName(database, 'database');
  const names = [...parameters.keys()];
  const extensions = names.filter((name) => name.startsWith(EXTENSION_PREFIX));
  if (minor > 0 || extensions.length > 0) stream.write(negotiateVersion(extensions));
  const own = new Set(['user', 'database', 'replication', ...extensions]);
  return { user, database, parameters: [...parameters].filter(([name]) => !own.has(name)) };
}

/** The server would cut a longer name, and so mean another one than roles were asked about. */
function requireName(name: string, what: string): void {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return;
  throw new GatehouseError('BAD_REQUEST', `the name of the ${what} is longer than ${MAX_NAME_BYTES} bytes`);
}
