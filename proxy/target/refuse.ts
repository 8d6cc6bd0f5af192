// How somebody who is refused at the proxy is told so: in the protocol they speak, before anything of it was read. What they
// sent is read away, so that the answer is not lost with a reset connection.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { CODES, type Code } from '#core/errors/codes.ts';
import { toErrorBody, type ErrorBody } from '#core/errors/error.ts';
import { errorMessage } from '#wire/postgres/write.ts';
import type { TargetService } from '#wire/target/header.ts';

/** A client may take so long to read it. */
const LINGER_MS = 5000;

/** SQLSTATE, as clients and pools of them act on it; the rest is a refused authorization. */
const SQLSTATES: Readonly<Partial<Record<Code, string>>> = {
  NOT_FOUND: '3D000',
  LIMIT_EXCEEDED: '53300',
  UNAVAILABLE: '57P03',
  INTERNAL: 'XX000',
  BAD_REQUEST: '08P01',
};

/** Ends the stream, which is owned from now on. */
export function refuse(stream: Duplex, service: TargetService, error: unknown, clock: Clock): void {
  const body = toErrorBody(error);
  answerAndEnd(stream, service === 'db' ? postgresRefusal(body) : httpRefusal(body), clock);
}

/** For a PostgreSQL client that begins without TLS. */
export function refusedInClear(): Uint8Array {
  return errorMessage({
    severity: 'FATAL',
    code: '28000',
    message: 'TLS is needed here, with a client certificate',
    hint: 'Use `gate db connect`, or sslmode=verify-full with the files that `gate db config` names.',
  });
}

export function answerAndEnd(stream: Duplex, answer: Uint8Array, clock: Clock): void {
  const timer = clock.after(LINGER_MS, () => stream.destroy());
  stream.once('close', () => timer.cancel());
  stream.once('error', () => stream.destroy());
  stream.once('end', () => stream.destroy());
  stream.end(answer);
  stream.resume();
}

function postgresRefusal({ code, message, remedy }: ErrorBody): Uint8Array {
  return errorMessage({ severity: 'FATAL', code: SQLSTATES[code] ?? '28000', message, hint: remedy });
}

function httpRefusal(body: ErrorBody): Uint8Array {
  const { status } = CODES[body.code];
  const json = `${JSON.stringify({ error: body })}\n`;
  return Buffer.from(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `cache-control: no-store\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
  );
}
