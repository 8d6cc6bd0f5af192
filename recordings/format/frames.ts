// Frames: what happened, in the order it happened, inside an unpacked block. Each is a type, the milliseconds since the
// frame before, a length and that many bytes; numbers are variable-length. Reading is bounded by the block.
import { GatehouseError } from '#core/errors/error.ts';
import { readEnd, readMeta, type RecordingEnd, type RecordingMeta } from '../meta.ts';

const TYPES = { start: 1, output: 2, stderr: 3, input: 4, resize: 5, event: 6, gap: 7, end: 8 } as const;
export type FrameType = keyof typeof TYPES;
const NAMES = new Map<number, FrameType>(
  Object.entries(TYPES).map(([name, code]) => [code, name as FrameType]),
);

/** Type, time and length take at most this much. */
export const MAX_FRAME_OVERHEAD = 1 + 8 + 4;
const MAX_TIME_BITS = 48;
const MAX_CELLS = 0xffff;

interface At {
  /** Milliseconds since the start of the session. */
  readonly at: number;
}

export type Frame = At &
  (
    | { readonly type: 'start'; readonly meta: RecordingMeta }
    /** `bytes` lie in the block: copy what is to be kept. `input` is never written by this version. */
    | { readonly type: 'output' | 'stderr' | 'input'; readonly bytes: Buffer }
    | { readonly type: 'resize'; readonly columns: number; readonly rows: number }
    | { readonly type: 'event'; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }
    /** Here `omittedBytes` of output are missing, as the recorder had to leave them out. */
    | { readonly type: 'gap'; readonly omittedBytes: number }
    | { readonly type: 'end'; readonly end: RecordingEnd }
  );

/** Writes a frame at `offset` and returns where the next one begins. There must be room for it and its overhead. */
export function writeFrame(
  block: Buffer,
  offset: number,
  frame: { readonly type: FrameType; readonly deltaMs: number; readonly data: Uint8Array },
): number {
  block[offset] = TYPES[frame.type];
  const afterTime = writeNumber(block, offset + 1, frame.deltaMs);
  const start = writeNumber(block, afterTime, frame.data.length);
  block.set(frame.data, start);
  return start + frame.data.length;
}

function writeNumber(block: Buffer, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x80) {
    block[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  block[at++] = rest;
  return at;
}

export function encodeSize(columns: number, rows: number): Buffer {
  const data = Buffer.allocUnsafe(4);
  data.writeUInt16BE(Math.min(columns, MAX_CELLS), 0);
  data.writeUInt16BE(Math.min(rows, MAX_CELLS), 2);
  return data;
}

/**
 * The frames of an unpacked block whose time is `at`. CORRUPT where it stops making sense; the frames before are good.
 * Frames of types that this version does not know are passed over.
 */
export function* readFrames(block: Buffer, at: number): Generator<Frame> {
  const numbers = new Numbers(block);
  let now = at;
  while (numbers.offset < block.length) {
    const code = block[numbers.offset++] ?? 0;
    now += numbers.next();
    const length = numbers.next();
    const start = numbers.offset;
    numbers.offset += length;
    if (code === 0 || numbers.offset > block.length) throw corrupt('it is none, or longer than its block');
    const type = NAMES.get(code);
    if (type !== undefined) yield readFrame(type, now, block.subarray(start, numbers.offset));
  }
}

class Numbers {
  readonly #block: Buffer;
  offset = 0;

  constructor(block: Buffer) {
    this.#block = block;
  }

  next(): number {
    const first = this.#block[this.offset];
    // Most are small.
    if (first !== undefined && first < 0x80) {
      this.offset++;
      return first;
    }
    return this.#long();
  }

  #long(): number {
    let value = 0;
    for (let shift = 0; shift < MAX_TIME_BITS; shift += 7) {
      const byte = this.#block[this.offset++];
      if (byte === undefined) throw corrupt('a number is cut off');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw corrupt('a number is too long');
  }
}

function readFrame(type: FrameType, at: number, data: Buffer): Frame {
  switch (type) {
    case 'output':
    case 'stderr':
    case 'input':
      return { type, at, bytes: data };
    case 'resize':
      if (data.length !== 4) throw corrupt('a size of the terminal is not understood');
      return { type, at, columns: data.readUInt16BE(0), rows: data.readUInt16BE(2) };
    case 'start':
      return { type, at, meta: readMeta(parse(data)) };
    case 'end':
      return { type, at, end: readEnd(parse(data)) };
    case 'event': {
      const { name, fields } = parse(data);
      if (typeof name !== 'string' || !isObject(fields)) throw corrupt('an event is not understood');
      return { type, at, name, fields };
    }
    case 'gap': {
      const { omitted_bytes: omittedBytes } = parse(data);
      if (typeof omittedBytes !== 'number') throw corrupt('a gap is not understood');
      return { type, at, omittedBytes };
    }
  }
}

function parse(data: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    if (isObject(value)) return value;
  } catch (cause) {
    throw new GatehouseError('CORRUPT', 'frame: its content is no JSON', { cause });
  }
  throw corrupt('its content is no JSON object');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(what: string): GatehouseError {
  return new GatehouseError('CORRUPT', `frame: ${what}`);
}
