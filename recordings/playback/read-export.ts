// Frames out of a file that export.ts wrote, or another program: lines of JSON with every frame, or asciicast v2. Files
// come from anywhere, so lines are bounded, and one that is not understood ends the reading.
import { GatehouseError } from '#core/errors/error.ts';
import type { Frame } from '../format/frames.ts';
import { readEnd, readMeta } from '../meta.ts';

/** A block as base64, and what is around it. */
const MAX_LINE = 16 * 1024 ** 2;
const MAX_SIDE = 0xffff;

/** The frames of a file, given in pieces. CORRUPT names the line. */
export async function* readExport(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const reader = new ExportReader();
  for await (const piece of pieces) yield* reader.push(piece);
  yield* reader.finish();
}

export class ExportReader {
  #held: Buffer[] = [];
  #size = 0;
  #lines = 0;
  #isCast = false;

  *push(piece: Uint8Array): Generator<Frame> {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      yield* this.#line(Buffer.concat([...this.#held, rest.subarray(0, end)]).toString('utf8'));
      this.#held = [];
      this.#size = 0;
      rest = rest.subarray(end + 1);
    }
    // The memory of a piece is its reader's.
    if (rest.length > 0) this.#held.push(Buffer.from(rest));
    this.#size += rest.length;
    if (this.#size > MAX_LINE) throw new GatehouseError('TOO_LARGE', 'a line of the recording is too long');
  }

  *finish(): Generator<Frame> {
    const last = Buffer.concat(this.#held).toString('utf8');
    if (last.trim() !== '') yield* this.#line(last);
    if (this.#lines === 0) throw corrupt(1, 'the file is empty');
  }

  *#line(text: string): Generator<Frame> {
    const value = parse(text, ++this.#lines);
    if (this.#lines === 1 && isCastHeader(value)) {
      this.#isCast = true;
      return;
    }
    const frame = this.#isCast ? castFrame(value) : jsonFrame(value, this.#lines);
    if (frame !== undefined) yield frame;
  }
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw corrupt(number, 'it is not JSON; a recording is played from `--as=json` or asciicast v2');
  }
}

const isCastHeader = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'version' in value && value.version === 2;

/** `[seconds, code, data]`; codes that are not known are passed over, as the format has it. */
function castFrame(value: unknown): Frame | undefined {
  if (!Array.isArray(value)) return undefined;
  const [seconds, code, data] = value as unknown[];
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || typeof data !== 'string') return undefined;
  const at = Math.max(0, Math.round(seconds * 1000));
  if (code === 'o') return { at, type: 'output', bytes: Buffer.from(data) };
  const [, columns, rows] = code === 'r' ? (/^(\d{1,5})x(\d{1,5})$/.exec(data) ?? []) : [];
  if (columns === undefined || rows === undefined) return undefined;
  return { at, type: 'resize', columns: bound(columns), rows: bound(rows) };
}

function jsonFrame(value: unknown, number: number): Frame | undefined {
  const frame = value as Record<string, unknown> | null;
  if (typeof frame !== 'object' || frame === null) throw corrupt(number, 'it is no frame');
  const { at, type } = frame;
  if (typeof at !== 'number' || !Number.isFinite(at) || at < 0 || typeof type !== 'string') {
    throw corrupt(number, 'it is no frame');
  }
  switch (type) {
    case 'start':
      return { at, type, meta: readMeta(frame['meta']) };
    case 'end':
      return { at, type, end: readEnd(frame['end']) };
    case 'output':
    case 'stderr':
    case 'input':
      return { at, type, bytes: Buffer.from(textOf(frame['bytes']), 'base64') };
    case 'resize':
      return { at, type, columns: bound(frame['columns']), rows: bound(frame['rows']) };
    case 'gap':
      return { at, type, omittedBytes: Number(frame['omittedBytes']) || 0 };
    case 'event':
      return { at, type, name: textOf(frame['name']), fields: fieldsOf(frame['fields']) };
    default:
      return undefined;
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const bound = (value: unknown): number => Math.min(MAX_SIDE, Math.max(1, Math.floor(Number(value)) || 1));

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function corrupt(line: number, what: string): GatehouseError {
  return new GatehouseError('CORRUPT', `line ${line} of the recording: ${what}`);
}
