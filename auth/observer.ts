// What the auth service tells about its work while it works: the source of metrics. Must be cheap, and must not throw.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { StorageCall } from '#storage/wrap/observe.ts';
import type { AuditLog } from '#events/audit-log.ts';

export interface AuthObserver {
  /** `route` is a pattern such as `GET /v1/resources/roles/:name`; empty for calls that do not exist. */
  callBegan(route: string): void;
  callEnded(route: string, status: number, durationMs: number): void;
  stored(call: StorageCall): void;
  /** An audit event was emitted. */
  event(type: string): void;
}

/** The same log, with every event told to the observer. */
export function observeAudit(audit: AuditLog, observer: AuthObserver | undefined): AuditLog {
  if (observer === undefined) return audit;
  return {
    emit(event) {
      observer.event(event.event);
      audit.emit(event);
    },
    emitDurably(event) {
      observer.event(event.event);
      return audit.emitDurably(event);
    },
    flush: () => audit.flush(),
    search: (query) => audit.search(query),
    status: () => audit.status(),
    close: () => audit.close(),
  };
}

/** Before the hooks of the server, so that refused calls count as well. */
export function observeCalls(app: FastifyInstance, observer: AuthObserver): void {
  app.addHook('onRequest', async (request) => observer.callBegan(routeOf(request)));
  app.addHook('onResponse', async (request, reply) =>
    observer.callEnded(routeOf(request), reply.statusCode, reply.elapsedTime),
  );
}

function routeOf({ routeOptions: { method, url } }: FastifyRequest): string {
  return url === undefined ? '' : `${String(method)} ${url}`;
}
