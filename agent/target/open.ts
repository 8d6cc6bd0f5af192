// The services of databases and applications with everything under them: what is served, the guard, the engines, and who
// takes connections. Opened in this order and closed in reverse.
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { quietEvents } from '#client/audit/quiet-events.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { LiveSessions } from '#client/member/live-sessions.ts';
import type { Membership } from '#client/member/membership.ts';
import type { AppServiceConfig, DbConfig, DbServiceConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { appLabels, type AppSpec } from '#kinds/app/kind.ts';
import { dbLabels, type DbSpec } from '#kinds/db/kind.ts';
import type { TargetHeader } from '#wire/target/header.ts';
import type { Recordings } from '../recordings.ts';
import type { TunnelServices } from '../tunnel/connect.ts';
import type { AppEngine, DbEngine, TargetEvent, TargetGround } from './connection.ts';
import {
  appDocument,
  appServerDocument,
  dbDocument,
  dbServerDocument,
  type ServerFacts,
} from './documents.ts';
import { openGuard, type RunningGuard } from './open-guard.ts';
import { followTargets, type FixedTarget, type Served, type TargetSelector } from './served.ts';
import { openTargetService, type TargetService } from './service.ts';

export interface TargetsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Joined. */
  readonly membership: Pick<Membership, 'record' | 'api'>;
  /** Ready. */
  readonly view: ClusterView;
  readonly audit: { emit(event: TargetEvent): void; readonly filled?: number };
  readonly recordings: Pick<Recordings, 'record'>;
  readonly sessions?: LiveSessions | undefined;
  readonly dataDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly db?: DbServiceConfig | undefined;
  readonly app?: AppServiceConfig | undefined;
  readonly limits: { readonly maxConnections: number; readonly maxUsers: number };
  /** What speaks the protocols. */
  readonly engines: {
    db(ground: TargetGround): DbEngine;
    app(ground: TargetGround): AppEngine;
  };
  /** Documents of heartbeats are others now. */
  readonly onChange: () => void;
}

export interface Targets {
  /** Resolves when every command of a label has ended once. */
  readonly ready: Promise<void>;
  readonly services: TunnelServices;
  /** From a proxy in this process. Owns the stream. */
  handOver(header: TargetHeader, stream: Duplex): void;
  documents(facts: ServerFacts): readonly Resource[];
  readonly counts: { readonly connections: number; readonly users: number };
  /** Resolves when no connection is left. */
  drained(): Promise<void>;
  /** Ends everything, within two seconds. Safe to call twice. */
  close(): Promise<void>;
}

/** UNAVAILABLE before the host has joined, INVALID_CONFIG for a file of authorities that cannot be read. */
export async function openTargets(options: TargetsOptions): Promise<Targets> {
  const ground = groundOf(options);
  const listeners = { onTargets: (): void => {} };
  const dbs = await followDbs(options, () => listeners.onTargets());
  const apps = followApps(options, () => listeners.onTargets());
  const guard = openGuard({
    ...ground,
    limits: options.limits,
    labelsOf: (service, name) => (service === 'db' ? dbs : apps)?.labelsOf(name),
  });
  // Those that are served no more end, and heartbeats tell of the rest.
  listeners.onTargets = () => {
    guard.review();
    options.onChange();
  };
  const engines = openEngines(options, { ...ground, guard, appNow: (name) => apps?.get(name) });
  const service = openTargetService({
    ...ground,
    maxConnections: options.limits.maxConnections,
    ...(engines.db === undefined ? {} : { db: { engine: engines.db, find: (name) => dbs?.get(name) } }),
    ...(engines.app === undefined ? {} : { app: { engine: engines.app, find: (name) => apps?.get(name) } }),
  });
  let closing: Promise<void> | undefined;
  return {
    ready: Promise.all([dbs?.ready, apps?.ready]).then(() => undefined),
    services: servicesOf(options, service),
    handOver: (header, stream) => service.take(header, stream, ground.hostId),
    documents: (facts) => [
      ...(dbs?.all() ?? []).map((db) => dbServerDocument(db, facts)),
      ...(apps?.all() ?? []).map((app) => appServerDocument(app, facts)),
    ],
    get counts() {
      return { connections: service.connections, users: guard.users };
    },
    drained: () => service.drained(),
    close: () => (closing ??= closeAll(guard, engines, [dbs, apps])),
  };
}

