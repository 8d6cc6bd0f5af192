// `POST /v1/invites/revoke`: ends links before they are used. All of the named ones or none, in one write.
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { inviteKind, type InviteSpec } from '#kinds/invite/kind.ts';
import { actorOf, type Caller } from '../guard/caller.ts';
import type { InviteContext } from './context.ts';
import { inviteName } from './invite-link.ts';

/** What `tokens ls` shows of a link: enough that no two links begin alike. */
const SHOWN_HASH = /^[0-9a-f]{32,64}$/;

interface Revoked {
  readonly link: string;
  readonly user: string;
}

/**
 * NOT_FOUND when one of them is unknown, used or expired; ACCESS_DENIED as for writing the user it is for. The user
 * stays, without credentials, until `gatectl users reset` or `users rm`.
 */
export async function revokeInvites(
  context: InviteContext,
  caller: Caller,
  links: readonly string[],
): Promise<{ revoked: readonly Revoked[] }> {
  const { state, guard, audit } = context;
  const invites: Resource<InviteSpec>[] = [];
  for await (const invite of state.readAll(inviteKind)) invites.push(invite);
  const found = new Set(links.map((link) => requireInvite(invites, link)));
  for (const { spec } of found) {
    guard.requireResource(caller, 'user', 'update', state.get('user', spec.user));
  }
  await state.write(
    [...found].map(({ metadata }) => ({ do: 'delete', kind: inviteKind.name, name: metadata.name })),
  );
  for (const { spec } of found) {
    audit.emit({ event: 'invite.delete', ...actorOf(caller), name: spec.user });
  }
  return { revoked: [...found].map(({ metadata, spec }) => ({ link: metadata.name, user: spec.user })) };
}

function requireInvite(invites: readonly Resource<InviteSpec>[], link: string): Resource<InviteSpec> {
  const name = inviteName(link);
  const shown = SHOWN_HASH.test(link) ? link : name;
  const matching = invites.filter(
    ({ metadata }) => metadata.name === name || metadata.name.startsWith(shown),
  );
  const [invite, other] = matching;
  if (invite !== undefined && other === undefined) return invite;
  throw new GatehouseError(
    'NOT_FOUND',
    'there is no such token or open link; `gatectl tokens ls` shows them',
  );
}
