// Every call of the auth API: the one list that the server mounts. A call that is not here does not exist.
import { ISSUE_HANDLERS } from '../issue/handlers.ts';
import { TARGET_HANDLERS } from '../issue/target-handlers.ts';
import { joiningHandlers, type JoiningOptions } from '../joining/handlers.ts';
import { ACCOUNT_ROUTES } from '../accounts/handlers.ts';
import { readingRoutes } from '../recordings/reading.ts';
import { uploadRoutes } from '../recordings/uploads.ts';
import { knownEvents } from '../reports/known.ts';
import { reportHandlers } from '../reports/handlers.ts';
import { ACCESS_ROUTES } from './access.ts';
import { applyRoute } from './apply.ts';
import { AUDIT_ROUTES } from './audit.ts';
import { CLUSTER_ROUTES } from './cluster.ts';
import { resourceRoutes } from './resources.ts';
import type { Route } from './server-context.ts';
import { snapshotRoute, watchRoute } from './watch.ts';
import { WEB_SESSION_ROUTES } from '../web-sessions/handlers.ts';

/** Those that keep nothing. */
export const ROUTES: readonly Route[] = [
  ...CLUSTER_ROUTES,
  ...resourceRoutes(),
  applyRoute,
  snapshotRoute as Route,
  watchRoute as Route,
  ...AUDIT_ROUTES,
  ...ACCESS_ROUTES,
  ...ACCOUNT_ROUTES,
  ...WEB_SESSION_ROUTES,
  ...(ISSUE_HANDLERS as readonly Route[]),
  ...(TARGET_HANDLERS as readonly Route[]),
];

/** All of them: with those that keep limits of their own, so make them once per server. */
export function routesOf(options: JoiningOptions): readonly Route[] {
  const known = knownEvents();
  return [
    ...ROUTES,
    ...([...joiningHandlers(options), ...reportHandlers({ ...options, known })] as readonly Route[]),
    ...uploadRoutes(known),
    ...readingRoutes(options.clock),
  ];
}
