// `gatectl tokens rm`, also `tokens del`: the documented text. What is no join token is taken for a sign-up link, as
// `tokens ls` shows it.
import { revokeInvite } from '#core/api/login.ts';
import { isCode } from '#core/errors/error.ts';
import { tokenKind } from '#kinds/token/kind.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { removeAll } from './remove.ts';

/** What `tokens ls` shows of a link has this length. */
const MIN_LINK = 32;

export const tokensRm = command({
  about:
    'Machines that joined with a token stay members. A sign-up link is named by what `tokens ls` shows of it; its user stays\nand gets a new one with `users reset`. All of what is named or nothing; name tokens and links in calls of their own.',
  flags: {},
  positionals: [{ name: 'TOKEN', says: 'tokens or links to revoke', isMany: true }],
  examples: [
    'gatectl tokens rm e94d68a8a1e5821dbd79d03a960644f0',
    'gatectl tokens del e94d68a8a1e5821dbd79d03a960644f0',
  ],
  async run(context: Gatectl, { words }) {
    const say = (name: string): string => `Token ${name} has been deleted`;
    try {
      const removals = words.map((name) => ({ kind: tokenKind.name, name }));
      await removeAll(context, removals, ({ name }) => say(name));
    } catch (error) {
      // Nothing was removed. Who may revoke a token need not be one who may see that there is one.
      if (!isCode(error, 'NOT_FOUND') || words.some((word) => word.length < MIN_LINK)) throw error;
      const api = await context.api();
      await api.call(revokeInvite, { links: words });
      const revoked = words.map((name) => ({ kind: 'invite', name, action: 'deleted' }));
      await context.out.show(revoked, () => {
        for (const link of words) context.out.line(oneLine(say(link)));
      });
    }
  },
});
