// What a proxy tells an agent ahead of a client's bytes: for which target they are, whose they are, and from where. A frame
// of four bytes of length (big endian) and JSON. It is sent with the first bytes and not answered: an agent answers in the
// protocol of the target.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

export const TARGET_SERVICES = ['db', 'app'] as const;
export type TargetService = (typeof TARGET_SERVICES)[number];

/** Of the JSON; certificates have at most half of it. */
export const MAX_TARGET_HEADER_BYTES = 32 * 1024;
const LENGTH_BYTES = 4;

const address: s.Format = {
  says: 'ip:port of the client',
  accepts: (text) => parseIpPort(text) !== undefined,
};
const base64: s.Format = {
  says: 'base64',
  accepts: (text) => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0,
};

const client = s.string({ format: address, maxLength: 64 });
const connectFields = {
  service: s.enumOf(TARGET_SERVICES),
  /** Name of the database or application. */
  target: s.string({ minLength: 1, maxLength: 253 }),
  /** `ip:port` of the person's client. */
  client,
  /** The X.509 certificate of the person, DER; the proxy saw proof of its key, or keeps the web session it was made for. */
  certificate: s.string({ format: base64, minLength: 4, maxLength: 24 * 1024 }),
  /** Of a web session: the hash of its id. */
  session: s.optional(s.string({ minLength: 1, maxLength: 128 })),
};
const uint32 = s.integer({ min: 0, max: 0xffff_ffff });
const cancelFields = {
  service: s.enumOf(['db']),
  client,
  /** As a client sent it in a CancelRequest; nothing of it is proven. */
  cancel: s.object({ process_id: uint32, secret: uint32 }),
};
const connect = s.object(connectFields);
const cancel = s.object(cancelFields);

/** A connection to a target. */
export type ConnectHeader = s.Infer<typeof connect>;
/** A request to cancel what runs on another connection. */
export type CancelHeader = s.Infer<typeof cancel>;
export type TargetHeader = ConnectHeader | CancelHeader;

export interface HeaderLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export function isCancel(header: TargetHeader): header is CancelHeader {
  return 'cancel' in header;
}

/** BAD_REQUEST when it would be too long. */
export function writeTargetHeader(header: TargetHeader): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  if (json.length > MAX_TARGET_HEADER_BYTES) throw malformed('it is too long');
  const frame = Buffer.alloc(LENGTH_BYTES + json.length);
  frame.writeUInt32BE(json.length);
  json.copy(frame, LENGTH_BYTES);
  return frame;
}

/** BAD_REQUEST. Fields that are not known are left out: the proxy may be newer. */
export function parseTargetHeader(json: Uint8Array): TargetHeader {
  const document = parseObject(json);
  const isOfCancel = Object.hasOwn(document, 'cancel');
  const fields: s.Fields = isOfCancel ? cancelFields : connectFields;
  const known = Object.fromEntries(Object.entries(document).filter(([key]) => Object.hasOwn(fields, key)));
  const result = isOfCancel ? check(cancel, known) : check(connect, known);
  if (result.ok) return result.value;
  const [first] = result.problems;
  throw malformed(first === undefined ? 'malformed' : formatProblem(first));
}

/**
 * Takes the header off a stream that nobody has read; what comes after it is left to be read. BAD_REQUEST when it is none,
 * UNAVAILABLE when the stream ends or time is up first; the caller destroys it.
 */
export function readTargetHeader(stream: Duplex, limits: HeaderLimits): Promise<TargetHeader> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      stream.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      run();
    };
    const fail = (error: unknown): void => settle(() => reject(error as Error));
    const onEnd = (): void => fail(unavailable('the connection ended before its header'));
    const onReadable = (): void => {
      for (let part = read(stream); part !== null; part = read(stream)) {
        bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
      }
      try {
        const end = frameEnd(bytes);
        if (end === undefined || bytes.length < end) return;
        const header = parseTargetHeader(bytes.subarray(LENGTH_BYTES, end));
        settle(() => {
          if (bytes.length > end) stream.unshift(bytes.subarray(end));
          resolve(header);
        });
      } catch (error) {
        fail(error);
      }
    };
    const timer = limits.clock.after(limits.timeoutMs, () =>
      fail(unavailable('the header did not come in time')),
    );
    stream.on('readable', onReadable).once('end', onEnd).once('close', onEnd).once('error', onEnd);
  });
}

const read = (stream: Duplex): Buffer | null => stream.read() as Buffer | null;

/** Where the frame ends; undefined until its length is there. */
function frameEnd(bytes: Buffer): number | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const length = bytes.readUInt32BE();
  if (length === 0 || length > MAX_TARGET_HEADER_BYTES) throw malformed('its length is out of bounds');
  return LENGTH_BYTES + length;
}

function parseObject(json: Uint8Array): object {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
  } catch (cause) {
    throw malformed('it is not JSON', cause);
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document;
  throw malformed('it is not an object');
}

const malformed = (why: string, cause?: unknown): GatehouseError =>
  new GatehouseError('BAD_REQUEST', `the header of the proxy is not understood: ${why}`, { cause });
const unavailable = (why: string): GatehouseError => new GatehouseError('UNAVAILABLE', why);
