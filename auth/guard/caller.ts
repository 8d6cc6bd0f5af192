// Who is on the other side of a request. Made once per request by the guard; everything behind it trusts it.
import { identityName, type Identity } from '#core/identity.ts';

export interface Caller {
  /** Absent for anonymous callers; a certificate that is not good is refused, never taken as anonymous. */
  readonly identity?: Identity;
  /** The peer's IP address, without a port; forwarding headers are never believed. */
  readonly address: string;
  /** Made by the server for each request; in its log and in the reply's `x-request-id`. */
  readonly requestId: string;
  /** End of the certificate that carries the identity, milliseconds since the epoch. */
  readonly expires?: number;
}

/** Who did something and from where, as audit events say it. `user` is empty for anonymous callers. */
export interface Actor {
  readonly user: string;
  readonly impersonator?: string;
  readonly 'addr.remote': string;
}

export function actorOf({ identity, address }: Pick<Caller, 'identity' | 'address'>): Actor {
  const impersonator = identity?.kind === 'user' ? identity.impersonator : undefined;
  return {
    user: identity === undefined ? '' : identityName(identity),
    ...(impersonator === undefined ? {} : { impersonator }),
    'addr.remote': address,
  };
}
