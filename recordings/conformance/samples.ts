// Recordings for tests, made without a spool: segments as they would be uploaded, and a source that reads them.
import { readFile } from 'node:fs/promises';
import { BlockBuilder } from '../recorder/block-builder.ts';
import type { Frame } from '../format/frames.ts';
import { encodeSize } from '../format/frames.ts';
import { Packer } from '../format/packer.ts';
import { encodeHeader, NO_PREVIOUS, sha256 } from '../format/segment.ts';
import type { RecordingMeta, SessionFacts } from '../meta.ts';
import type { RecordingSource } from '../source.ts';
import type { Spool } from '../spool.ts';
import type { SegmentUpload } from '../upload.ts';

export const HOST = '6ba7b810-9dad-41d1-80b4-00c04fd430c8';
export const OTHER_HOST = '6ba7b811-9dad-41d1-80b4-00c04fd430c8';
export const START = '2026-03-01T10:00:00Z';

export const FACTS: SessionFacts = {
  user: 'alice',
  login: 'root',
  server_id: HOST,
  server_hostname: 'db-1',
  cluster_name: 'example',
  recorded_by: HOST,
  protocol: 'ssh',
  size: '80:25',
};

export function sessionId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

export type SampleFrame =
  | { readonly at: number; readonly output: string | Uint8Array }
  | { readonly at: number; readonly resize: readonly [number, number] }
  | { readonly at: number; readonly event: string; readonly fields?: Readonly<Record<string, unknown>> };

export interface SampleOptions {
  readonly session: string;
  /** The frames of each segment; each inner list is a block. */
  readonly segments: readonly (readonly (readonly SampleFrame[])[])[];
  readonly meta?: Partial<RecordingMeta>;
  /** What the end says; null leaves it out. */
  readonly end?: Readonly<Record<string, unknown>> | null;
}

/** Segments 1 to n of a recording. */
export async function sampleSegments(options: SampleOptions): Promise<Buffer[]> {
  const { session, segments } = options;
  const packer = new Packer();
  const made: Buffer[] = [];
  for (const [at, blocks] of segments.entries()) {
    const previous = at === 0 ? NO_PREVIOUS : sha256(made.at(-1) ?? Buffer.alloc(0));
    const parts: Buffer[] = [encodeHeader({ sid: session, number: at + 1, previous })];
    for (const [index, frames] of blocks.entries()) {
      const isFirst = at === 0 && index === 0;
      const isLast = at === segments.length - 1 && index === blocks.length - 1;
      const block = blockOf(
        frames,
        isFirst ? metaFrame(options) : undefined,
        isLast ? endFrame(options) : undefined,
      );
      parts.push(await packer.pack(block.bytes, block.at));
    }
    made.push(Buffer.concat(parts));
  }
  packer.close();
  return made;
}

function blockOf(frames: readonly SampleFrame[], meta?: Buffer, end?: Buffer): BlockBuilder {
  const block = new BlockBuilder(frames[0]?.at ?? 0);
  if (meta !== undefined) block.add('start', 0, meta);
  for (const frame of frames) addFrame(block, frame);
  if (end !== undefined) block.add('end', frames.at(-1)?.at ?? 0, end);
  return block;
}

function metaFrame({ session, meta }: SampleOptions): Buffer {
  const said = { ...FACTS, sid: session, kind: 'interactive', started_at: START, ...meta };
  return Buffer.from(JSON.stringify(said));
}

function endFrame({ segments, end }: SampleOptions): Buffer | undefined {
  if (end === null) return undefined;
  const said = { reason: 'closed', ended_at: START, segments: segments.length, ...end };
  return Buffer.from(JSON.stringify(said));
}

function addFrame(block: BlockBuilder, frame: SampleFrame): void {
  if ('output' in frame) block.add('output', frame.at, Buffer.from(frame.output));
  else if ('resize' in frame) block.add('resize', frame.at, encodeSize(...frame.resize));
  else
    block.add(
      'event',
      frame.at,
      Buffer.from(JSON.stringify({ name: frame.event, fields: frame.fields ?? {} })),
    );
}

/** A recording of three segments that prints `one`, `two` and `three`, a second apart. */
export function threeSegments(session: string, meta: Partial<RecordingMeta> = {}): Promise<Buffer[]> {
  const words = ['one\r\n', 'two\r\n', 'three\r\n'];
  return sampleSegments({
    session,
    meta,
    segments: words.map((output, at) => [[{ at: at * 1000, output }]]),
  });
}

/** A whole recording in one segment. */
export async function wholeSegment(session: string, meta: Partial<RecordingMeta> = {}): Promise<Buffer> {
  const [segment] = await sampleSegments({ session, meta, segments: [[[{ at: 0, output: 'done\r\n' }]]] });
  if (segment === undefined) throw new Error('no segment');
  return segment;
}

export function uploadOf(session: string, number: number, bytes: Buffer): SegmentUpload {
  return { session, number, bytes, sha256: sha256(bytes) };
}

/** Reads segments from memory, in pieces of `pieceBytes`; undefined ones are not there. */
export function memorySource(
  session: string,
  segments: readonly (Buffer | undefined)[],
  pieceBytes = 1 << 20,
): RecordingSource {
  const there = segments.flatMap((bytes, at) => (bytes === undefined ? [] : [{ number: at + 1, bytes }]));
  return {
    session,
    segments: () => Promise.resolve(there.map(({ number, bytes }) => ({ number, bytes: bytes.length }))),
    async *open(number) {
      const bytes = segments[number - 1] ?? Buffer.alloc(0);
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    },
  };
}

/** All that was printed. */
export async function printed(frames: AsyncIterable<Frame>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const frame of frames)
    if (frame.type === 'output' || frame.type === 'stderr') pieces.push(Buffer.from(frame.bytes));
  return Buffer.concat(pieces).toString('latin1');
}

/** What is closed of a session in a spool. */
export function spoolSource(spool: Spool, session: string): RecordingSource {
  const closed = (): { number: number; bytes: number; path: string }[] =>
    spool.closed().filter((segment) => segment.session === session);
  return {
    session,
    segments: () => Promise.resolve(closed()),
    async *open(number) {
      const path = closed().find((segment) => segment.number === number)?.path;
      if (path !== undefined) yield await readFile(path);
    },
  };
}
