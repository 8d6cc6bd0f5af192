// `gatectl users update`: new roles and traits for a user that exists. Guarded: a change by somebody else in between
// is not lost.
import { apply } from '#core/api/resources.ts';
import { userKind } from '#kinds/user/kind.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { traitFlags, traitsOf } from './traits.ts';

export const usersUpdate = command({
  about:
    'What is given replaces what was there; an empty value, such as --logins=, takes it away. The user gets new\ncertificates with the next login.',
  flags: { roles: flag.list({ says: 'All roles of the user.' }), ...traitFlags },
  positionals: [{ name: 'USER', says: 'the name of the user' }],
  examples: ['gatectl users update joe --roles=access,editor', 'gatectl users update joe --logins=joe,root'],
  async run(context: Gatectl, { flags, words: [name = ''] }) {
    const traits = traitsOf(flags);
    if (flags.roles === undefined && Object.keys(traits).length === 0) {
      throw usage('nothing to change; give --roles, --logins or another trait');
    }
    const api = await context.api();
    const user = await api.get(userKind, name);
    const kept = Object.entries({ ...user.spec.traits, ...traits }).filter(([, values]) => values.length > 0);
    const spec = { ...user.spec, roles: flags.roles ?? user.spec.roles, traits: Object.fromEntries(kept) };
    const { results } = await api.call(apply, {
      mode: 'replace',
      dry_run: false,
      documents: [{ ...user, spec }],
      remove: [],
    });
    await context.out.show(results[0]?.after, () => {
      const what = results[0]?.action === 'unchanged' ? 'is unchanged' : 'has been updated';
      context.out.line(oneLine(`user "${name}" ${what}`));
    });
  },
});
