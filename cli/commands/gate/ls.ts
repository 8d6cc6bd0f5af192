// `gate ls`: the servers that the user may see.
import type { Resource } from '#core/resource.ts';
import { nodeKind, nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import type { Gate } from './context.ts';

type Node = Resource<NodeSpec>;

export const ls = command({
  flags: {
    search: flag.list({ says: 'Only servers whose name, address or labels hold all of these words.' }),
    verbose: flag.toggle({ says: 'All labels, and the ids.', short: 'v' }),
    names: flag.toggle({ says: 'Only the names, one on each line.' }),
  },
  positionals: [
    { name: 'LABELS', says: 'only servers with these labels: key=value,key2=value2', isOptional: true },
  ],
  examples: [
    'gate ls',
    'gate ls env=prod',
    'gate ls --search=web,prod',
    'gate ls -f json | jq -r ".[].spec.hostname"',
  ],
  async run({ io, out, wanted }: Gate, { flags, words: [labels = ''] }) {
    const api = openProfileApi(io, await requireLogin(io, wanted));
    try {
      const nodes = (await api.list(nodeKind))
        .filter((node) => hasLabels(node, parseLabels(labels)) && holds(node, flags.search ?? []))
        .sort((one, other) => compare(one.spec.hostname, other.spec.hostname));
      await out.show(nodes, () => {
        if (flags.names) for (const node of nodes) out.line(node.spec.hostname);
        else if (flags.verbose) out.table(['Node Name', 'Node ID', 'Address', 'Labels'], nodes.map(longRow));
        else
          out.table(
            ['Node Name', 'Address', 'Labels'],
            nodes.map((node) => shortRow(node, io.stdout.columns)),
          );
      });
    } finally {
      api.close();
    }
  },
});

const address = ({ spec }: Node): string => (spec.use_tunnel ? 'tunnel' : spec.addr);

const labelText = (node: Node): string =>
  Object.entries(nodeLabels(node))
    .filter(([key]) => !key.startsWith('gatehouse.internal/'))
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');

const longRow = (node: Node): string[] => [
  node.spec.hostname,
  node.metadata.name,
  address(node),
  labelText(node),
];

/** Labels are cut where the terminal ends; a program gets all of them. */
function shortRow(node: Node, columns: number | undefined): string[] {
  const text = labelText(node);
  const most = columns === undefined ? text.length : Math.max(20, columns - 50);
  return [node.spec.hostname, address(node), text.length > most ? `${text.slice(0, most - 1)}…` : text];
}

/** USAGE for what is no list of labels. */
export function parseLabels(text: string): readonly (readonly [string, string])[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.indexOf('=');
      if (at <= 0) throw usage(`LABELS must be key=value,key2=value2, not "${part.slice(0, 64)}"`);
      return [part.slice(0, at), part.slice(at + 1)] as const;
    });
}

function hasLabels(node: Node, wanted: readonly (readonly [string, string])[]): boolean {
  const labels = nodeLabels(node);
  return wanted.every(([key, value]) => labels[key] === value);
}

function holds(node: Node, words: readonly string[]): boolean {
  const text =
    `${node.spec.hostname} ${node.metadata.name} ${address(node)} ${labelText(node)}`.toLowerCase();
  return words.every((word) => text.includes(word.toLowerCase()));
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
