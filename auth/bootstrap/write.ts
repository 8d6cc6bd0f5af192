// Puts the contents of a bootstrap file into the store: in one write when they fit, else in parts under a mark, so that
// a start that was cut short is noticed and can be repeated. See establish.ts for the states.
import { isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { kindOf } from '#kinds/all.ts';
import { clusterNameKind, type ClusterNameSpec } from '#kinds/cluster-name/kind.ts';
import type { Change, ClusterState } from '../state/state.ts';

type NameRecord = Resource<ClusterNameSpec>;

/** Digest of the file while it is being written. */
const HALF_LABEL = 'gatehouse.internal/bootstrap';
const NAME = 'cluster-name';
const MAX_TRIES = 10;
/** Of one write; the store takes 1,000 steps and 8 MiB, and rules add steps of their own. */
const MAX_RESOURCES = 400;
const MAX_BYTES = 4 * 1024 * 1024;

/** From the store itself: the local copy may be behind another auth server that starts now. */
export function readName(state: Pick<ClusterState, 'read'>): Promise<NameRecord | undefined> {
  return state.read(clusterNameKind, NAME);
}

/** Digest of the file that was not written to its end; undefined when the cluster is whole. */
export const halfOf = ({ metadata }: Resource): string | undefined => metadata.labels?.[HALF_LABEL];

export interface Contents {
  readonly record: NameRecord;
  readonly resources: readonly Resource[];
  readonly digest: string;
}

/** Into an empty store (else ALREADY_EXISTS), or on from where a write of the same file stopped (`isResumed`). */
export async function writeContents(
  state: ClusterState,
  { record: given, resources, digest }: Contents,
  isResumed: boolean,
): Promise<void> {
  const record = withoutHalf(given);
  const chunks = chunksOf(resources);
  if (!isResumed && chunks.length === 1) {
    await state.write([record, ...resources].map(creation));
    return;
  }
  if (!isResumed) await state.write([creation(withHalf(record, digest))]);
  for (const chunk of chunks) await writeMissing(state, chunk);
  const mark = await readName(state);
  if (mark !== undefined && halfOf(mark) !== undefined) {
    await state.write([{ do: 'update', resource: withoutHalf(mark) }]);
  }
}

/** What is there already came from the same file: from the start that was cut short, or from another auth server. */
async function writeMissing(state: ClusterState, chunk: readonly Resource[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    const missing: Resource[] = [];
    for (const resource of chunk) {
      const found = await state.read(kindOf(resource.kind), resource.metadata.name);
      if (found === undefined) missing.push(resource);
    }
    try {
      await state.write(missing.map(creation));
      return;
    } catch (error) {
      if (tries < MAX_TRIES && isCode(error, 'ALREADY_EXISTS')) continue;
      throw error;
    }
  }
}

function chunksOf(resources: readonly Resource[]): readonly (readonly Resource[])[] {
  const chunks: Resource[][] = [[]];
  let bytes = 0;
  for (const resource of resources) {
    const size = Buffer.byteLength(JSON.stringify(resource));
    const last = chunks.at(-1);
    if (last !== undefined && last.length < MAX_RESOURCES && bytes + size <= MAX_BYTES) {
      last.push(resource);
      bytes += size;
    } else {
      chunks.push([resource]);
      bytes = size;
    }
  }
  return chunks;
}

const creation = (resource: Resource): Change => ({ do: 'create', resource });

function withHalf(record: NameRecord, digest: string): NameRecord {
  const labels = { ...record.metadata.labels, [HALF_LABEL]: digest };
  return { ...record, metadata: { ...record.metadata, labels } };
}

function withoutHalf(record: NameRecord): NameRecord {
  const { labels, ...metadata } = record.metadata;
  const { [HALF_LABEL]: _digest, ...rest } = labels ?? {};
  const kept = Object.keys(rest).length === 0 ? {} : { labels: rest };
  return { ...record, metadata: { ...metadata, ...kept } };
}
