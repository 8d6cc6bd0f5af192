// The chain of segments of one recording: begins one when there is something to write, closes it when told, and knows
// what the next one has to say of its predecessor. A step that failed can be repeated.
import { createHash, type Hash } from 'node:crypto';
import { encodeHeader, MAX_SEGMENT_RAW_BYTES, NO_PREVIOUS } from '../format/segment.ts';
import type { OpenSegment, Spool } from '../spool.ts';

/** A segment is closed once it is this large, or unpacks to this much. */
const FULL_BYTES = 2 * 1024 * 1024;
const FULL_RAW_BYTES = MAX_SEGMENT_RAW_BYTES / 2;

export class SegmentWriter {
  readonly #spool: Pick<Spool, 'begin'>;
  readonly #session: string;
  #number = 1;
  #previous = NO_PREVIOUS;
  #open: OpenSegment | undefined;
  #hash: Hash | undefined;
  #header: Uint8Array = new Uint8Array();
  #bytes = 0;
  #raw = 0;

  constructor(spool: Pick<Spool, 'begin'>, session: string) {
    this.#spool = spool;
    this.#session = session;
  }

  /** Of the segment that the next block goes to. */
  get number(): number {
    return this.#number;
  }

  /** True between the first block of a segment and its closing. */
  get isOpen(): boolean {
    return this.#bytes > 0;
  }

  get isFull(): boolean {
    return this.#bytes >= FULL_BYTES || this.#raw >= FULL_RAW_BYTES;
  }

  /** When it throws, nothing of the block is in the segment. */
  async append(block: Uint8Array, rawLength: number): Promise<void> {
    if (this.#open === undefined) {
      this.#header = encodeHeader({ sid: this.#session, number: this.#number, previous: this.#previous });
      this.#open = await this.#spool.begin(this.#session, this.#number, this.#header);
      this.#hash = createHash('sha256').update(this.#header);
    }
    await this.#open.append(block);
    this.#hash?.update(block);
    this.#bytes += block.length;
    this.#raw += rawLength;
  }

  async sync(): Promise<void> {
    await this.#open?.sync();
  }

  /** Nothing happens when there is no open segment. */
  async close(last: boolean): Promise<void> {
    if (this.#open === undefined) return;
    await this.#open.close(last);
    this.#previous = this.#hash?.digest('hex') ?? NO_PREVIOUS;
    this.#number++;
    this.#open = undefined;
    this.#hash = undefined;
    this.#bytes = 0;
    this.#raw = 0;
  }
}
