// Signs checkpoints of the audit log and keeps the newest of each writer in the store, outside the log folder, so
// that cutting off the log's end is noticed. The key signs nothing else and belongs to no certificate authority.
import { sign, verify, type KeyObject } from 'node:crypto';
import {
  generateKeyPair,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyFromPem,
  publicKeyPem,
} from '#core/certs/x509/keys.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { Secret } from '#core/secret.ts';
import type { Checkpoint, CheckpointKeeper } from '#events/checkpoint.ts';
import { auditStateKind, type AuditStateSpec } from '#kinds/audit-state/kind.ts';
import type { ClusterState } from './state/state.ts';

const NAME = 'audit-state';
/** Several auth servers keep their checkpoints in one record. */
const MAX_ATTEMPTS = 20;

export interface AuditKeeper extends CheckpointKeeper {
  isSigned(bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** Makes the key at the first start of the cluster; several servers may start at once. */
export async function openAuditKeeper(state: Pick<ClusterState, 'read' | 'write'>): Promise<AuditKeeper> {
  const record = (await state.read(auditStateKind, NAME)) ?? (await create(state));
  const privateKey: KeyObject = privateKeyFromPem(new Secret(record.spec.private_key));
  const publicKey = publicKeyFromPem(record.spec.public_key);
  return {
    sign: async (bytes) => sign(null, bytes, privateKey),
    store: (checkpoint) => store(state, checkpoint),
    load: async () => (await requireRecord(state)).spec.checkpoints,
    isSigned: (bytes, signature) => verify(null, bytes, publicKey, signature),
  };
}

async function create(state: Pick<ClusterState, 'read' | 'write'>): Promise<Resource<AuditStateSpec>> {
  const { publicKey, privateKey } = generateKeyPair('ed25519');
  const resource = parseResource(auditStateKind, {
    kind: auditStateKind.name,
    metadata: { name: NAME },
    spec: { public_key: publicKeyPem(publicKey), private_key: privateKeyPem(privateKey).reveal() },
  });
  try {
    await state.write([{ do: 'create', resource }]);
    return resource;
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
    return requireRecord(state);
  }
}

async function store(state: Pick<ClusterState, 'read' | 'write'>, checkpoint: Checkpoint): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const record = await requireRecord(state);
    const others = record.spec.checkpoints.filter(({ writer }) => writer !== checkpoint.writer);
    const spec = { ...record.spec, checkpoints: [...others, checkpoint] };
    try {
      await state.write([{ do: 'update', resource: { ...record, spec } }]);
      return;
    } catch (error) {
      if (!isCode(error, 'CONDITION_FAILED') || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function requireRecord(state: Pick<ClusterState, 'read'>): Promise<Resource<AuditStateSpec>> {
  const record = await state.read(auditStateKind, NAME);
  if (record !== undefined) return record;
  throw new GatehouseError(
    'CORRUPT',
    'the signing key of the audit log is not in the store; restore it from a backup',
  );
}
