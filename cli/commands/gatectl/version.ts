// `gatectl version`.
import { command } from '../../arguments.ts';
import { VERSION, versionLine } from '../../version.ts';
import type { Gatectl } from './context.ts';

export const version = command({
  flags: {},
  examples: ['gatectl version', 'gatectl version --format=json'],
  async run({ out }: Gatectl) {
    await out.show({ version: VERSION, node: process.version }, () => out.line(versionLine()));
  },
});
