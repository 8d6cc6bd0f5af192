// The routes of people in browsers. Proxies call them with what cookies hold, and with the address that they saw.
import {
  appToken,
  createAppSession,
  createWebSession,
  endOwnWebSessions,
  endWebSession,
  launchApp,
  openAppSession,
  openWebSession,
} from '#core/api/web-sessions.ts';
import { isCode } from '#core/errors/error.ts';
import type { Caller } from '../guard/caller.ts';
import { denial } from '../guard/refusals.ts';
import { webLogIn } from '../accounts/login.ts';
import { issueAppToken } from '../issue/app-token.ts';
import { handler } from '../routes/handler.ts';
import type { Route, ServerContext } from '../routes/server-context.ts';
import { finishLaunch, openApp, startLaunch } from './launch.ts';
import { endSessions, openSession, requireSession, sessionsOf } from './sessions.ts';

const PROXIES = { to: 'host', roles: ['proxy'] } as const;

const createRoute: Route = handler({
  endpoint: createWebSession,
  access: { to: 'anyone', why: 'password and second factor are the proof' },
  handle: (context: ServerContext, caller, request) => webLogIn(context, caller, request),
});

const openRoute: Route = handler({
  endpoint: openWebSession,
  access: PROXIES,
  async handle(context: ServerContext, _caller, request) {
    const { session, identity } = await openSession(context, request);
    return { identity, expires: session.metadata.expires ?? '' };
  },
});

const endRoute: Route = handler({
  endpoint: endWebSession,
  access: PROXIES,
  async handle(context: ServerContext, _caller, request) {
    const web = await requireSession(context, 'web', request).catch(() => undefined);
    const { metadata, spec } = web ?? (await requireSession(context, 'app', request));
    await endSessions(context, [metadata.name]);
    if (spec.type === 'web') {
      context.audit.emit({ event: 'user.logout', user: spec.user, 'addr.remote': request.address });
    }
    return {};
  },
});

const endOwnRoute: Route = handler({
  endpoint: endOwnWebSessions,
  access: { to: 'user' },
  async handle(context: ServerContext, { identity }) {
    const user = identity?.kind === 'user' ? identity.name : '';
    const own = [...sessionsOf(context.state)].filter(({ spec }) => spec.user === user);
    await endSessions(
      context,
      own.map(({ metadata }) => metadata.name),
    );
    return { ended: own.length };
  },
});

const launchRoute: Route = handler({
  endpoint: launchApp,
  access: PROXIES,
  handle: (context: ServerContext, _caller, { aws_role: awsRole, ...request }) =>
    startLaunch(context, { ...request, awsRole }),
});

const createAppRoute: Route = handler({
  endpoint: createAppSession,
  access: PROXIES,
  handle: (context: ServerContext, caller, request) =>
    onRecord(context, caller, `app/${request.app}`, () => finishLaunch(context, request)),
});

const openAppRoute: Route = handler({
  endpoint: openAppSession,
  access: PROXIES,
  handle: (context: ServerContext, _caller, request) => openApp(context, request),
});

const tokenRoute: Route = handler({
  endpoint: appToken,
  access: { to: 'host', roles: ['app'] },
  handle: (context: ServerContext, caller, request) =>
    onRecord(context, caller, 'app token', () => {
      const hostId = caller.identity?.kind === 'host' ? caller.identity.host_id : '';
      return issueAppToken(context, { ...request, hostId });
    }),
});

/** The refusal goes to the caller with the id of the denial, the reasons into the audit log. */
async function onRecord<T>(
  context: ServerContext,
  caller: Caller,
  resource: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isCode(error, 'ACCESS_DENIED')) throw error;
    throw denial(context, caller, { action: 'web', resource, reasons: error.message.split('; ') });
  }
}

/** For routes/all.ts. */
export const WEB_SESSION_ROUTES: readonly Route[] = [
  createRoute,
  openRoute,
  endRoute,
  endOwnRoute,
  launchRoute,
  createAppRoute,
  openAppRoute,
  tokenRoute,
];
