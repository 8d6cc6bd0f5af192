// `gate version`.
import { command } from '../../arguments.ts';
import { VERSION, versionLine } from '../../version.ts';
import type { Gate } from './context.ts';

export const version = command({
  flags: {},
  examples: ['gate version', 'gate version -f json'],
  async run({ out }: Gate) {
    await out.show({ version: VERSION, node: process.version }, () => out.line(versionLine()));
  },
});
