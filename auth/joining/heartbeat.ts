// A host says that it is there. It may speak of itself only: its own instance record, the presence resources that its
// system roles serve, under its own id and name, and the sessions it carries, all for a bounded time.
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { parseResource, type Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { appServerKind, type AppServerSpec } from '#kinds/app-server/kind.ts';
import { dbServerKind, type DbServerSpec } from '#kinds/db-server/kind.ts';
import { instanceKind } from '#kinds/instance/kind.ts';
import { nodeKind } from '#kinds/node/kind.ts';
import { proxyKind } from '#kinds/proxy/kind.ts';
import { sessionKind, type SessionSpec } from '#kinds/session/kind.ts';
import type { ClusterState, Change } from '../state/state.ts';

export interface Heartbeat {
  readonly version: string;
  readonly ttlMs: number;
  /** Documents as they came. */
  readonly resources: readonly unknown[];
  /** Ids of sessions that are over. */
  readonly ended?: readonly string[];
  /** Targets that are no longer served. */
  readonly gone?: readonly GoneTarget[];
}

export interface GoneTarget {
  readonly kind: 'db_server' | 'app_server';
  readonly name: string;
}

interface Announced {
  readonly kind: Kind;
  /** Any of them is enough. */
  readonly roles: readonly SystemRole[];
  readonly most: number;
  /** Throws when the resource is not the host's own. */
  readonly requireOwn: (identity: HostIdentity, resource: Resource) => void;
}

/** Which kinds a host may announce, how many of each, and the system role it needs for that. */
const ANNOUNCED: readonly Announced[] = [
  { kind: nodeKind as Kind, roles: ['node'], most: 1, requireOwn: requireOwnService },
  { kind: proxyKind as Kind, roles: ['proxy'], most: 1, requireOwn: requireOwnService },
  { kind: dbServerKind as Kind, roles: ['db'], most: 1000, requireOwn: requireOwnTarget },
  { kind: appServerKind as Kind, roles: ['app'], most: 1000, requireOwn: requireOwnTarget },
  {
    kind: sessionKind as Kind,
    roles: ['node', 'proxy', 'db', 'app'],
    most: 1000,
    requireOwn: requireOwnSession,
  },
];

/** A machine that is gone must not be offered for longer than this. */
export const MAX_PRESENCE_MS = 3_600_000;
const MAX_RESOURCE_LENGTH = 64 * 1024;
const INTERNAL_LABELS = 'gatehouse.internal/';

/**
 * The resources to write, with their expiry. Pure. ACCESS_DENIED (`message` for admins only) for anything that is not
 * the host's own, INVALID_RESOURCE, BAD_REQUEST and TOO_LARGE for what cannot be stored.
 */
export function planHeartbeat(
  identity: HostIdentity,
  heartbeat: Heartbeat,
  now: number,
): readonly Resource[] {
  const { host_id, name, roles } = identity;
  if (heartbeat.ttlMs > MAX_PRESENCE_MS) {
    throw new GatehouseError('BAD_REQUEST', 'ttl must be at most 1h', { details: { field: 'ttl' } });
  }
  const expires = new Date(now + heartbeat.ttlMs).toISOString().replace('.000Z', 'Z');
  const instance = parseResource(instanceKind, {
    kind: instanceKind.name,
    metadata: { name: host_id, expires },
    spec: {
      host_id,
      hostname: name,
      roles,
      version: heartbeat.version,
      last_seen: new Date(now).toISOString(),
    },
  });
  const resources = heartbeat.resources.map((document) => announced(identity, document, expires));
  requireFew(resources);
  return [instance, ...resources];
}

function requireFew(resources: readonly Resource[]): void {
  for (const { kind, most } of ANNOUNCED) {
    const names = resources.filter((one) => one.kind === kind.name).map(({ metadata }) => metadata.name);
    if (names.length > most) {
      throw new GatehouseError('TOO_LARGE', `resources: a host announces at most ${most} ${kind.name}`);
    }
    if (new Set(names).size < names.length) {
      throw new GatehouseError('BAD_REQUEST', `resources: a ${kind.name} is there twice`);
    }
  }
}

function announced(identity: HostIdentity, document: unknown, expires: string): Resource {
  const kindName = isPlainObject(document) ? document['kind'] : undefined;
  const row = ANNOUNCED.find(({ kind }) => kind.name === kindName);
  if (row === undefined) throw foreign('a host announces only resources of kinds that it serves');
  if (!row.roles.some((role) => identity.roles.includes(role))) {
    throw foreign(`the host has not joined in the role ${row.roles.join(' or ')}`);
  }
  const resource = parseResource(row.kind, document);
  if (JSON.stringify(resource).length > MAX_RESOURCE_LENGTH) {
    throw new GatehouseError(
      'TOO_LARGE',
      `resources: a ${row.kind.name} has at most ${MAX_RESOURCE_LENGTH} characters`,
    );
  }
  requireOwnLabels(resource);
  row.requireOwn(identity, resource);
  const { revision: _theirs, ...metadata } = resource.metadata;
  return { ...resource, metadata: { ...metadata, expires } };
}

function requireOwnLabels({ metadata }: Resource): void {
  if (Object.keys(metadata.labels ?? {}).some((label) => label.startsWith(INTERNAL_LABELS))) {
    throw foreign(`labels that begin with ${INTERNAL_LABELS} are set by Gatehouse`);
  }
}

function requireOwnService(identity: HostIdentity, { sub_kind, metadata, spec }: Resource): void {
  if (metadata.name !== identity.host_id) throw foreign('metadata.name is not the id of the host that calls');
  if (sub_kind !== undefined) throw foreign('servers without an agent are registered by an admin');
  requireOwnHostname(identity, isPlainObject(spec) ? spec['hostname'] : undefined);
}

function requireOwnHostname(identity: HostIdentity, hostname: unknown): void {
  if (typeof hostname === 'string' && hostname.toLowerCase() === identity.name.toLowerCase()) return;
  // Users connect to this name and expect a host certificate for it.
  throw new GatehouseError(
    'BAD_REQUEST',
    `spec.hostname must be "${identity.name}", the name in the certificate of this host; renew the certificate to change it`,
    { details: { field: 'spec.hostname' } },
  );
}

/** The name is made of the id, as the check of the kind says. */
function requireOwnTarget(identity: HostIdentity, { spec }: Resource): void {
  const { host_id, hostname } = spec as DbServerSpec | AppServerSpec;
  if (host_id !== identity.host_id) throw foreign('spec.host_id is not the id of the host that calls');
  requireOwnHostname(identity, hostname);
}

function foreign(why: string): GatehouseError {
  return new GatehouseError('ACCESS_DENIED', why);
}

/** Which sort of session a host of a role carries; proxies those on servers that they record. */
const CARRIED: Readonly<Partial<Record<SystemRole, SessionSpec['session_type']>>> = {
  node: 'ssh',
  proxy: 'ssh',
  db: 'db',
  app: 'app',
};

/** A proxy that records carries sessions on other servers; everybody else carries those on itself. */
function requireOwnSession(identity: HostIdentity, resource: Resource): void {
  const { host_id, server_id, session_type } = resource.spec as SessionSpec;
  if (!identity.roles.some((role) => CARRIED[role] === session_type)) {
    throw foreign(`hosts of role ${identity.roles.join(', ')} carry no sessions of type ${session_type}`);
  }
  if (host_id !== identity.host_id) throw foreign('spec.host_id is not the id of the host that calls');
  if (server_id !== identity.host_id && !identity.roles.includes('proxy')) {
    throw foreign('spec.server_id is not the id of the host that calls');
  }
}

/** Room is left in a write for what the store adds. */
const MOST_AT_ONCE = 400;

/**
 * Writes what was planned, also when nothing but the time has changed, and removes the host's sessions
 * that are over and its targets that are gone.
 * ACCESS_DENIED, with nothing written, for a session that another host carries.
 */
export async function recordHeartbeat(
  state: Pick<ClusterState, 'write' | 'get'>,
  hostId: string,
  resources: readonly Resource[],
  { ended = [], gone = [] }: Pick<Heartbeat, 'ended' | 'gone'> = {},
): Promise<void> {
  const carrierOf = (id: string): string | undefined =>
    (state.get(sessionKind.name, id) as Resource<SessionSpec> | undefined)?.spec.host_id;
  for (const { kind, metadata } of resources) {
    const carrier = kind === sessionKind.name ? carrierOf(metadata.name) : undefined;
    if (carrier !== undefined && carrier !== hostId) throw foreign('the session is carried by another host');
  }
  const over = new Set(ended.filter((id) => carrierOf(id) === hostId));
  for (const { metadata } of resources) over.delete(metadata.name);
  const left = gone.filter(
    ({ kind, name }) =>
      (state.get(kind, name) as Resource<DbServerSpec | AppServerSpec> | undefined)?.spec.host_id ===
        hostId && !resources.some((resource) => resource.kind === kind && resource.metadata.name === name),
  );
  const changes: readonly Change[] = [
    ...resources.map((resource) => ({ do: 'put', resource }) as const),
    ...[...Array.from(over, (name) => ({ kind: sessionKind.name, name })), ...left].map(
      ({ kind, name }) => ({ do: 'delete', kind, name, ifPresent: true }) as const,
    ),
  ];
  for (let at = 0; at < changes.length; at += MOST_AT_ONCE) {
    await state.write(changes.slice(at, at + MOST_AT_ONCE));
  }
}
