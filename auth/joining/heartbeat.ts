// A host says that it is there. It may speak of itself only: its own instance record, and the presence resources that
// its system roles serve, under its own id and name, for a bounded time.
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole } from '#core/identity.ts';
import { parseResource, type Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { instanceKind } from '#kinds/instance/kind.ts';
import { nodeKind } from '#kinds/node/kind.ts';
import type { ClusterState } from '../state/state.ts';

export interface Heartbeat {
  readonly version: string;
  readonly ttlMs: number;
  /** Documents as they came. */
  readonly resources: readonly unknown[];
}

/** Which kinds a host may announce, and the system role it needs for that. */
const ANNOUNCED: readonly { readonly kind: Kind; readonly role: SystemRole }[] = [
  { kind: nodeKind as Kind, role: 'node' },
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
  if (heartbeat.resources.length > ANNOUNCED.length) {
    throw new GatehouseError(
      'TOO_LARGE',
      `resources: a host announces at most ${ANNOUNCED.length}, one of each kind it serves`,
    );
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
  return [instance, ...heartbeat.resources.map((document) => announced(identity, document, expires))];
}

function announced(identity: HostIdentity, document: unknown, expires: string): Resource {
  const kindName = isPlainObject(document) ? document['kind'] : undefined;
  const row = ANNOUNCED.find(({ kind }) => kind.name === kindName);
  if (row === undefined) throw foreign('a host announces only resources of kinds that it serves');
  if (!identity.roles.includes(row.role)) throw foreign(`the host has not joined in the role ${row.role}`);
  const resource = parseResource(row.kind, document);
  if (JSON.stringify(resource).length > MAX_RESOURCE_LENGTH) {
    throw new GatehouseError(
      'TOO_LARGE',
      `resources: a ${row.kind.name} has at most ${MAX_RESOURCE_LENGTH} characters`,
    );
  }
  requireOwn(identity, resource);
  const { revision: _theirs, ...metadata } = resource.metadata;
  return { ...resource, metadata: { ...metadata, expires } };
}

function requireOwn(identity: HostIdentity, { sub_kind, metadata, spec }: Resource): void {
  if (metadata.name !== identity.host_id) throw foreign('metadata.name is not the id of the host that calls');
  if (sub_kind !== undefined) throw foreign('servers without an agent are registered by an admin');
  if (Object.keys(metadata.labels ?? {}).some((label) => label.startsWith(INTERNAL_LABELS))) {
    throw foreign(`labels that begin with ${INTERNAL_LABELS} are set by Gatehouse`);
  }
  const hostname = isPlainObject(spec) ? spec['hostname'] : undefined;
  if (typeof hostname === 'string' && hostname.toLowerCase() === identity.name.toLowerCase()) return;
  // Users connect to this name and expect a host certificate for it.
  throw new GatehouseError(
    'BAD_REQUEST',
    `spec.hostname must be "${identity.name}", the name in the certificate of this host; renew the certificate to change it`,
    { details: { field: 'spec.hostname' } },
  );
}

function foreign(why: string): GatehouseError {
  return new GatehouseError('ACCESS_DENIED', why);
}

/** All of it in one write, also when nothing but the time has changed. */
export async function recordHeartbeat(
  state: Pick<ClusterState, 'write'>,
  resources: readonly Resource[],
): Promise<void> {
  await state.write(resources.map((resource) => ({ do: 'put', resource })));
}
