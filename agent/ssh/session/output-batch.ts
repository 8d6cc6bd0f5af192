// Puts the small reads of a terminal together: the kernel gives 4 KiB at most, and each packet costs a cipher call. What
// comes after a silence leaves at once, so keystrokes are not delayed; what follows is collected, up to one packet or a
// millisecond. One buffer serves all terminals; taking it makes the one before write.
import type { Clock, Timer } from '#core/clock.ts';

export interface BatchOwner {
  /** Takes the bytes now; they are overwritten after the call. */
  flush(data: Buffer): void;
}

/** What fits one packet of SSH. */
const BATCH_BYTES = 32 * 1024;
/** A full packet is there sooner when a program writes as fast as it can. */
const WAIT_MS = 1;

export class OutputBatch {
  readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #owner: BatchOwner | undefined;
  #length = 0;

  /** Adds for `owner`; what another one has in here leaves first. */
  add(owner: BatchOwner, data: Buffer): void {
    if (this.#owner !== owner || this.#length + data.length > BATCH_BYTES) this.flush();
    this.#owner = owner;
    this.#length += data.copy(this.#buffer, this.#length);
  }

  /** All of `owner`, or of whoever has some in here. */
  flush(owner = this.#owner): void {
    if (owner === undefined || this.#owner !== owner) return;
    const data = this.#buffer.subarray(0, this.#length);
    this.#owner = undefined;
    this.#length = 0;
    if (data.length > 0) owner.flush(data);
  }
}

/** The collecting of one terminal. */
export class BatchedOutput implements BatchOwner {
  readonly #batch: OutputBatch;
  readonly #clock: Clock;
  readonly #write: (data: Buffer) => boolean;
  #timer: Timer | undefined;
  /** Something came since the timer was set. */
  #isBusy = false;
  #isOpen = true;

  constructor(batch: OutputBatch, clock: Clock, write: (data: Buffer) => boolean) {
    this.#batch = batch;
    this.#clock = clock;
    this.#write = write;
  }

  /** False when no more should be read for now. */
  add(data: Buffer): boolean {
    if (this.#timer === undefined) {
      this.#isOpen = this.#write(data);
      this.#wait();
      return this.#isOpen;
    }
    const wasOpen = this.#isOpen;
    this.#isBusy = true;
    this.#batch.add(this, data);
    // Nobody tells when there is room again: what is read after a "no" leaves at once, and the answer is a new one.
    if (!wasOpen) this.#batch.flush(this);
    return this.#isOpen;
  }

  flush(data: Buffer): void {
    this.#isOpen = this.#write(data);
  }

  /** Writes what waits. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#batch.flush(this);
  }

  #wait(): void {
    this.#isBusy = false;
    this.#timer = this.#clock.after(WAIT_MS, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    this.#batch.flush(this);
    if (this.#isBusy) this.#wait();
  };
}
