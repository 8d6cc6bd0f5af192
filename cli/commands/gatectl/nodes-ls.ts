// `gatectl nodes ls`: the documented table.
import { nodeKind } from '#kinds/node/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printList } from './print-resources.ts';

export const nodesLs = command({
  flags: {},
  examples: ['gatectl nodes ls', 'gatectl nodes ls --format=json'],
  async run(context: Gatectl) {
    const api = await context.api();
    const nodes = await api.list(nodeKind);
    await printList(
      context,
      nodeKind,
      nodes.sort((one, other) => compare(one.spec.hostname, other.spec.hostname)),
    );
  },
});

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
