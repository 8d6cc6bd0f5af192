// Puts the small reads of a terminal together: the kernel gives 4 KiB at most, and each packet costs a cipher call. What
// comes after a silence leaves at once, so keystrokes are not delayed; while more keeps coming in each turn of the event
// loop it is collected, up to one packet. One buffer serves all terminals; taking it makes the one before write.

export interface BatchOwner {
  /** Takes the bytes now; they are overwritten after the call. */
  flush(data: Buffer): void;
}

/** What fits one packet of SSH. */
const BATCH_BYTES = 32 * 1024;
/** Turns of the event loop, each well under 0.1 ms when nothing else happens. */
const MAX_TURNS = 32;

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

  /** Bytes of `owner` that wait. */
  waiting(owner: BatchOwner): number {
    return this.#owner === owner ? this.#length : 0;
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
  readonly #write: (data: Buffer) => boolean;
  #isHot = false;
  #turns = 0;
  #seen = 0;
  #isOpen = true;

  constructor(batch: OutputBatch, write: (data: Buffer) => boolean) {
    this.#batch = batch;
    this.#write = write;
  }

  /** False when no more should be read for now. */
  add(data: Buffer): boolean {
    if (this.#isHot) {
      const wasOpen = this.#isOpen;
      this.#batch.add(this, data);
      // Nobody tells when there is room again: what is read after a "no" leaves at once, and the answer is a new one.
      if (!wasOpen) this.#batch.flush(this);
    } else {
      this.#isHot = true;
      this.#isOpen = this.#write(data);
      setImmediate(this.#look);
    }
    return this.#isOpen;
  }

  flush(data: Buffer): void {
    this.#isOpen = this.#write(data);
  }

  /** Writes what waits. */
  end(): void {
    this.#batch.flush(this);
  }

  readonly #look = (): void => {
    const waiting = this.#batch.waiting(this);
    if (waiting === 0) {
      // Nothing came in a whole turn, or another terminal has made it leave.
      this.#isHot = false;
      this.#turns = 0;
      return;
    }
    if (waiting === this.#seen || this.#turns === MAX_TURNS) {
      this.#batch.flush(this);
      this.#seen = 0;
      this.#turns = 0;
    } else {
      this.#seen = waiting;
      this.#turns++;
    }
    setImmediate(this.#look);
  };
}
