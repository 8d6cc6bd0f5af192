// What the holder of a link does with it: look at what it asks for, and set password and second factor. The link is
// used up by the one write that sets them, so that it works once whoever comes at the same time.
import { randomUUID } from 'node:crypto';
import type { acceptInvite as acceptCall, openInvite as openCall } from '#core/api/login.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Infer } from '#core/schema/schema.ts';
import { timestampOf } from '#core/timestamp.ts';
import { inviteKind, type InviteSpec } from '#kinds/invite/kind.ts';
import { mfaDeviceKind, mfaDeviceName } from '#kinds/mfa-device/kind.ts';
import { userPasswordKind } from '#kinds/user-password/kind.ts';
import { userKind } from '#kinds/user/kind.ts';
import type { Caller } from '../guard/caller.ts';
import { credentialsOf } from '../routes/credentials.ts';
import type { Change } from '../state/state.ts';
import type { LoginContext } from './context.ts';
import { deadLink, inviteName } from './invite-link.ts';
import { decodeOtpSecret, matchOtp, otpUri } from './otp.ts';
import { requireGoodPassword } from './password.ts';
import { authPreference, requireLoginFactor } from './preference.ts';

type OpenReply = Infer<typeof openCall.reply>;
type AcceptRequest = Infer<typeof acceptCall.request>;
type Address = Pick<Caller, 'address'>;

const MAX_TRIES = 5;
const DEVICE_NAME = 'authenticator app';

/** NOT_FOUND for a link that is not good (any more), NOT_SUPPORTED while nobody can log in. Changes nothing. */
export async function openInvite(context: LoginContext, caller: Address, token: string): Promise<OpenReply> {
  const { invite } = await requireInvite(context, caller, token);
  const { user, purpose, totp_secret } = invite.spec;
  const factor = requireLoginFactor(authPreference(context.state));
  const isOffered = factor !== 'off' && totp_secret !== undefined;
  return {
    user,
    purpose,
    second_factor: factor,
    expires: invite.metadata.expires ?? '',
    ...(isOffered ? { otp_uri: otpUri(context.clusterName, user, totp_secret) } : {}),
  };
}

/**
 * NOT_FOUND for a link that is not good (any more), BAD_REQUEST for a password that will not do or a missing code,
 * INVALID_CREDENTIALS for a wrong code, NOT_SUPPORTED while nobody can log in; the link stays good after these three.
 */
export async function acceptInvite(
  context: LoginContext,
  caller: Address,
  request: AcceptRequest,
): Promise<{ readonly user: string }> {
  const { invite } = await requireInvite(context, caller, request.token);
  const device = await failing(context, caller, invite, async () => {
    requireGoodPassword(request.password, invite.spec.user);
    const enrolled = enroll(context, invite, request.otp);
    const hash = await context.passwords.admit(() => context.passwords.hash(request.password));
    await commit(context, caller, request.token, { hash, device: enrolled });
    return enrolled;
  });
  emitDone(context, caller, invite, device?.metadata.name);
  return { user: invite.spec.user };
}

interface Found {
  readonly invite: Resource<InviteSpec>;
  readonly user: Resource;
}

async function requireInvite(context: LoginContext, { address }: Address, token: string): Promise<Found> {
  const invite = await context.state.read(inviteKind, inviteName(token));
  // From the store: the local copy of another auth server may not have the user yet.
  const user = invite && (await context.state.read(userKind, invite.spec.user));
  if (invite !== undefined && user !== undefined) return { invite, user };
  context.audit.emit({
    event: 'auth.failure',
    error: 'an invite link that is not valid',
    'addr.remote': address,
  });
  throw deadLink();
}

/** The device to be kept; undefined when the cluster asks for none and none is given. */
function enroll(
  { state, clock }: LoginContext,
  { spec }: Resource<InviteSpec>,
  otp: string | undefined,
): Resource | undefined {
  const factor = requireLoginFactor(authPreference(state));
  const isGiven = otp !== undefined && otp !== '';
  if (factor === 'off' || (factor === 'optional' && !isGiven)) return undefined;
  if (!isGiven || spec.totp_secret === undefined) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'otp: add the key to an authenticator app and give the six digits it shows',
      { details: { field: 'otp' } },
    );
  }
  const now = clock.now();
  const { counter } = matchOtp(decodeOtpSecret(spec.totp_secret), otp, now, 0);
  if (counter === undefined) {
    throw new GatehouseError(
      'INVALID_CREDENTIALS',
      'the one-time code is wrong; compare the clock of this device with the time of the cluster, and try the next code',
    );
  }
  const added = timestampOf(now);
  return parseResource(mfaDeviceKind, {
    kind: mfaDeviceKind.name,
    metadata: { name: mfaDeviceName(spec.user, randomUUID()) },
    spec: {
      user: spec.user,
      type: 'totp',
      name: DEVICE_NAME,
      secret: spec.totp_secret,
      added,
      // The code that was shown here must not open a session as well.
      last_counter: counter,
    },
  });
}

/** The user's own record is written too: a delete or a reset at the same time makes one of the two fail. */
async function commit(
  context: LoginContext,
  caller: Address,
  token: string,
  made: { readonly hash: string; readonly device: Resource | undefined },
): Promise<void> {
  const { state, clock } = context;
  for (let tries = 1; ; tries++) {
    const { invite, user } = await requireInvite(context, caller, token);
    const { name } = user.metadata;
    const password = parseResource(userPasswordKind, {
      kind: userPasswordKind.name,
      metadata: { name },
      spec: { hash: made.hash, changed: timestampOf(clock.now()) },
    });
    const replaced = new Set([`invite/${invite.metadata.name}`, `${userPasswordKind.name}/${name}`]);
    const others = (await credentialsOf(state, [name])).filter(
      (change) => change.do === 'delete' && !replaced.has(`${change.kind}/${change.name}`),
    );
    const { revision } = invite.metadata;
    const changes: Change[] = [
      {
        do: 'delete',
        kind: inviteKind.name,
        name: invite.metadata.name,
        ...(revision === undefined ? {} : { revision }),
      },
      { do: 'update', resource: user },
      { do: 'put', resource: password },
      ...(made.device === undefined ? [] : [{ do: 'create', resource: made.device } as const]),
      ...others,
    ];
    try {
      await state.write(changes);
      return;
    } catch (error) {
      if (tries < MAX_TRIES && isCode(error, 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
  }
}

async function failing<T>(
  { audit }: LoginContext,
  { address }: Address,
  { spec }: Resource<InviteSpec>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = {
      success: false,
      error: isCode(error) ? error.code : 'internal error',
      'addr.remote': address,
    };
    if (spec.purpose === 'invite') audit.emit({ event: 'user.signup', name: spec.user, ...why });
    else audit.emit({ event: 'user.password_change', user: spec.user, ...why });
    throw error;
  }
}

function emitDone(
  { audit }: LoginContext,
  { address }: Address,
  { spec }: Resource<InviteSpec>,
  device: string | undefined,
): void {
  const about = { 'addr.remote': address, ...(device === undefined ? {} : { mfa_device: device }) };
  if (spec.purpose === 'invite')
    audit.emit({ event: 'user.signup', name: spec.user, success: true, ...about });
  else audit.emit({ event: 'user.password_change', user: spec.user, success: true, ...about });
  if (device !== undefined) {
    audit.emit({ event: 'mfa.add', user: spec.user, mfa_device: device, 'addr.remote': address });
  }
}
