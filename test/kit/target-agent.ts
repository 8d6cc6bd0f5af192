// An agent of databases and applications in this process, a member of a test auth service, with tunnels to a proxy house.
// Its engines are stand-ins: they ask the guard as real ones do, say who they are, and send back what they get.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent, type Agent, type AgentOptions } from '#agent/main.ts';
import type {
  AppEngine,
  CancelKey,
  DbEngine,
  TargetConnection,
  TargetGround,
} from '#agent/target/connection.ts';
import type { OpenedTarget } from '#agent/target/guard.ts';
import { startClusterView } from '#client/cluster-view.ts';
import { openCredentialDir } from '#client/credentials-dir.ts';
import { startMembership } from '#client/member/membership.ts';
import { startPresence } from '#client/member/presence.ts';
import type { AppConfig, DbConfig } from '#config/config.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog, type Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { appLabels } from '#kinds/app/kind.ts';
import { dbLabels } from '#kinds/db/kind.ts';
import type { TestAuth } from './auth-server.ts';

export interface TargetAgent {
  readonly agent: Agent;
  readonly hostId: string;
  readonly events: { readonly event: string }[];
  /** Cancel requests that arrived. */
  readonly cancels: CancelKey[];
  /** Connections that were let in, by the guard. */
  readonly opened: OpenedTarget[];
  /** As if the machine were gone: its sockets are closed without a word to auth. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

export interface TargetAgentOptions {
  readonly name: string;
  readonly log?: Log;
  readonly config: Pick<AgentOptions['config'], 'db' | 'app'>;
  /** `host:port` of the web port of a proxy. */
  readonly proxy: string;
  readonly engines?: AgentOptions['engines'];
  /** Variables of its process. Default: none. */
  readonly environment?: AgentOptions['environment'];
}

export const testDb = (name: string, more: Partial<DbConfig> = {}): DbConfig => ({
  name,
  protocol: 'postgres',
  uri: '127.0.0.1:5432',
  labels: { env: 'test' },
  commands: [],
  tls: { mode: 'insecure' },
  aws: {},
  ...more,
});

export const testApp = (name: string, more: Partial<AppConfig> = {}): AppConfig => ({
  name,
  uri: 'http://127.0.0.1:8080',
  labels: { env: 'test' },
  commands: [],
  insecureSkipVerify: false,
  rewrite: { redirect: [], headers: [] },
  aws: {},
  ...more,
});

/** The caller closes it, before proxy and auth. Resolves when the cluster knows it. */
export async function startTargetAgent(house: TestAuth, options: TargetAgentOptions): Promise<TargetAgent> {
  const { name, config, proxy, log = silentLog } = options;
  const clock = systemClock;
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-agent-'));
  const token = randomBytes(16).toString('hex');
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('token', token, { roles: ['db', 'app'] }, { expires });
  const membership = startMembership({
    clock,
    log,
    store: openCredentialDir(dataDir),
    authServers: [`127.0.0.1:${house.auth.port}`],
    token: new Secret(token),
    caPins: [caPin(derFromPem(house.authority))],
    roles: ['db', 'app'],
    nodeName: name,
    addresses: [],
  });
  const view = startClusterView({ membership, clock, log });
  const events: { readonly event: string }[] = [];
  const cancels: CancelKey[] = [];
  const opened: OpenedTarget[] = [];
  const agent = startAgent({
    clock,
    log,
    version: '0.1.0',
    membership,
    view,
    audit: { emit: (event) => void events.push(event) },
    dataDir,
    config,
    limits: { maxConnections: 100, maxUsers: 100 },
    address: '',
    tunnelAddresses: [proxy],
    environment: options.environment ?? {},
    engines: options.engines ?? {
      db: (ground) => echoDatabases(name, ground, opened, cancels),
      app: (ground) => echoApps(name, ground, opened),
    },
  });
  const presence = startPresence({
    clock,
    log,
    version: '0.1.0',
    membership,
    ready: agent.ready,
    resources: (record) => agent.documents(record),
  });
  agent.onChange(() => presence.renew());
  let closing: Promise<void> | undefined;
  const end = async (isReplaced: boolean): Promise<void> => {
    await presence.close({ isReplaced });
    await agent.close();
    await view.close();
    await membership.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  await Promise.race([agent.ready, agent.failed]);
  return {
    agent,
    get hostId() {
      return membership.record()?.certificates.host_id ?? '';
    },
    events,
    cancels,
    opened,
    crash: () => (closing ??= end(true)),
    close: () => (closing ??= end(false)),
  };
}

function echoDatabases(
  name: string,
  ground: TargetGround,
  opened: OpenedTarget[],
  cancels: CancelKey[],
): DbEngine {
  const serve: DbEngine['serve'] = (connection, db) => {
    const target = { name: db.metadata.name, labels: dbLabels(db) };
    const request = { kind: 'db', target, user: 'alice', database: 'orders' } as const;
    echo(name, ground, connection, request, opened);
  };
  const refuse: DbEngine['refuse'] = (stream, { code }) => void stream.end(`refused ${code}\n`);
  return { serve, refuse, cancel: (key) => void cancels.push(key), count: 0, close: async () => {} };
}

function echoApps(name: string, ground: TargetGround, opened: OpenedTarget[]): AppEngine {
  return {
    serve(connection, app) {
      const target = { name: app.metadata.name, labels: appLabels(app) };
      echo(name, ground, connection, { kind: 'app', target }, opened);
    },
    refuse: (stream, { code }) => void stream.end(`refused ${code}\n`),
    count: 0,
    close: async () => {},
  };
}

function echo(
  name: string,
  { guard }: TargetGround,
  connection: TargetConnection,
  request: Parameters<TargetGround['guard']['open']>[1],
  opened: OpenedTarget[],
): void {
  const { stream, identity, client } = connection;
  stream.on('error', () => stream.destroy());
  try {
    const session = guard.open(connection, request, {
      cut: (reason, message) => void stream.end(`cut ${reason}: ${message}\n`, () => stream.destroy()),
    });
    opened.push(session);
    stream.once('close', () => session.close());
    stream.write(`${name} serves ${request.target.name} to ${identity.name} at ${client}\n`);
    stream.on('data', (data: Buffer) => {
      session.touch();
      stream.write(data);
    });
    stream.once('end', () => stream.end());
    stream.resume();
  } catch (error) {
    stream.end(`${(error as Error).message}\n`);
  }
}
