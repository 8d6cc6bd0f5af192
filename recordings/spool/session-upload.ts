// Uploads one recording, segment by segment, and says when it is complete. The newest segment of a recording that goes
// on stays in the spool: should this process die, the next one needs it to continue the chain.
import { readFile } from 'node:fs/promises';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { MAX_SEGMENT_BYTES, parseHeader, sha256 } from '../format/segment.ts';
import type { ClosedSegment, Spool } from '../spool.ts';
import type { UploadTarget } from '../upload.ts';
import { diskError } from '../disk.ts';
import { asFailure, judge } from './refusal.ts';

/** A segment as it is uploaded. CORRUPT when the file is not the segment its name says, INTERNAL when it cannot be read. */
export async function readSegment(segment: ClosedSegment): Promise<{ bytes: Buffer; sha256: string }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(segment.path);
  } catch (cause) {
    throw new GatehouseError('INTERNAL', diskError('read a segment', cause).message, { cause });
  }
  const header = bytes.length <= MAX_SEGMENT_BYTES ? parseHeader(bytes)?.header : undefined;
  if (header?.sid !== segment.session || header.number !== segment.number)
    throw new GatehouseError('CORRUPT', 'the file is not the segment that its name says');
  return { bytes, sha256: sha256(bytes) };
}

export class SessionUpload {
  readonly session: string;
  readonly #segments = new Map<number, ClosedSegment>();
  readonly #uploaded = new Set<number>();
  readonly #missing = new Set<number>();
  #lastNumber: number | undefined;
  #head = '';
  /** Failures in a row that are of this recording. */
  attempts = 0;
  isRunning = false;

  constructor(session: string) {
    this.session = session;
  }

  add(segment: ClosedSegment): void {
    this.#segments.set(segment.number, segment);
    if (segment.last) this.#lastNumber = segment.number;
  }

  /** True once the recording has its last segment. */
  get hasEnded(): boolean {
    return this.#lastNumber !== undefined;
  }

  /** The only segment of a recording of which nothing was uploaded yet. */
  get whole(): ClosedSegment | undefined {
    const first = this.#segments.get(1);
    return this.#lastNumber === 1 && this.#uploaded.size + this.#missing.size === 0 ? first : undefined;
  }

  get hasWork(): boolean {
    return this.hasEnded || this.#next() !== undefined;
  }

  #next(): ClosedSegment | undefined {
    return this.segments.find(({ number }) => !this.#isSettled(number));
  }

  get segments(): readonly ClosedSegment[] {
    return [...this.#segments.values()].sort((a, b) => a.number - b.number);
  }

  #isSettled(number: number): boolean {
    return this.#uploaded.has(number) || this.#missing.has(number);
  }

  /** Uploads what there is; true once the recording is complete and gone from the spool. */
  async run(target: UploadTarget, spool: Spool): Promise<boolean> {
    // More may be closed meanwhile.
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      await this.#put(next, target, spool);
      await this.#removeBefore(next.number, spool);
    }
    if (this.#lastNumber === undefined) return false;
    await this.#complete(this.#lastNumber, target);
    for (const segment of this.segments) {
      if (this.#uploaded.has(segment.number)) await spool.remove(segment);
      else await spool.quarantine(segment, 'CORRUPT', 'refused by the store');
    }
    return true;
  }

  async #put(segment: ClosedSegment, target: UploadTarget, spool: Spool): Promise<void> {
    const { session, number, last } = segment;
    try {
      const read = await readSegment(segment);
      if (last) this.#head = read.sha256;
      await target.putSegment({ session, number, ...read });
      this.#uploaded.add(number);
    } catch (error) {
      if (judge(error) !== 'refused') throw error;
      this.#missing.add(number);
      // The last one is put aside once the recording is complete without it.
      if (last) return;
      const { code, message } = asFailure(error);
      await spool.quarantine(segment, code, message);
      this.#segments.delete(number);
    }
  }

  async #removeBefore(number: number, spool: Spool): Promise<void> {
    for (const segment of this.segments) {
      if (segment.number >= number || !this.#uploaded.has(segment.number)) continue;
      await spool.remove(segment);
      this.#segments.delete(segment.number);
    }
  }

  async #complete(segments: number, target: UploadTarget): Promise<void> {
    const head = this.#head === '' ? '0'.repeat(64) : this.#head;
    try {
      const missing = [...this.#missing].sort((a, b) => a - b);
      await target.complete({ session: this.session, segments, head, missing });
    } catch (error) {
      if (isCode(error, 'CONDITION_FAILED')) this.#believe(error.details['missing']);
      throw error;
    }
  }

  /** The target lost segments: those that are still here go again, the others are gone. */
  #believe(lost: unknown): void {
    if (!Array.isArray(lost)) return;
    for (const number of lost as readonly unknown[]) {
      if (typeof number !== 'number') continue;
      if (this.#segments.has(number)) this.#uploaded.delete(number);
      else this.#missing.add(number);
    }
  }
}
