// The road from the proxy to a target: which agents serve it, those the person may see, and a way to one of them. Types
// first.
import type { Duplex } from 'node:stream';
import type { UserIdentity } from '#core/identity.ts';
import type { TargetService } from '#wire/target/header.ts';
import type { Origin } from '../listen/origin.ts';

/** Somebody who was proven, by certificate or by a web session that has one. */
export interface TargetCaller {
  readonly identity: UserIdentity;
  /** DER. */
  readonly certificate: Uint8Array;
  /** The first millisecond at which the certificate is no longer valid. */
  readonly validBefore: number;
  readonly origin: Origin;
  /** Hash of the id of the web session. */
  readonly session?: string;
}

/** An open way to an agent; the header is on its way. Exactly one of the two is called, once. */
export interface TargetLink {
  /** Host id of the agent. */
  readonly hostId: string;
  /** Joins the client's stream to the agent: both are owned from now on. The cheapest way. */
  join(stream: Duplex): void;
  /** The agent's end as a stream: what is written goes to the target behind the header. Half-open; the caller destroys it. */
  stream(): Duplex;
}

export interface TargetRouter {
  /**
   * NOT_FOUND when there is no such target that this person may see (on record, with the id of the denial), ACCESS_DENIED
   * when the certificate is not for it, LOCKED, LIMIT_EXCEEDED; UNAVAILABLE says which agents were tried.
   */
  open(service: TargetService, target: string, caller: TargetCaller): Promise<TargetLink>;
}

/** As TargetRouter.open, for those who want a stream (proxy/app). */
export async function reachTarget(
  router: TargetRouter,
  request: TargetCaller & { readonly service: TargetService; readonly target: string },
): Promise<Duplex> {
  const link = await router.open(request.service, request.target, request);
  return link.stream();
}
