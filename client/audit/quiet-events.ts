// Keeps people who may connect from filling the audit log: what they are refused, and the sizes of their terminals, cost
// them a packet each. Apart from the outbox, which keeps whatever it is given, and from session-events.ts, which is of one
// session. That something was left out is on record itself.
import type { Clock, Timer } from '#core/clock.ts';
import { parseIpPort } from '#core/ip-port.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { SessionEvent } from './session-events.ts';

export interface QuietEventsOptions {
  readonly clock: Clock;
  readonly emit: (event: SessionEvent) => void;
}

/** Refusals of one address at once; then it is one every two seconds. */
const REFUSALS = { burst: 50, refillMs: 2000 };
/** Sizes of one session's terminal. */
const SIZES = { burst: 30, refillMs: 1000 };
const TELL_MS = 60_000;

/**
 * `emit`, but refusals of one address (`session.rejected`, `port` without success) and sizes of one terminal (`resize`)
 * that come too fast are left out. A minute after the first of the refusals their number is told as `audit.gap`.
 */
export function quietEvents({ clock, emit }: QuietEventsOptions): (event: SessionEvent) => void {
  const refusals = new RateLimit({ clock, ...REFUSALS });
  const sizes = new RateLimit({ clock, ...SIZES });
  let left = 0;
  let telling: Timer | undefined;
  const leaveOut = (): void => {
    left++;
    const since = clock.now();
    telling ??= clock.after(TELL_MS, () => {
      telling = undefined;
      emit({
        event: 'audit.gap',
        reason: 'refusals that people caused faster than they are worth keeping were left out',
        lost: left,
        start_time: new Date(since).toISOString(),
        end_time: new Date(clock.now()).toISOString(),
      });
      left = 0;
    });
  };
  return (event) => {
    if (event.event === 'resize') {
      if (sizes.take(String(event['sid']))) emit(event);
    } else if (!isRefusal(event) || refusals.take(addressOf(event))) emit(event);
    else leaveOut();
  };
}

const isRefusal = ({ event, success }: SessionEvent): boolean =>
  event === 'session.rejected' || (event === 'port' && success === false);

function addressOf(event: SessionEvent): string {
  const remote = String(event['addr.remote']);
  return parseIpPort(remote)?.ip ?? remote;
}
