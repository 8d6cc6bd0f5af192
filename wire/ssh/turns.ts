// Whose turn it is to send when the socket is full: channels wait in a ring and send one packet each, so that a flood on
// one does not keep the others waiting.

export interface TurnTaker {
  /** Sends one packet at most; true when it waits for another turn. */
  takeTurn(): boolean;
}

export class Turns {
  #ring: TurnTaker[] = [];
  #isFull = false;
  #isGoing = false;

  /** True when whoever has something to send must wait in the ring. */
  get isBusy(): boolean {
    return this.#isFull || this.#ring.length > 0;
  }

  /** The socket took what it was given, and must not get more until `go`. */
  full(): void {
    this.#isFull = true;
  }

  /** Once per wait: who joins must not be in the ring. Its turn may come at once. */
  join(taker: TurnTaker): void {
    this.#ring.push(taker);
    if (!this.#isFull) this.#run();
  }

  /** There is room in the socket again. */
  go(): void {
    this.#isFull = false;
    this.#run();
  }

  clear(): void {
    this.#ring = [];
  }

  #run(): void {
    if (this.#isGoing) return;
    this.#isGoing = true;
    while (!this.#isFull) {
      const next = this.#ring.shift();
      if (next === undefined) break;
      if (next.takeTurn()) this.#ring.push(next);
    }
    this.#isGoing = false;
  }
}
