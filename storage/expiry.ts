// When to look for expired items: one timer at the earliest expiry, for any store of this process. Reads hide
// expired items by themselves; this only makes the delete events come and the space free.
import type { Clock, Timer } from '#core/clock.ts';

export interface SweeperOptions {
  readonly clock: Clock;
  /** The earliest expiry in the store, or undefined. */
  readonly earliest: () => number | undefined;
  /** Deletes what has expired. */
  readonly sweep: () => Promise<void>;
  /** Called when `sweep` failed; it is tried again later. */
  readonly failed: (error: unknown) => void;
}

export interface Sweeper {
  /** Tells of an item that was written with an expiry. */
  notice(expires: number): void;
  close(): void;
}

/** Expiries this close together share one sweep. */
const GATHER_MS = 1000;
const RETRY_MS = 10_000;
/** Timers do not notice when the clock is set forward; looking now and then does. */
const LOOK_AGAIN_MS = 60_000;

export function startSweeper(options: SweeperOptions): Sweeper {
  const { clock } = options;
  let timer: Timer | undefined;
  let due = Number.POSITIVE_INFINITY;
  let closed = false;

  const arm = (at: number): void => {
    if (closed || at >= due) return;
    timer?.cancel();
    due = at;
    timer = clock.after(Math.min(at - clock.now(), LOOK_AGAIN_MS), run);
  };
  const armEarliest = (): void => {
    const earliest = options.earliest();
    if (earliest !== undefined) arm(Math.max(earliest, clock.now()) + GATHER_MS);
  };
  const sweep = async (): Promise<void> => {
    try {
      await options.sweep();
      if (!closed) armEarliest();
    } catch (error) {
      if (closed) return;
      options.failed(error);
      arm(clock.now() + RETRY_MS);
    }
  };
  const run = (): void => {
    due = Number.POSITIVE_INFINITY;
    void sweep();
  };

  armEarliest();
  return {
    notice: (expires) => arm(Math.max(expires, clock.now()) + GATHER_MS),
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
