// `POST /v1/invites`: a new user with a link to sign up, or a link for an existing one whose credentials are cleared at
// once. Always one write; it touches the user's own record, so that of two things done to one user at the same time
// one sees the other.
import type { createInvite as createCall } from '#core/api/login.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Infer } from '#core/schema/schema.ts';
import { timestampOf } from '#core/timestamp.ts';
import { inviteKind } from '#kinds/invite/kind.ts';
import { userKind } from '#kinds/user/kind.ts';
import { actorOf, type Caller } from '../guard/caller.ts';
import { emitChange } from '../routes/change-events.ts';
import { credentialsOf } from '../routes/credentials.ts';
import { stamped } from '../routes/stamps.ts';
import type { Change } from '../state/state.ts';
import type { InviteContext } from './context.ts';
import { inviteName, inviteUrl, newInviteToken } from './invite-link.ts';
import { publicAddressOf } from '../live-proxies.ts';
import { newOtpSecret } from './otp.ts';

type Request = Infer<typeof createCall.request>;
type Reply = Infer<typeof createCall.reply>;

const MAX_TTL_MS = 48 * 3_600_000;
const MAX_TRIES = 5;

/**
 * ALREADY_EXISTS for an invite of a user that exists, NOT_FOUND for a reset of one that does not, BAD_REQUEST for a time
 * to live over 48 h, INVALID_RESOURCE for names and roles that cannot be, ACCESS_DENIED as for writing the user.
 */
export async function createInvite(context: InviteContext, caller: Caller, request: Request): Promise<Reply> {
  const { clock } = context;
  const ttlMs = parseDuration(request.ttl);
  if (ttlMs > MAX_TTL_MS) {
    throw new GatehouseError('BAD_REQUEST', 'ttl: must be at most 48h', { details: { field: 'ttl' } });
  }
  const token = newInviteToken();
  const expires = timestampOf(clock.now() + ttlMs);
  const link = { name: inviteName(token.reveal()), expires };
  if (request.purpose === 'invite') await inviteUser(context, caller, request, link);
  else await resetUser(context, caller, request, link);
  emitLink(context, caller, request, expires);
  return { token: token.reveal(), url: inviteUrl(publicAddressOf(context), token.reveal()), expires };
}

interface Link {
  readonly name: string;
  readonly expires: string;
}

async function inviteUser(
  context: InviteContext,
  caller: Caller,
  request: Request,
  link: Link,
): Promise<void> {
  const { state, guard, clock } = context;
  const { user: name, roles, traits } = request;
  const given = parseResource(userKind, { kind: 'user', metadata: { name }, spec: { roles, traits } });
  const user = stamped(given, undefined, caller, clock.now());
  guard.requireResource(caller, 'user', 'create', user);
  requireFree(context, user.metadata.name);
  try {
    await state.write([
      { do: 'create', resource: user },
      // What a user of this name left behind must not be the new one's.
      ...(await credentialsOf(state, [user.metadata.name])),
      { do: 'create', resource: inviteOf(context, caller, { ...request, user: user.metadata.name }, link) },
    ]);
  } catch (error) {
    if (isCode(error, 'ALREADY_EXISTS')) requireFree(context, user.metadata.name);
    throw error;
  }
  emitChange(context, caller, { kind: 'user', name: user.metadata.name, action: 'created', after: user });
}

function requireFree({ state }: InviteContext, name: string): void {
  if (state.get('user', name) === undefined) return;
  throw new GatehouseError(
    'ALREADY_EXISTS',
    `the user "${name}" exists; make a new link with \`gatectl users reset\``,
  );
}

async function resetUser(
  context: InviteContext,
  caller: Caller,
  request: Request,
  link: Link,
): Promise<void> {
  const { state, guard } = context;
  for (let tries = 1; ; tries++) {
    const user = state.get('user', request.user);
    guard.requireResource(caller, 'user', 'update', user);
    if (user === undefined) {
      throw new GatehouseError(
        'NOT_FOUND',
        `there is no user "${request.user}"; add one with \`gatectl users add\``,
      );
    }
    const changes: Change[] = [
      { do: 'update', resource: user },
      ...(await credentialsOf(state, [request.user])),
      { do: 'create', resource: inviteOf(context, caller, request, link) },
    ];
    try {
      await state.write(changes);
      emitRemoved(context, caller, request.user, changes);
      return;
    } catch (error) {
      if (tries < MAX_TRIES && isCode(error, 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
  }
}

/** The secret for the one-time code is made here, so that opening the link twice shows the same. */
function inviteOf({ clock }: InviteContext, caller: Caller, request: Request, link: Link): Resource {
  return parseResource(inviteKind, {
    kind: inviteKind.name,
    metadata: { name: link.name, expires: link.expires },
    spec: {
      user: request.user,
      purpose: request.purpose,
      created: timestampOf(clock.now()),
      created_by: actorOf(caller).user,
      totp_secret: newOtpSecret().reveal(),
    },
  });
}

function emitLink({ audit }: InviteContext, caller: Caller, request: Request, expires: string): void {
  const { user: name, roles, ttl, purpose } = request;
  const about = { ...actorOf(caller), name, ttl, expires };
  if (purpose === 'invite') audit.emit({ event: 'invite.create', ...about, roles });
  else audit.emit({ event: 'reset_password_token.create', ...about });
}

function emitRemoved(
  { audit }: InviteContext,
  caller: Caller,
  name: string,
  changes: readonly Change[],
): void {
  for (const change of changes) {
    if (change.do !== 'delete' || change.kind !== 'mfa_device') continue;
    audit.emit({ event: 'mfa.delete', ...actorOf(caller), name, mfa_device: change.name });
  }
}
