// The servers that have some labels, asked of the auth API. Separate because it is loaded only when labels were given.
import type { Resource } from '#core/resource.ts';
import { nodeKind, nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import type { Io } from '../io.ts';
import { openProfileApi } from '../profile/api.ts';
import type { Profile } from '../profile/profile.ts';
import { hostNamesOf } from './host-certificate.ts';
import type { Target } from './targets.ts';

export interface LabelQuery {
  readonly labels: readonly (readonly [string, string])[];
  readonly port: number | undefined;
}

/** Those that have all of them, by name. */
export async function findByLabels(
  io: Pick<Io, 'env'>,
  profile: Profile,
  { labels, port }: LabelQuery,
): Promise<readonly Target[]> {
  const api = openProfileApi(io, profile);
  try {
    return (await api.list(nodeKind))
      .filter((node) => hasLabels(node, labels))
      .sort((one, other) => (one.spec.hostname < other.spec.hostname ? -1 : 1))
      .map((node) => targetOf(node, port));
  } finally {
    api.close();
  }
}

function targetOf(
  { metadata, sub_kind: subKind, spec }: Resource<NodeSpec>,
  port: number | undefined,
): Target {
  // Plain sshd has a certificate for its name; it knows nothing of the id it is registered under.
  const names = subKind === undefined ? [metadata.name] : [metadata.name, ...hostNamesOf(spec.hostname)];
  return { name: spec.hostname, server: { target: metadata.name, port, names } };
}

function hasLabels(node: Resource<NodeSpec>, wanted: LabelQuery['labels']): boolean {
  const labels = nodeLabels(node);
  return wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}
