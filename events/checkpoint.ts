// Signed checkpoints: from time to time the end of the chain is signed and stored outside the log, so that cutting the
// log's tail off, which no chain can show by itself, is found. Signing and storing are the caller's.
import type { Clock, Timer } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { canonicalJson } from './canonical.ts';
import type { ChainHead } from './record.ts';

export interface Checkpoint extends ChainHead {
  readonly writer: string;
  /** RFC 3339. */
  readonly time: string;
  /** Base64 signature over `checkpointBytes`. */
  readonly signature: string;
}

/** Where checkpoints are signed and kept. Keeping only the newest of each writer is enough. */
export interface CheckpointKeeper {
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  store(checkpoint: Checkpoint): Promise<void>;
  load(): Promise<readonly Checkpoint[]>;
}

/** The bytes that are signed; the first line keeps the signature from meaning anything else. */
export function checkpointBytes({ writer, seq, hash, time }: Omit<Checkpoint, 'signature'>): Uint8Array {
  return Buffer.from(`gatehouse audit checkpoint v1\n${canonicalJson({ writer, seq, hash, time })}`);
}

export interface CheckpointsOptions {
  readonly keeper: CheckpointKeeper;
  readonly writer: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A checkpoint is made after this many events … */
  readonly everyEvents: number;
  /** … or this long after the first event without one. */
  readonly everyMs: number;
}

/** Makes checkpoints of what `reached` reports. A failure is logged and tried again with the next event or interval. */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  #reached: ChainHead | undefined;
  #stored = 0;
  #timer: Timer | undefined;
  #making: Promise<void> | undefined;
  #finished = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** The chain is safe in the first sink up to `head`. */
  reached(head: ChainHead): void {
    if (this.#finished) return;
    this.#reached = head;
    if (head.seq - this.#stored >= this.#options.everyEvents) void this.#make();
    else this.#arm();
  }

  /** Makes the last one. */
  async finish(): Promise<void> {
    this.#finished = true;
    this.#timer?.cancel();
    await this.#making;
    await this.#make();
  }

  #arm(): void {
    if (this.#finished) return;
    this.#timer ??= this.#options.clock.after(this.#options.everyMs, () => {
      this.#timer = undefined;
      void this.#make();
    });
  }

  #make(): Promise<void> {
    return (this.#making ??= this.#makeOne().finally(() => {
      this.#making = undefined;
      if ((this.#reached?.seq ?? 0) > this.#stored) this.#arm();
    }));
  }

  async #makeOne(): Promise<void> {
    const head = this.#reached;
    if (head === undefined || head.seq <= this.#stored) return;
    const { keeper, writer, clock, log } = this.#options;
    const unsigned = { writer, seq: head.seq, hash: head.hash, time: new Date(clock.now()).toISOString() };
    try {
      const signature = Buffer.from(await keeper.sign(checkpointBytes(unsigned))).toString('base64');
      await keeper.store({ ...unsigned, signature });
      this.#stored = head.seq;
    } catch (error) {
      log.warn(
        { seq: head.seq, err: error },
        'audit log: a checkpoint could not be stored; it is tried again',
      );
    }
  }
}
