// Calls on the audit log: search and verify. Who may see only the events of their own sessions gets those and no
// others.
import { searchEvents, verifyEvents } from '#core/api/audit.ts';
import type { WhereContext } from '#core/access/predicates.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AuditEvent } from '#events/catalogue.ts';
import { actorOf, type Caller } from '../guard/caller.ts';
import { handler } from './handler.ts';
import type { Route, ServerContext } from './server-context.ts';

const searchRoute: Route = handler({
  endpoint: searchEvents,
  access: { to: 'resource', kind: 'event', verbs: ['list', 'read'] },
  async handle(context: ServerContext, caller, query) {
    const page = await context.audit.search({
      from: query.from === undefined ? 0 : Date.parse(query.from),
      to: query.to === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(query.to),
      types: query.types?.split(',').map((type) => type.trim()),
      user: query.user,
      search: query.search,
      limit: query.limit,
      order: query.order === 'newest' ? 'desc' : 'asc',
      cursor: query.cursor,
    });
    const events = page.events.filter((event) => maySee(context, caller, event));
    return { events, ...(page.next === undefined ? {} : { cursor: page.next }) };
  },
});

const verifyRoute: Route = handler({
  endpoint: verifyEvents,
  access: { to: 'resource', kind: 'event', verbs: ['list', 'read'], whole: true },
  async handle(context: ServerContext, caller) {
    if (context.verifyAudit === undefined) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        'no audit sink of this cluster keeps files that can be checked here',
      );
    }
    const report = await context.verifyAudit();
    context.audit.emit({
      event: 'audit.verified',
      success: report.ok,
      findings: report.findings.length,
      ...actorOf(caller),
    });
    return report;
  },
});

/** An event without a session has no participants, so a rule about participants never lets it through. */
function maySee({ guard }: ServerContext, caller: Caller, event: AuditEvent): boolean {
  return guard.maySeeSession(caller, 'event', sessionOf(event));
}

function sessionOf(event: AuditEvent): NonNullable<WhereContext['session']> {
  const fields = event as { sid?: string; user?: string; login?: string; participants?: readonly string[] };
  if (fields.sid === undefined) return { participants: [] };
  const { user, login, participants = [] } = fields;
  return {
    ...(user === undefined ? {} : { user }),
    ...(login === undefined ? {} : { login }),
    participants: user === undefined ? participants : [user, ...participants],
  };
}

export const AUDIT_ROUTES: readonly Route[] = [searchRoute, verifyRoute];
