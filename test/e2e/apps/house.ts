// A cluster with applications in one process: auth, a proxy, an agent with the real engine, and the servers it leads to.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { openApps } from '#agent/app/open.ts';
import type { AppEngine, TargetGround } from '#agent/target/connection.ts';
import type { AppServiceConfig } from '#config/config.ts';
import { systemClock } from '#core/clock.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { startProxyHouse, type ProxyHouse } from '#test/kit/proxy.ts';
import { startTargetAgent, testApp, type TargetAgent } from '#test/kit/target-agent.ts';
import { until } from '#test/kit/until.ts';

export const PASSWORD = 'four unrelated words here';
export const PROXY_HOST = 'proxy.test.example.com';

export interface AppHouse {
  readonly auth: TestAuth;
  readonly door: ProxyHouse;
  readonly agent: TargetAgent;
  /** Of the web port. */
  readonly port: number;
  /** `https://name.proxy:port` */
  url(app: string): string;
  /** A user with the password, and the role `web`. */
  signUp(name: string): Promise<void>;
  /** A person with a certificate for the application. */
  person(app: string, name?: string): Promise<TestClient>;
  /** By certificate when there is one, else as a browser does: the host name in the server name. */
  ask(host: string, options: Ask): Promise<Answer>;
  close(): Promise<void>;
}

export interface Ask extends Pick<RequestOptions, 'method' | 'headers' | 'path'> {
  readonly client?: TestClient;
  /** The certificate is shown at the host name of the application, as curl does. */
  readonly isPlain?: boolean;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export async function startServer(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

/** `apps` by name: the port of its server on loopback. The caller closes it. */
export async function startAppHouse(
  apps: Readonly<Record<string, { readonly port: number } & Partial<Parameters<typeof testApp>[1]>>>,
  engine: (ground: TargetGround) => AppEngine = openApps,
  more: {
    /** Of the cluster's applications, which the agent serves as well. */
    readonly resources?: AppServiceConfig['resources'];
    /** Of the proxy. */
    readonly maxConnections?: number;
  } = {},
): Promise<AppHouse> {
  const auth = await startTestAuth();
  // The clock of auth stands still, and codes need steps of time.
  await auth.put('cluster_auth_preference', 'cluster-auth-preference', { second_factor: 'off' });
  await auth.put('role', 'web', { allow: { app_labels: { env: ['test'] } } });
  const door = await startProxyHouse(auth, {
    clock: systemClock,
    ...(more.maxConnections === undefined ? {} : { maxConnections: more.maxConnections }),
  });
  const port = Number(door.web.split(':')[1]);
  const agent = await startTargetAgent(auth, {
    name: 'agent',
    proxy: door.web,
    engines: { db: () => refuseAll(), app: engine },
    config: {
      app: {
        apps: Object.entries(apps).map(([name, { port: target, ...more }]) =>
          testApp(name, { uri: `http://127.0.0.1:${target}`, ...more }),
        ),
        resources: more.resources ?? [],
        debugApp: false,
      },
    },
  });
  await until('the applications are known', () => {
    const known = [...auth.auth.state.list('app_server')];
    return known.length === Object.keys(apps).length && known.every(hasTunnel);
  });
  const ask: AppHouse['ask'] = (host, options) => send(port, auth.authority, host, options);
  await until('the proxy knows them', async () => {
    const answers = await Promise.all(
      Object.keys(apps).map((name) =>
        ask(`${name}.${PROXY_HOST}`, { headers: { accept: 'application/json' } }),
      ),
    );
    return answers.every(({ status }) => status === 401);
  });
  return {
    auth,
    door,
    agent,
    port,
    ask,
    url: (app) => `https://${app}.${PROXY_HOST}:${port}`,
    async signUp(name) {
      const invited = await auth.call(auth.admin, 'POST', '/v1/invites', {
        user: name,
        purpose: 'invite',
        roles: ['web'],
      });
      const token = String(invited.body?.['token']);
      await auth.call(undefined, 'POST', '/v1/invites/accept', { token, password: PASSWORD });
    },
    person: (app, name = 'joe') =>
      auth.issueUser(name, ['web'], {
        identity: {
          usage: 'app',
          route_to_app: {
            name: app,
            public_addr: `${app}.${PROXY_HOST}`,
            session_id: '8f0e6f0e-0000-4000-8000-000000000001',
          },
        },
      }),
    async close() {
      await agent.close();
      await door.close();
      await auth.close();
    },
  };
}

function hasTunnel({ spec }: { readonly spec: unknown }): boolean {
  return (spec as { proxy_ids: readonly string[] }).proxy_ids.length > 0;
}

function refuseAll() {
  return {
    serve: () => {},
    refuse: () => {},
    cancel: () => {},
    count: 0,
    close: async () => {},
  };
}

function send(port: number, ca: string, host: string, ask: Ask): Promise<Answer> {
  const { client, isPlain = false, body, headers, ...rest } = ask;
  const pair = client === undefined ? {} : { cert: client.certificate, key: client.privateKey };
  const isByName = client === undefined || isPlain;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        servername: isByName ? host : PROXY_HOST,
        headers: { host: `${host}:${port}`, ...(headers as object) },
        agent: false,
        ...rest,
        ...pair,
        ...(isByName ? { rejectUnauthorized: false } : { ca, ALPNProtocols: ['gatehouse-app'] }),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
