// The name of the cluster. It is part of every certificate, so it is set once and never changes after that.
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { defineKind, type Reader } from '#core/kind.ts';
import { isPlainObject, type Problem } from '#core/schema/check.ts';
import type { Resource } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';

const spec = s.object({
  cluster_name: s.string({ format: clusterNameFormat, description: 'Cannot be changed once it is set.' }),
  cluster_id: s.optional(s.string({ maxLength: 64, description: 'Made at the first start.' })),
});

export type ClusterNameSpec = s.Infer<typeof spec>;

export const clusterNameKind = defineKind<ClusterNameSpec>({
  name: 'cluster_name',
  description: 'The name of the cluster, set at its first start.',
  versions: ['v2'],
  singleton: 'cluster-name',
  spec,
  columns: [
    { title: 'Cluster Name', value: (record) => record.spec.cluster_name },
    { title: 'Cluster ID', value: (record) => record.spec.cluster_id ?? '' },
  ],
  checkWrite: checkUnchanged,
  checkDelete: () => [{ path: [], message: 'the name of a cluster cannot be removed' }],
});

function checkUnchanged(record: Resource<ClusterNameSpec>, reader: Reader): Problem[] {
  const before = reader.get('cluster_name', 'cluster-name')?.spec;
  if (!isPlainObject(before)) return [];
  const fields: (keyof ClusterNameSpec)[] = ['cluster_name', 'cluster_id'];
  return fields
    .filter((field) => before[field] !== undefined && before[field] !== record.spec[field])
    .map((field) => ({
      path: ['spec', field],
      message: `cannot be changed from "${String(before[field])}": all certificates of the cluster carry it; set up a new cluster instead`,
    }));
}
