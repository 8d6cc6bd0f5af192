// The back half of a recorder: packs blocks and writes them to segments one after the other, off the event loop, closes
// segments that are full or old, and tries again after a failure. What the blocks mean is the front half's business.
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Spool } from '../spool.ts';
import { BLOCK_BYTES, type BlockBuilder } from './block-builder.ts';
import { isDue, untilFirst, type Due } from './due.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Waiters of `drained` go on below it. */
const LOW_WATER = 128 * 1024;
/** How long a block may be on the disk without being on stable storage. */
const SYNC_AGE_MS = 10_000;
const SEGMENT_AGE_MS = 600_000;
/** Of live segments: it grows with their number, so that long sessions do not become thousands of objects. */
const LIVE_AGE_MS = 5000;
const MAX_LIVE_AGE_MS = 60_000;
const RETRY_MS = 10_000;

export interface BlockWriterOptions {
  readonly spool: Pick<Spool, 'begin' | 'packer'>;
  readonly session: string;
  readonly clock: Clock;
  readonly sync: boolean;
  /** A block is in its segment. */
  readonly onWritten: () => void;
  /** Nothing is written for a while; `lost` are the blocks that were not. */
  readonly onTrouble: (error: GatehouseError, lost: readonly BlockBuilder[]) => void;
  /** The last segment is closed. */
  readonly onFinished: () => void;
}

interface SyncRequest {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class BlockWriter {
  readonly #options: BlockWriterOptions;
  readonly #writer: SegmentWriter;
  readonly #queue: (BlockBuilder | SyncRequest)[] = [];
  #unwritten = 0;
  #waiting: (() => void)[] = [];
  #isPumping = false;
  #spare: Buffer | undefined;
  #timer: Timer | undefined;

  #dirtySince: number | undefined;
  #segmentSince: number | undefined;
  #stuckSince: number | undefined;
  #isCloseDue = false;
  #makeLast: ((segments: number) => BlockBuilder) | undefined;
  /** Once it is made it says how many segments there are: no other segment is begun before it is written. */
  #last: BlockBuilder | undefined;
  #end: 'open' | 'written' | 'closed' = 'open';

  constructor(options: BlockWriterOptions) {
    this.#options = options;
    this.#writer = new SegmentWriter(options.spool, options.session);
  }

  /** Bytes of blocks that are not in a segment yet. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** True from a failure until it is tried again: pushing is of no use. */
  get isStuck(): boolean {
    return this.#stuckSince !== undefined;
  }

  /** A buffer of the size of a block that is no longer needed. */
  takeSpare(): Buffer | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }

  push(block: BlockBuilder): void {
    this.#queue.push(block);
    this.#unwritten += block.bytes.length;
    this.#pump();
  }

  /** Resolves once what was pushed so far is on stable storage. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ resolve, reject });
      this.#pump();
    });
  }

  drained(): Promise<void> {
    if (this.#unwritten <= LOW_WATER) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * After all that was pushed, the block that `makeLast` makes for a recording of so many segments. Goes on trying,
   * with another block each time, until the last segment is closed.
   */
  finish(makeLast: (segments: number) => BlockBuilder): void {
    this.#makeLast = makeLast;
    this.#pump();
  }

  #pump(): void {
    if (this.#isPumping || this.isStuck) return;
    this.#isPumping = true;
    void this.#run().finally(() => {
      this.#isPumping = false;
      this.#arm();
    });
  }

  async #run(): Promise<void> {
    try {
      while (await this.#step());
    } catch (error) {
      const unexpected = new GatehouseError('INTERNAL', 'recording: an unexpected failure', { cause: error });
      this.#trouble(isCode(error) ? error : unexpected);
    }
  }

  /** False when there is nothing to do. */
  async #step(): Promise<boolean> {
    if (this.#end === 'written') {
      await this.#writer.close(true);
      this.#end = 'closed';
      this.#segmentSince = this.#dirtySince = undefined;
      this.#options.onFinished();
    } else if (this.#isCloseDue && this.#last === undefined) {
      await this.#writer.close(false);
      this.#isCloseDue = false;
      this.#segmentSince = this.#dirtySince = undefined;
    } else if (this.#queue.length > 0) {
      await this.#take(this.#queue[0]);
    } else if (this.#makeLast !== undefined && this.#end === 'open') {
      this.#last = this.#makeLast(this.#writer.number);
      this.push(this.#last);
    } else {
      return false;
    }
    return true;
  }

  async #take(next: BlockBuilder | SyncRequest | undefined): Promise<void> {
    if (next === undefined) return;
    if ('resolve' in next) {
      await this.#writer.sync();
      this.#dirtySince = undefined;
      this.#queue.shift();
      next.resolve();
      return;
    }
    const { bytes, buffer } = next;
    await this.#writer.append(await this.#options.spool.packer.pack(bytes, next.at), bytes.length);
    this.#queue.shift();
    this.#unwritten -= bytes.length;
    if (buffer.length === BLOCK_BYTES) this.#spare = buffer;
    if (this.#unwritten <= LOW_WATER) this.#letGo();
    if (next === this.#last) this.#end = 'written';
    else if (this.#writer.isFull) this.#isCloseDue = true;
    const now = this.#options.clock.now();
    this.#dirtySince ??= now;
    this.#segmentSince ??= now;
    this.#options.onWritten();
  }

  #trouble(error: GatehouseError): void {
    this.#stuckSince = this.#options.clock.now();
    if (this.#end === 'open') this.#last = undefined;
    const lost = [];
    for (const item of this.#queue.splice(0)) {
      if ('resolve' in item) item.reject(error);
      else lost.push(item);
    }
    this.#unwritten = 0;
    this.#letGo();
    this.#options.onTrouble(error, lost);
  }

  #letGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #dues(): { readonly retry: Due; readonly sync: Due; readonly segment: Due } {
    const live = Math.min(MAX_LIVE_AGE_MS, LIVE_AGE_MS * this.#writer.number);
    return {
      retry: { since: this.#stuckSince, afterMs: RETRY_MS },
      sync: { since: this.#dirtySince, afterMs: SYNC_AGE_MS },
      segment: { since: this.#segmentSince, afterMs: this.#options.sync ? live : SEGMENT_AGE_MS },
    };
  }

  /** While blocks are written there is no timer: what is due then is done by the blocks themselves. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#end === 'closed') return;
    const { retry, sync, segment } = this.#dues();
    const left = untilFirst(this.isStuck ? [retry] : [sync, segment], this.#options.clock.now());
    if (left !== undefined) this.#timer = this.#options.clock.after(left, () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    this.#spare = undefined;
    const now = this.#options.clock.now();
    const { retry, sync, segment } = this.#dues();
    if (this.isStuck) {
      if (isDue(retry, now)) this.#stuckSince = undefined;
    } else if (isDue(segment, now)) {
      this.#isCloseDue = true;
    } else if (isDue(sync, now)) {
      this.sync().catch(() => undefined);
    }
    this.#pump();
    if (!this.#isPumping) this.#arm();
  }
}
