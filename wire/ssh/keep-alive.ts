// Finds peers that are gone without a word: after some silence the peer is asked, and after some unanswered questions
// the connection is given up. Separate from the connection because most have no use for it, and then cost nothing.
import type { Clock, Timer } from '#core/clock.ts';

export interface KeepAliveOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly count: number;
  /** When the peer was last heard of. */
  heardAt(): number;
  ask(): void;
  giveUp(): void;
}

/** Runs until stopped. */
export function startKeepAlive(options: KeepAliveOptions): { stop(): void } {
  const { clock, everyMs } = options;
  let unanswered = 0;
  let askedAt = 0;
  let timer: Timer = clock.after(everyMs, check);

  function check(): void {
    const heardAt = options.heardAt();
    if (heardAt >= askedAt) unanswered = 0;
    const silentMs = clock.now() - heardAt;
    if (silentMs < everyMs) {
      timer = clock.after(everyMs - silentMs, check);
      return;
    }
    if (unanswered >= options.count) {
      options.giveUp();
      return;
    }
    unanswered++;
    askedAt = clock.now();
    timer = clock.after(everyMs, check);
    options.ask();
  }
  return { stop: () => timer.cancel() };
}
