// The local end of a tunnel to a PostgreSQL database. Clients speak plainly on this machine: their requests for encryption
// are declined, all else is for the agent, cancel requests included. What goes wrong here is said as a server would say it.
import type { Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { GSS_REQUEST, SSL_REQUEST } from '#wire/postgres/protocol.ts';
import { nextPiece } from '#wire/postgres/startup.ts';
import { errorMessage } from '#wire/postgres/write.ts';

const FIRST_BYTES_MS = 30_000;
const REQUEST_BYTES = 8;
/** A client asks for GSSAPI and for TLS at most. */
const MOST_REQUESTS = 2;
const CONNECTION_FAILURE = '08006';

/** True when the next bytes are a startup or cancel packet, which is left in the stream; false when the client went away. */
export async function greetPostgres(socket: Socket, clock: Clock): Promise<boolean> {
  const timer = clock.after(FIRST_BYTES_MS, () => socket.destroy());
  try {
    for (let requests = 0; ; requests++) {
      const head = await peek(socket, REQUEST_BYTES);
      if (head === undefined) return false;
      if (!isEncryptionRequest(head)) return true;
      if (requests === MOST_REQUESTS) {
        throw new GatehouseError('BAD_REQUEST', 'the client asks for encryption again and again');
      }
      socket.read(REQUEST_BYTES);
      socket.write('N');
    }
  } finally {
    timer.cancel();
  }
}

/** Ends the connection with an error that every client shows. */
export function refusePostgres(socket: Socket, error: unknown): void {
  const message = error instanceof Error ? error.message : 'the connection failed';
  const remedy = error instanceof GatehouseError ? error.details['remedy'] : undefined;
  socket.end(
    errorMessage({
      severity: 'FATAL',
      code: CONNECTION_FAILURE,
      message: `gate: ${message}`,
      ...(typeof remedy === 'string' ? { hint: remedy } : {}),
    }),
  );
}

function isEncryptionRequest(head: Buffer): boolean {
  const code = head.readUInt32BE(4);
  return head.readUInt32BE(0) === REQUEST_BYTES && (code === SSL_REQUEST || code === GSS_REQUEST);
}

/** The next bytes, left where they are; undefined when the stream ends before. */
async function peek(socket: Socket, count: number): Promise<Buffer | undefined> {
  let bytes: Buffer = Buffer.alloc(0);
  while (bytes.length < count) {
    const more = await nextPiece(socket);
    if (more === undefined) return undefined;
    bytes = Buffer.concat([bytes, more]);
  }
  socket.unshift(bytes);
  return bytes;
}
