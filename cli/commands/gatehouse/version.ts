// `gatehouse version`.
import { command } from '../../arguments.ts';
import { VERSION, versionLine } from '../../version.ts';
import type { GatehouseContext } from './context.ts';

export const version = command({
  flags: {},
  examples: ['gatehouse version', 'gatehouse version --format=json'],
  async run({ out }: GatehouseContext) {
    await out.show({ version: VERSION, node: process.version }, () => out.line(versionLine()));
  },
});
