// `gatectl users add`: a new user, and the link with which the user signs up.
import { createInvite } from '#core/api/login.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printInvite } from './invite-text.ts';
import { traitFlags, traitsOf } from './traits.ts';

export const usersAdd = command({
  about: `Without LOGINS and --logins the user may log in under its own name only. Without --roles the user gets the role
"access". The link is good once, and for an hour unless --ttl says otherwise.`,
  flags: {
    roles: flag.list({ says: 'Roles of the user. (access)' }),
    ...traitFlags,
    ttl: flag.duration({ says: 'How long the link is good, at most 48h.', fallback: '1h' }),
  },
  positionals: [
    { name: 'USER', says: 'the name of the user' },
    { name: 'LOGINS', says: 'accounts on servers, separated by commas', isOptional: true },
  ],
  examples: [
    'gatectl users add joe joe,root',
    'gatectl users add --roles=access,requester,db alice',
    'gatectl users add --roles=access --logins=deploy --db-users=reader carol',
  ],
  async run(context: Gatectl, { flags, words: [user = '', logins] }) {
    const given = traitsOf(flags);
    const positional = logins === undefined ? [] : flag.splitList(logins);
    const all = [...new Set([...positional, ...(given['logins'] ?? [])])];
    const api = await context.api();
    const invite = await api.call(createInvite, {
      user,
      purpose: 'invite',
      roles: flags.roles ?? ['access'],
      traits: { ...given, logins: all.length === 0 ? [user] : all },
      ttl: flag.durationText(flags.ttl ?? 3_600_000),
    });
    await printInvite(context, { user, title: 'Signup token has been created.' }, invite);
  },
});
