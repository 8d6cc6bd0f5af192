// `gatectl users ls`: the documented table.
import { userKind } from '#kinds/user/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printList } from './print-resources.ts';

export const usersLs = command({
  flags: {},
  examples: ['gatectl users ls', 'gatectl users ls --format=json'],
  async run(context: Gatectl) {
    const api = await context.api();
    await printList(context, userKind, await api.list(userKind));
  },
});
