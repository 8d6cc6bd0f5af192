// `gatectl tokens ls`: tokens of machines, and open sign-up links of users. A link is shown by the hash that is kept
// of it: the link itself is nowhere but with the user.
import { isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { inviteKind, type InviteSpec } from '#kinds/invite/kind.ts';
import { formatExpiry, tokenKind } from '#kinds/token/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printList } from './print-resources.ts';

const TITLES = ['Token', 'Type', 'Labels', 'Expiry Time (UTC)'];

export const tokensLs = command({
  about:
    'Tokens of the config file are not listed: they are in the file. Links with which users sign up are listed to the\nlocal admin, by the hash that is kept of them.',
  flags: {},
  examples: ['gatectl tokens ls', 'gatectl tokens ls --format=json'],
  async run(context: Gatectl) {
    const api = await context.api();
    const tokens = (await api.list(tokenKind)).sort((one, other) => byExpiry(one, other));
    if (context.out.isData) return printList(context, tokenKind, tokens);
    const invites = await api.list(inviteKind, { withSecrets: true }).catch((error: unknown) => {
      if (isCode(error, 'ACCESS_DENIED')) return [];
      throw error;
    });
    if (tokens.length + invites.length === 0) {
      context.out.note('There is no active token. Make one with `gatectl tokens add`.');
    }
    context.out.table(TITLES, [
      ...tokens.map((token) => tokenKind.columns.map((column) => column.value(token))),
      ...invites.sort(byExpiry).map(inviteRow),
    ]);
  },
});

function inviteRow({ metadata, spec }: Resource<InviteSpec>): string[] {
  const type = spec.purpose === 'invite' ? 'Signup' : 'Reset';
  return [`${metadata.name.slice(0, 32)}`, type, `user=${spec.user}`, formatExpiry(metadata.expires)];
}

const byExpiry = (one: Resource, other: Resource): number =>
  Date.parse(one.metadata.expires ?? '9999-12-31T00:00:00Z') -
  Date.parse(other.metadata.expires ?? '9999-12-31T00:00:00Z');