type Engines = { readonly db?: DbEngine; readonly app?: AppEngine };

function openEngines({ engines, db, app }: TargetsOptions, ground: TargetGround): Engines {
  return {
    ...(db === undefined ? {} : { db: engines.db(ground) }),
    ...(app === undefined ? {} : { app: engines.app(ground) }),
  };
}

function servicesOf({ db, app }: TargetsOptions, service: TargetService): TunnelServices {
  const accept = (stream: Duplex, { via }: { readonly via: string }): void => service.accept(stream, via);
  return { ...(db === undefined ? {} : { db: accept }), ...(app === undefined ? {} : { app: accept }) };
}

function groundOf(options: TargetsOptions): Omit<TargetGround, 'guard'> {
  const { clock, log, membership, view, audit, recordings, sessions, environment, dataDir } = options;
  const record = membership.record();
  if (record === undefined) throw new GatehouseError('UNAVAILABLE', 'this host has not joined yet');
  return {
    clock,
    log,
    hostId: record.certificates.host_id,
    hostname: record.node_name,
    membership,
    view,
    emit: quietEvents({ clock, emit: (event) => audit.emit(event) }),
    auditFilled: () => audit.filled ?? 0,
    record: (request) => recordings.record({ ...request, byProxy: false }),
    sessions,
    environment,
    dataDir,
  };
}

async function followDbs(options: TargetsOptions, onChange: () => void): Promise<Served<DbSpec> | undefined> {
  const { db, view } = options;
  if (db === undefined) return undefined;
  return followTargets<DbSpec>({
    ...options,
    fixed: await Promise.all(db.databases.map(fixedDb)),
    selectors: db.resources.map(({ labels, aws }) => ({ labels, ...(aws && { complete: withRole(aws) }) })),
    documents: () => view.dbs(),
    onDocuments: (listener) => view.onChange((kinds) => kinds.has('db') && listener()),
    labelsOf: dbLabels,
    onChange,
  });
}

function followApps(options: TargetsOptions, onChange: () => void): Served<AppSpec> | undefined {
  const { app, view } = options;
  if (app === undefined) return undefined;
  return followTargets<AppSpec>({
    ...options,
    fixed: app.apps.map((config) => ({
      name: config.name,
      commands: config.commands,
      document: (results) => appDocument(config, results),
    })),
    selectors: app.resources,
    documents: () => view.apps(),
    onDocuments: (listener) => view.onChange((kinds) => kinds.has('app') && listener()),
    labelsOf: appLabels,
    onChange,
  });
}

async function fixedDb(config: DbConfig): Promise<FixedTarget<DbSpec>> {
  const { caCertFile } = config.tls;
  const caCert = caCertFile === undefined ? undefined : await readPem(caCertFile, config.name);
  return {
    name: config.name,
    commands: config.commands,
    document: (results) => dbDocument(config, results, caCert),
  };
}

async function readPem(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new GatehouseError('INVALID_CONFIG', `cannot read ${path}, the authorities of database ${name}`, {
      cause,
    });
  }
}

type MatcherAws = NonNullable<DbServiceConfig['resources'][number]['aws']>;

/** The role of the selector counts where the document names none. */
const withRole =
  ({ assumeRoleArn, externalId }: MatcherAws): NonNullable<TargetSelector<DbSpec>['complete']> =>
  (db) => {
    if (assumeRoleArn === undefined || db.spec.aws.assume_role_arn !== undefined) return db;
    const aws = {
      ...db.spec.aws,
      assume_role_arn: assumeRoleArn,
      ...(externalId === undefined ? {} : { external_id: externalId }),
    };
    return { ...db, spec: { ...db.spec, aws } };
  };

async function closeAll(
  guard: RunningGuard,
  { db, app }: Engines,
  served: readonly ({ close(): Promise<void> } | undefined)[],
): Promise<void> {
  guard.close();
  await Promise.all([db?.close(), app?.close()]);
  await Promise.all(served.map((one) => one?.close()));
}
