// The routes by which people get certificates for targets, and learn what they may ask for. Apart from the other routes of
// this folder because targets have refusals of their own: one that is not there and one that is hidden look alike.
import { targetCertificate, targetGrants } from '#core/api/targets.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Caller } from '../guard/caller.ts';
import { denial } from '../guard/refusals.ts';
import { handler, type Handler } from '../routes/handler.ts';
import type { IssueContext } from './context.ts';
import { issueTarget, loginOf, type AppWish, type DatabaseWish, type TargetWish } from './target.ts';
import { appPlaces, dbPlaces, grantsAt } from './target-places.ts';

const certificateHandler = handler({
  endpoint: targetCertificate,
  access: { to: 'user' },
  async handle(context, caller, request) {
    const wish = requireOne(request);
    const title = 'database' in wish ? `db/${wish.database.service}` : `app/${wish.app.name}`;
    const identity = requireUser(context, caller, title);
    try {
      return await issueTarget(context, identity, {
        wish,
        tlsPublicKey: request.tls_public_key,
        ttlMs: request.ttl === undefined ? undefined : parseDuration(request.ttl),
        address: caller.address,
      });
    } catch (error) {
      if (!isCode(error, 'ACCESS_DENIED')) throw error;
      const reasons = error.message.split('; ');
      throw denial(context, caller, { action: 'certificate', resource: title, reasons });
    }
  },
});

const grantsHandler = handler({
  endpoint: targetGrants,
  access: { to: 'user' },
  async handle(context, caller, { kind, name }) {
    const title = `${kind}/${name}`;
    const identity = requireUser(context, caller, title);
    const { access } = loginOf(context, identity, { address: caller.address });
    const dbs = kind === 'db' ? dbPlaces(context, access, name) : [];
    const apps = kind === 'app' ? appPlaces(context, access, name) : [];
    // Whether there is one that the roles hide is not for everybody to know.
    if (dbs.length + apps.length === 0) {
      throw new GatehouseError('NOT_FOUND', `there is no ${kind} of this name that you may use`);
    }
    return grantsAt(access, { dbs, apps });
  },
});

export const TARGET_HANDLERS: readonly Handler[] = [certificateHandler, grantsHandler];

function requireOne({
  database,
  app,
}: {
  readonly database?: DatabaseWish;
  readonly app?: AppWish;
}): TargetWish {
  if (database !== undefined && app === undefined) return { database };
  if (app !== undefined && database === undefined) return { app };
  throw new GatehouseError('BAD_REQUEST', 'exactly one of database and app must be there');
}

function requireUser(context: IssueContext, caller: Caller, resource: string): UserIdentity {
  const { identity } = caller;
  if (identity?.kind === 'user') return identity;
  const reasons = [`a ${identity?.kind ?? 'caller without identity'} may not do this`];
  throw denial(context, caller, { action: 'certificate', resource, reasons });
}
