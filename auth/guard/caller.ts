// Who is on the other side of a request. Made once per request by identify.ts; everything behind the guard trusts it.
import type { Identity } from '#core/identity.ts';

export interface Caller {
  /** Absent for anonymous callers; a certificate that is not good is refused, never taken as anonymous. */
  readonly identity?: Identity;
  /** The peer's IP address, without a port. */
  readonly address: string;
  readonly requestId: string;
}
