// `gatectl tokens rm`, also `tokens del`: the documented text.
import { tokenKind } from '#kinds/token/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { removeAll } from './remove.ts';

export const tokensRm = command({
  about:
    'Machines that joined with a token stay members. A sign-up link ends with `gatectl users reset` or `users rm`.',
  flags: {},
  positionals: [{ name: 'TOKEN', says: 'tokens to revoke', isMany: true }],
  examples: [
    'gatectl tokens rm e94d68a8a1e5821dbd79d03a960644f0',
    'gatectl tokens del e94d68a8a1e5821dbd79d03a960644f0',
  ],
  async run(context: Gatectl, { words }) {
    const removals = words.map((name) => ({ kind: tokenKind.name, name }));
    await removeAll(context, removals, ({ name }) => `Token ${name} has been deleted`);
  },
});
