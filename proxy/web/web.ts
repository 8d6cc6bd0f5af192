// The HTTP side of the proxy as one part: server, pages, routes and upgrades, put together.
import { createHttpServer, type HttpLimits } from './http-server.ts';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebAnswer } from '#core/api/web.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { hostName, type AppOrigins } from '../app/origins.ts';
import type { Origins } from '../listen/origin.ts';
import { originOfRequest } from './client-address.ts';
import type { Invites } from './invites.ts';
import { readPages } from './pages.ts';
import { mountPeople } from './people-routes.ts';
import type { People } from './people.ts';
import { mountRoutes } from './routes.ts';
import { serveUpgrade, type UpgradeTargets } from './upgrade.ts';

export interface WebOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: HttpLimits;
  readonly endsTls: boolean;
  readonly origins: Origins;
  readonly trustsForwardedFor: boolean;
  readonly facts: () => WebAnswer;
  readonly notReady: () => string | undefined;
  readonly invites: Invites;
  readonly upgrades: UpgradeTargets;
  readonly people: People;
  readonly apps: AppOrigins;
  readonly publicAddress: () => string;
  readonly tokenAuthorities: () => readonly string[];
}

export interface Web {
  /** HTTP/1.1 on a connection, which may be TLS. Owns it. */
  accept(socket: Socket): void;
  close(): Promise<void>;
}

export async function openWeb(options: WebOptions): Promise<Web> {
  const server = createHttpServer({
    ...options,
    onUpgrade: (request, socket, head) => {
      const origin = originOfRequest(request, options);
      const settled = (): void => options.origins.settle(socket);
      serveUpgrade(request, socket, head, { origin, settled }, options.upgrades);
    },
  });
  const parts = {
    ...options,
    pages: await readPages(),
    originOf: (request: { readonly raw: IncomingMessage }) => originOfRequest(request.raw, options),
  };
  // A balancer may send requests for several hosts on one connection: these pages are of no origin but the proxy's.
  server.app.addHook('onRequest', async ({ headers }, reply) => {
    if (options.apps.appAt(hostName(headers.host ?? '')) === undefined) return undefined;
    return reply.code(421).type('text/plain; charset=utf-8').send('This connection is for another host.\n');
  });
  mountRoutes(server.app, parts);
  mountPeople(server.app, parts);
  await server.ready();
  return { accept: (socket) => server.accept(socket), close: () => server.close() };
}
