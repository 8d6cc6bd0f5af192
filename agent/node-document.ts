// What a node tells the cluster about itself. Pure.
import type { HostRecord } from '#client/credentials.ts';
import type { CommandLabel } from '#config/labels.ts';
import { formatDuration } from '#core/duration.ts';
import type { Resource } from '#core/resource.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';

export interface NodeFacts {
  readonly version: string;
  /** `host:port` each; empty when it is not dialed. */
  readonly address: string;
  /** Proxies that hold a tunnel of it; undefined when it has none by design. */
  readonly tunnels?: readonly string[] | undefined;
  readonly publicAddresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
  /** What each command printed last, by label. */
  readonly results: Readonly<Record<string, string>>;
}

/** The `node` resource of this machine; its hostname is the one in its certificate. */
export function nodeDocument(record: HostRecord, facts: NodeFacts): Resource<NodeSpec> {
  const commands = facts.commands.map(({ name, command, periodMs }) => [
    name,
    { period: formatDuration(periodMs), command, result: facts.results[name] ?? '' },
  ]);
  return {
    kind: 'node',
    version: 'v2',
    metadata: { name: record.certificates.host_id, labels: facts.labels },
    spec: {
      hostname: record.node_name,
      addr: facts.address,
      use_tunnel: facts.tunnels !== undefined,
      ...(facts.tunnels === undefined ? {} : { proxy_ids: facts.tunnels }),
      version: facts.version,
      ...(facts.publicAddresses.length === 0 ? {} : { public_addrs: facts.publicAddresses }),
      ...(commands.length === 0 ? {} : { cmd_labels: Object.fromEntries(commands) }),
    },
  };
}
