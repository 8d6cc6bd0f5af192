// Reads a recording: all frames that can be trusted, in order, and a finding for everything that cannot. One damaged
// segment never hides the others. Players, exports and the verifier are built on it; memory is bounded by two blocks.
import { createHash } from 'node:crypto';
import { isCode } from '#core/errors/error.ts';
import { readFrames, type Frame } from './format/frames.ts';
import { NO_PREVIOUS, type SegmentHeader } from './format/segment.ts';
import { SegmentReader, type Block, type SegmentPart } from './format/segment-reader.ts';
import type { RecordingEnd } from './meta.ts';
import type { RecordingSource } from './source.ts';

export const FINDINGS = {
  missing: 'A segment is not there.',
  damaged: 'Bytes of a segment cannot be read; what is around them can.',
  changed: 'A segment is not the one that its successor names.',
  misplaced: 'A segment stands in the place of another, or belongs to another session; it is passed over.',
  truncated: 'There is no end: the recording goes on, or its tail was removed.',
  surplus: 'There is something after the end.',
} as const;

export interface Finding {
  readonly kind: keyof typeof FINDINGS;
  readonly segment: number;
  /** Where in the segment, and how many bytes. */
  readonly offset?: number;
  readonly bytes?: number;
  /** For a person; holds nothing of the recording's content. */
  readonly message: string;
}

export interface ReadOptions {
  readonly onFinding?: (finding: Finding) => void;
  /** Called once a segment was read to its end. */
  readonly onSegment?: (segment: {
    readonly number: number;
    readonly bytes: number;
    readonly sha256: string;
  }) => void;
}

/** After so much unpacked others have their turn: little that is stored may unpack to much. */
const TURN_BYTES = 1024 * 1024;

/** Bytes of a frame are valid until the next one is asked for. NOT_FOUND when there is no such recording. */
export async function* readRecording(
  source: RecordingSource,
  options: ReadOptions = {},
): AsyncGenerator<Frame> {
  const chain = new Chain(source.session, options);
  let sinceTurn = 0;
  const segments = [...(await source.segments())].sort((a, b) => a.number - b.number);
  for (const { number } of segments) {
    chain.begin(number);
    const reader = new SegmentReader();
    for await (const piece of source.open(number)) {
      chain.hash(piece);
      for (const part of reader.push(piece)) {
        yield* chain.see(part);
        if (part.type === 'block' && (sinceTurn += part.rawLength) > TURN_BYTES) {
          sinceTurn = 0;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    for (const part of reader.finish()) yield* chain.see(part);
    chain.done();
  }
  chain.finish();
}

class Chain {
  readonly #session: string;
  readonly #options: ReadOptions;
  #number = 0;
  #hash = createHash('sha256');
  #bytes = 0;
  /** Of the segment before; undefined when that is missing. */
  #previous: string | undefined = NO_PREVIOUS;
  #isPassedOver = false;
  #end: RecordingEnd | undefined;
  #isSurplusTold = false;

  constructor(session: string, options: ReadOptions) {
    this.#session = session;
    this.#options = options;
  }

  begin(number: number): void {
    const first = this.#number + 1;
    if (number > first) {
      this.#find(
        'missing',
        { segment: first },
        first === number - 1
          ? `segment ${first} is missing`
          : `segments ${first} to ${number - 1} are missing`,
      );
      this.#previous = undefined;
    }
    this.#number = number;
    this.#hash = createHash('sha256');
    this.#bytes = 0;
    this.#isPassedOver = false;
  }

  hash(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
  }

  *see(part: SegmentPart): Generator<Frame> {
    if (part.type === 'header') this.#checkHeader(part.header);
    else if (part.type === 'damage') this.#damaged(part.offset, part.bytes, part.what);
    else if (!this.#isPassedOver) yield* this.#frames(part);
  }

  done(): void {
    const sha256 = this.#hash.digest('hex');
    this.#previous = sha256;
    this.#options.onSegment?.({ number: this.#number, bytes: this.#bytes, sha256 });
  }

  finish(): void {
    const segment = this.#number;
    if (this.#end === undefined)
      this.#find('truncated', { segment }, `there is no end after segment ${segment}`);
    else if (this.#end.segments > segment)
      this.#find(
        'missing',
        { segment: segment + 1 },
        `the recording has ${this.#end.segments} segments, the last found is ${segment}`,
      );
    else if (this.#end.segments < segment)
      this.#find(
        'surplus',
        { segment },
        `the recording has ${this.#end.segments} segments, there are ${segment}`,
      );
  }

  #checkHeader({ sid, number, previous }: SegmentHeader): void {
    const segment = this.#number;
    if (sid !== this.#session || number !== segment) {
      this.#isPassedOver = true;
      const is = sid === this.#session ? `segment ${number}` : 'of another session';
      this.#find('misplaced', { segment }, `what stands as segment ${segment} is ${is}`);
    } else if (this.#previous !== undefined && previous !== this.#previous) {
      const about =
        segment === 1
          ? 'segment 1 names a predecessor'
          : `segment ${segment - 1} is not the one that segment ${segment} follows: one of them was changed`;
      this.#find('changed', { segment: Math.max(1, segment - 1) }, about);
    }
  }

  *#frames(block: Block): Generator<Frame> {
    try {
      for (const frame of readFrames(block.unpack(), block.at)) {
        if (this.#end !== undefined) this.#surplus();
        if (frame.type === 'end') this.#end ??= frame.end;
        yield frame;
      }
    } catch (error) {
      if (!isCode(error, 'CORRUPT')) throw error;
      this.#damaged(block.offset, block.end - block.offset, error.message);
    }
  }

  #surplus(): void {
    if (this.#isSurplusTold) return;
    this.#isSurplusTold = true;
    this.#find('surplus', { segment: this.#number }, `segment ${this.#number} goes on after the end`);
  }

  #damaged(offset: number, bytes: number, what: string): void {
    const message = `segment ${this.#number} is damaged at byte ${offset} (${bytes} bytes): ${what}`;
    this.#find('damaged', { segment: this.#number, offset, bytes }, message);
  }

  #find(kind: Finding['kind'], where: Omit<Finding, 'kind' | 'message'>, message: string): void {
    this.#options.onFinding?.({ kind, ...where, message });
  }
}
