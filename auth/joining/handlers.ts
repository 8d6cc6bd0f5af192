// The routes of machines: joining, renewing, and saying that they are there.
import { heartbeat, join, renewHost } from '#core/api/join.ts';
import type { Clock } from '#core/clock.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { HostIdentity } from '#core/identity.ts';
import type { KubernetesReviews } from '#join/kubernetes/reviews.ts';
import type { StaticToken } from '#join/method.ts';
import type { Caller } from '../guard/caller.ts';
import { RateLimit } from '#core/rate-limit.ts';
import { denial } from '../guard/refusals.ts';
import type { IssueContext } from '../issue/context.ts';
import { handler, type Handler } from '../routes/handler.ts';
import { planHeartbeat, recordHeartbeat } from './heartbeat.ts';
import { joinHost, type OwnHost } from './join.ts';
import { renewHostCertificates } from './renew.ts';

export interface JoiningOptions {
  /** Tokens of the configuration file. */
  readonly staticTokens: readonly StaticToken[];
  readonly ownHost?: OwnHost | undefined;
  /** What method `kubernetes` asks of others. */
  readonly kubernetes: KubernetesReviews;
  readonly clock: Clock;
}

/** Wrong tokens from one address: 20 at once, then one every 10 s. */
const FAILED_JOINS = { burst: 20, refillMs: 10_000 };
/** Heartbeats and renewals of one host: 30 at once, then one every 2 s. An agent sends one in minutes. */
const HOST_CALLS = { burst: 30, refillMs: 2_000, maxAddresses: 50_000 };

/** Room for the sessions of a busy host. */
const HEARTBEAT_LIMIT = 4 * 1024 * 1024;

/** The limits are kept for as long as the handlers are: make them once per server. */
export function joiningHandlers(options: JoiningOptions): readonly Handler[] {
  const { ownHost, clock } = options;
  const limit = new RateLimit({ clock, ...FAILED_JOINS });
  const calls = new RateLimit({ clock, ...HOST_CALLS });

  const joinHandler = handler({
    endpoint: join,
    access: { to: 'anyone', why: 'a machine that joins has no identity yet; its token is the proof' },
    handle: (context, caller, request) => joinHost(context, { ...options, limit }, caller, request),
  });

  const renewHandler = handler({
    endpoint: renewHost,
    access: { to: 'host', roles: [] },
    async handle(context, caller, request) {
      const identity = requireHost(context, caller, 'renew', calls);
      return renewHostCertificates(context, identity, caller, request, ownHost);
    },
  });

  const heartbeatHandler = handler({
    endpoint: heartbeat,
    access: { to: 'host', roles: [] },
    bodyLimit: HEARTBEAT_LIMIT,
    async handle(context, caller, request) {
      const identity = requireHost(context, caller, 'heartbeat', calls);
      const ttlMs = parseDuration(request.ttl);
      try {
        const resources = planHeartbeat(identity, { ...request, ttlMs }, context.clock.now());
        await recordHeartbeat(context.state, identity.host_id, resources, request);
      } catch (error) {
        if (!isCode(error, 'ACCESS_DENIED')) throw error;
        const resource = `instance/${identity.host_id}`;
        throw denial(context, caller, { action: 'heartbeat', resource, reasons: [error.message] });
      }
      return { server_version: context.serverVersion };
    },
  });

  return [joinHandler, renewHandler, heartbeatHandler];
}

function requireHost(context: IssueContext, caller: Caller, action: string, calls: RateLimit): HostIdentity {
  const { identity } = caller;
  if (identity?.kind !== 'host') {
    const reasons = [`a ${identity?.kind ?? 'caller without identity'} may not do this`];
    throw denial(context, caller, { action, resource: 'instance', reasons });
  }
  if (calls.take(identity.host_id)) return identity;
  throw new GatehouseError('LIMIT_EXCEEDED', 'this host calls too often; try again later');
}
