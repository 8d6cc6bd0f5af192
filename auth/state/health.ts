// Whether the local copy can be relied on: it stands, the store answers, and the copy keeps up with it. Asked by the
// readiness probe; apart from open.ts because it is the only part that runs by the clock.
import type { Clock, Timer } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Replica } from '#core/replica.ts';
import type { Backend } from '#storage/backend.ts';

export interface HealthOptions {
  readonly backend: Pick<Backend, 'revision'>;
  readonly replica: Pick<Replica<unknown>, 'ready' | 'reached'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Health {
  isGood(): boolean;
  stop(): void;
}

const PROBE_MS = 5_000;
/** A copy that is behind for longer than this is not used for readiness. */
const GRACE_MS = 15_000;

export function startHealth({ backend, replica, clock, log }: HealthOptions): Health {
  let isGood = false;
  let isStopped = false;
  let timer: Timer | undefined;
  const probe = async (): Promise<void> => {
    const wasGood = isGood;
    try {
      await replica.reached(await backend.revision(), GRACE_MS);
      isGood = true;
    } catch (error) {
      isGood = false;
      if (wasGood && !isStopped) log.warn({ err: error }, 'the local copy of the state has lost its store');
    }
    if (isStopped) return;
    timer = clock.after(PROBE_MS, () => void probe());
  };
  const start = async (): Promise<void> => {
    await replica.ready;
    isGood = true;
    if (!isStopped) timer = clock.after(PROBE_MS, () => void probe());
  };
  // It never becomes ready only when it was closed before.
  start().catch(() => {});
  return {
    isGood: () => isGood && !isStopped,
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}
