// `gatectl tokens rm`, also `tokens del`: the documented text. Join tokens and sign-up links are told apart by what
// exists: a name that is no join token is taken for a link, as `tokens ls` shows it.
import { revokeInvite } from '#core/api/login.ts';
import { tokenKind } from '#kinds/token/kind.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { removeAll } from './remove.ts';

export const tokensRm = command({
  about:
    'Machines that joined with a token stay members. A sign-up link is named by what `tokens ls` shows of it; its user stays\nand gets a new one with `users reset`.',
  flags: {},
  positionals: [{ name: 'TOKEN', says: 'tokens or links to revoke', isMany: true }],
  examples: [
    'gatectl tokens rm e94d68a8a1e5821dbd79d03a960644f0',
    'gatectl tokens del e94d68a8a1e5821dbd79d03a960644f0',
  ],
  async run(context: Gatectl, { words }) {
    const api = await context.api();
    const tokens = new Set((await api.list(tokenKind)).map(({ metadata }) => metadata.name));
    const links = words.filter((word) => !tokens.has(word) && word.length >= 32);
    const say = (name: string): string => `Token ${name} has been deleted`;
    if (links.length > 0) {
      await api.call(revokeInvite, { links });
      const revoked = links.map((name) => ({ kind: 'invite', name, action: 'deleted' }));
      await context.out.show(revoked, () => {
        for (const link of links) context.out.line(oneLine(say(link)));
      });
    }
    const removals = words
      .filter((word) => !links.includes(word))
      .map((name) => ({ kind: tokenKind.name, name }));
    if (removals.length > 0) await removeAll(context, removals, ({ name }) => say(name));
  },
});
