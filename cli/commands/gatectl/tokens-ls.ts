// `gatectl tokens ls`: tokens of machines, and open sign-up links of users. A link is shown by the hash that is kept
// of it: the link itself is nowhere but with the user.
import { isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { inviteKind, type InviteSpec } from '#kinds/invite/kind.ts';
import { formatExpiry, tokenKind } from '#kinds/token/kind.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printList } from './print-resources.ts';

const TITLES = tokenKind.columns.map(({ title }) => title);

export const tokensLs = command({
  about:
    'Tokens of the config file and links with which users sign up are listed to the local admin only; of a link the hash is\nshown that is kept of it.',
  flags: {},
  examples: ['gatectl tokens ls', 'gatectl tokens ls --format=json'],
  async run(context: Gatectl) {
    const api = await context.api();
    const tokens = (await api.list(tokenKind)).sort((one, other) => byExpiry(one, other));
    if (context.out.isData) return printList(context, tokenKind, tokens);
    const { config } = await context.connection();
    // Not even asked for by others: a refusal would be a denial in the audit log.
    const invites = config === undefined ? [] : await api.list(inviteKind, { withSecrets: true });
    const fixed = await staticRows(context);
    if (tokens.length + invites.length + fixed.length === 0) {
      context.out.note('There is no active token. Make one with `gatectl tokens add`.');
    }
    context.out.table(TITLES, [
      ...fixed,
      ...tokens.map((token) => tokenKind.columns.map((column) => column.value(token))),
      ...invites.sort(byExpiry).map(inviteRow),
    ]);
  },
});

/** Tokens of the config file of this machine; those whose file cannot be read are told of. */
async function staticRows(context: Gatectl): Promise<string[][]> {
  const { config } = await context.connection();
  const rows: string[][] = [];
  for (const { roles, token } of config?.auth?.tokens ?? []) {
    const { readToken } = await import('#config/load.ts');
    const found = await readToken(token).catch((error: unknown) => {
      if (!isCode(error)) throw error;
      context.out.note(`NOTE: ${error.message}`);
      return undefined;
    });
    if (found !== undefined)
      rows.push([found.reveal(), roles.map(titleOf).join(','), '', formatExpiry(undefined)]);
  }
  return rows;
}

const titleOf = (role: string): string => role.charAt(0).toUpperCase() + role.slice(1);

function inviteRow({ metadata, spec }: Resource<InviteSpec>): string[] {
  const type = spec.purpose === 'invite' ? 'Signup' : 'Reset';
  return [`${metadata.name.slice(0, 32)}`, type, `user=${spec.user}`, formatExpiry(metadata.expires)];
}

const byExpiry = (one: Resource, other: Resource): number =>
  Date.parse(one.metadata.expires ?? '9999-12-31T00:00:00Z') -
  Date.parse(other.metadata.expires ?? '9999-12-31T00:00:00Z');
