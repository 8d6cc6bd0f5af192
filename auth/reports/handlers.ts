// The route by which hosts tell what happened on them. An event is answered for once it is on stable storage; one that
// is known already is not kept again; one that is not the host's to tell is refused by itself.
import { MAX_REPORT_BYTES, reportEvents } from '#core/api/reports.ts';
import type { Clock } from '#core/clock.ts';
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { HostIdentity } from '#core/identity.ts';
import { RateLimit } from '#core/rate-limit.ts';
import type { Resource } from '#core/resource.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { sessionKind, type SessionSpec } from '#kinds/session/kind.ts';
import { isSessionId } from '#recordings/meta.ts';
import type { AuthContext } from '../context.ts';
import type { Caller } from '../guard/caller.ts';
import { denial } from '../guard/refusals.ts';
import { handler, type Handler } from '../routes/handler.ts';
import { acceptReport, REPORTERS, type PlaceOf, type ReportedEvent } from './accept.ts';
import type { KnownEvents, knownEvents } from './known.ts';

/** Calls of one host: 100 at once, then 20 a second, of up to 500 events each. */
const CALLS = { burst: 100, refillMs: 50, maxAddresses: 50_000 };

interface Refused {
  readonly index: number;
  readonly code: Code;
  readonly message: string;
}

export interface ReportOptions {
  readonly clock: Clock;
  readonly known: ReturnType<typeof knownEvents>;
}

/** What it remembers is of one server: make it once per server. */
export function reportHandlers({ clock, known }: ReportOptions): readonly Handler[] {
  const calls = new RateLimit({ clock, ...CALLS });
  const report = handler({
    endpoint: reportEvents,
    access: { to: 'host', roles: REPORTERS },
    bodyLimit: MAX_REPORT_BYTES,
    async handle(context, caller, { events }) {
      const identity = requireHost(context, caller);
      if (!calls.take(identity.host_id)) {
        throw new GatehouseError('LIMIT_EXCEEDED', 'this host tells too much at once; try again later');
      }
      const seen = known(context);
      await seen.ready();
      const { accepted, refused } = sort(context, caller, identity, events);
      await keep(context.audit, seen, accepted);
      return { accepted: accepted.length, refused };
    },
  });
  return [report];
}

function requireHost(context: AuthContext, caller: Caller): HostIdentity {
  if (caller.identity?.kind === 'host') return caller.identity;
  const reasons = ['only a host tells what happened on it'];
  throw denial(context, caller, { action: 'report', resource: 'event', reasons });
}

interface Sorted {
  readonly accepted: readonly ReportedEvent[];
  readonly refused: readonly Refused[];
}

function sort(
  context: AuthContext,
  caller: Caller,
  identity: HostIdentity,
  events: readonly unknown[],
): Sorted {
  const accepted: ReportedEvent[] = [];
  const refused: Refused[] = [];
  let denied: GatehouseError | undefined;
  const placeOf: PlaceOf = (sid) =>
    isSessionId(sid)
      ? (context.state.get(sessionKind.name, sid) as Resource<SessionSpec> | undefined)?.spec
      : undefined;
  for (const [index, document] of events.entries()) {
    try {
      accepted.push(acceptReport(identity, document, placeOf));
    } catch (error) {
      if (isCode(error, 'ACCESS_DENIED')) {
        // One denial speaks for all of the call: a host that lies must not fill the log.
        denied ??= denial(context, caller, { action: 'report', resource: 'event', reasons: [error.message] });
        refused.push({ index, code: denied.code, message: denied.message });
      } else if (isCode(error, 'BAD_REQUEST')) {
        refused.push({ index, code: error.code, message: error.message });
      } else throw error;
    }
  }
  return { accepted, refused };
}

/** Resolves when all are on stable storage; the log itself knows those that are on their way. */
async function keep(
  audit: Pick<AuditLog, 'emitDurably'>,
  known: KnownEvents,
  events: readonly ReportedEvent[],
): Promise<void> {
  const fresh = events.filter(({ uid }) => !known.has(uid));
  await Promise.all(fresh.map((event) => audit.emitDurably(event)));
  for (const { uid } of fresh) known.add(uid);
}
