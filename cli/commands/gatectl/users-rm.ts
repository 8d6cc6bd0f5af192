// `gatectl users rm`.
import { userKind } from '#kinds/user/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { removeAll } from './remove.ts';

export const usersRm = command({
  about: 'Passwords, second factors and open links of the users go with them.',
  flags: {},
  positionals: [{ name: 'USER', says: 'names of users', isMany: true }],
  examples: ['gatectl users rm joe'],
  async run(context: Gatectl, { words }) {
    await removeAll(
      context,
      words.flatMap((word) => word.split(',')).map((name) => ({ kind: userKind.name, name })),
    );
  },
});
