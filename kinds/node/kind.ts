// A server that can be reached by SSH. Agents write it about themselves at each heartbeat and it expires without them;
// sub_kind `openssh` marks a server that runs plain sshd and is registered by an admin.
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';

const commandLabel = s.object({
  period: s.duration({ description: 'How often the command runs.' }),
  command: s.list(s.string(), { single: true, max: 64 }),
  result: s.withDefault(s.string({ maxLength: 4096, description: 'What it printed last.' }), ''),
});

const rotation = s.object({
  state: s.withDefault(s.enumOf(['standby', 'in_progress']), 'standby'),
  phase: s.optional(s.string()),
  current_id: s.optional(s.string()),
  started: s.optional(s.timestamp()),
  last_rotated: s.optional(s.timestamp()),
});

const spec = s.object({
  hostname: s.string({ minLength: 1, maxLength: 253, description: 'The name users connect to.' }),
  addr: s.withDefault(
    s.string({ maxLength: 512, description: 'host:port that the proxy dials; empty when it has a tunnel.' }),
    '',
  ),
  public_addrs: s.optional(s.list(s.string({ maxLength: 512 }), { single: true, max: 64 })),
  cmd_labels: s.optional(
    s.map(commandLabel, { max: 256, description: 'Labels whose values come from commands.' }),
  ),
  rotation: s.optional(rotation),
  version: s.optional(s.string({ maxLength: 128, description: 'Version of the agent.' })),
  use_tunnel: s.withDefault(s.boolean({ description: 'The agent keeps a tunnel open to the proxy.' }), false),
  proxy_ids: s.optional(
    s.list(s.string({ maxLength: 253 }), { max: 256, description: 'Proxies that hold a tunnel of it.' }),
  ),
});

export type NodeSpec = s.Infer<typeof spec>;

export const nodeKind = defineKind<NodeSpec>({
  name: 'node',
  aliases: ['server'],
  audience: 'presence',
  description: 'A server of the cluster that can be reached by SSH; its name is the host id.',
  subKinds: ['openssh'],
  writtenSubKinds: ['openssh'],
  versions: ['v2'],
  spec,
  columns: [
    { title: 'Node Name', value: (node) => node.spec.hostname },
    { title: 'Node ID', value: (node) => node.metadata.name },
    { title: 'Address', value: (node) => (node.spec.use_tunnel ? '(tunnel)' : node.spec.addr) },
    { title: 'Labels', value: (node) => formatLabels(nodeLabels(node)) },
  ],
});

/** Static labels and the last results of command labels; a command wins over a static label of the same name. */
export function nodeLabels(node: Resource<NodeSpec>): Record<string, string> {
  const labels: Record<string, string> = { ...node.metadata.labels };
  for (const [name, label] of Object.entries(node.spec.cmd_labels ?? {})) labels[name] = label.result;
  return labels;
}

const formatLabels = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}:${value}`)
    .sort()
    .join(',');
