// `gatectl users reset`: credentials are cleared at once, and a link lets the user set new ones.
import { createInvite } from '#core/api/login.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printInvite } from './invite-text.ts';

export const usersReset = command({
  about:
    'The old password and second factor stop working at once. Certificates that were issued stay good until they\nexpire; `gatectl lock --user=USER` ends them.',
  flags: { ttl: flag.duration({ says: 'How long the link is good, at most 48h.', fallback: '1h' }) },
  positionals: [{ name: 'USER', says: 'the name of the user' }],
  examples: ['gatectl users reset joe'],
  async run(context: Gatectl, { flags, words: [user = ''] }) {
    const api = await context.api();
    const invite = await api.call(createInvite, {
      user,
      purpose: 'reset',
      roles: [],
      traits: {},
      ttl: flag.durationText(flags.ttl ?? 3_600_000),
    });
    await printInvite(context, { user, title: 'Password and second factor have been cleared.' }, invite);
  },
});
