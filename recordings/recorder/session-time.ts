// Milliseconds since the start of a session: never backwards, also when the clock of the machine is set back.
import type { Clock } from '#core/clock.ts';

export class SessionTime {
  readonly #clock: Clock;
  readonly startedAt: number;
  #last: number;
  #skew = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startedAt = clock.now();
    this.#last = this.startedAt;
  }

  now(): number {
    const now = this.#clock.now();
    if (now < this.#last) this.#skew += this.#last - now;
    this.#last = now;
    return now - this.startedAt + this.#skew;
  }
}
