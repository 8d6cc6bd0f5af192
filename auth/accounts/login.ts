// `POST /v1/login`: password and second factor, all in one call, so that no state of a half-done login exists that
// could be finished by somebody else. One attempt: count it, prove both factors, use up the code, issue.
import type { login as loginCall, UserCertificates } from '#core/api/login.ts';
import type { createWebSession } from '#core/api/web-sessions.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { resourceName, type Resource } from '#core/resource.ts';
import type { Infer } from '#core/schema/schema.ts';
import { timestampOf } from '#core/timestamp.ts';
import { mfaDeviceKind } from '#kinds/mfa-device/kind.ts';
import { userPasswordKind, type UserPasswordSpec } from '#kinds/user-password/kind.ts';
import type { Caller } from '../guard/caller.ts';
import { readSubjectKeys } from '../issue/subject-keys.ts';
import { identityOf } from '../issue/grant.ts';
import { issueUser, userGrant } from '../issue/user.ts';
import type { Change } from '../state/state.ts';
import { makeSession, requireRoom } from '../web-sessions/sessions.ts';
import { countAttempt, type Attempt } from './attempts.ts';
import type { LoginContext } from './context.ts';
import { isProof, proveFactors, type Disproof, type Given, type Proof } from './factors.ts';
import { authPreference, requireLoginFactor } from './preference.ts';

export type LoginRequest = Infer<typeof loginCall.request>;

/** A good code that loses this many races was used by others. */
const MAX_TRIES = 5;

/**
 * Certificates for who proves to be the user. INVALID_CREDENTIALS is all that is said of what was wrong, with the same
 * work done for an unknown user; ACCOUNT_LOCKED after too many failures, LOCKED when an admin locked the user (told
 * only to the user), LIMIT_EXCEEDED before anything was done, NOT_SUPPORTED for other ways to log in.
 */
export async function logIn(
  context: LoginContext,
  { address }: Pick<Caller, 'address'>,
  request: LoginRequest,
): Promise<UserCertificates> {
  const { default_session_ttl: defaultTtl } = authPreference(context.state);
  readSubjectKeys(request);
  const ttlMs = parseDuration(request.ttl ?? defaultTtl);
  return prove(context, address, request, (proven) =>
    issueUser(context, { ...proven, keys: request, ttlMs, address, method: 'login' }),
  );
}

/** A session of the web for who proves to be the user: as logIn, and as long as a login of the default length. */
export async function webLogIn(
  context: LoginContext,
  { address }: Pick<Caller, 'address'>,
  request: Given,
): Promise<Infer<typeof createWebSession.reply>> {
  const ttlMs = parseDuration(authPreference(context.state).default_session_ttl);
  const { roles: _roles, ...session } = await prove(context, address, request, async (proven) => {
    requireRoom(context, proven.user);
    const { grant } = userGrant(context, { ...proven, ttlMs, address });
    const identity = identityOf({ ...grant, logins: [] }, context.clusterName);
    const { halves, resource } = makeSession(context, {
      type: 'web',
      user: grant.user,
      address,
      expires: grant.expires,
      more: { identity: JSON.stringify(identity) },
    });
    await context.state.write([{ do: 'create', resource }]);
    return { ...halves, user: grant.user, expires: timestampOf(grant.expires), roles: grant.roles };
  });
  return session;
}

/** Who it is, and by what. */
interface Proven {
  readonly user: string;
  readonly mfaDevice?: string;
  readonly mfaVerified?: number;
}

/** One attempt: `finish` is called for who has proven both factors, and its result is put on record. */
async function prove<T extends { readonly roles: readonly string[] }>(
  context: LoginContext,
  address: string,
  request: Given,
  finish: (proven: Proven) => Promise<T>,
): Promise<T> {
  const factor = requireLoginFactor(authPreference(context.state));
  const user = requireUserName(request.user);
  return context.passwords.admit(async () => {
    const about = { event: 'user.login', user, method: 'local', 'addr.remote': address } as const;
    const failed = (error: string): void => context.audit.emit({ ...about, success: false, error });
    const attempt = await refusing(() => countAttempt(context, user), failed);
    const proof = await establish(context, { ...request, user }, factor, attempt);
    if (!isProof(proof)) {
      failed(proof.why);
      emitLockout(context, user, attempt, address);
      throw wrongCredentials();
    }
    const device = proof.device?.metadata.name;
    const byDevice = device === undefined ? {} : { mfaDevice: device, mfaVerified: context.clock.now() };
    const issued = await refusing(() => finish({ user, ...byDevice }), failed);
    context.audit.emit({
      ...about,
      success: true,
      roles: issued.roles,
      ...(device === undefined ? {} : { mfa_device: device }),
    });
    if (proof.isWeakHash) await strengthen(context, proof.password, request.password);
    return issued;
  });
}

/** Proves the factors and uses them up in one write; a code that somebody else used meanwhile is no proof. */
async function establish(
  context: LoginContext,
  given: Given,
  factor: 'off' | 'otp' | 'optional',
  attempt: Attempt,
): Promise<Proof | Disproof> {
  const { state, clock } = context;
  const first = await proveFactors(context, given, factor, clock.now());
  let proof = first;
  // The password is not computed again when only the device has moved on.
  const again = { state, passwords: { verify: async () => ({ isRight: true, isWeak: false }) } };
  for (let tries = 0; tries < MAX_TRIES && isProof(proof) && isProof(first); tries++) {
    try {
      await state.write([attempt.forget, ...useOf(proof, clock.now())]);
    } catch (error) {
      if (!isCode(error, 'CONDITION_FAILED', 'NOT_FOUND')) throw error;
      proof = await proveFactors(again, given, factor, clock.now());
      continue;
    }
    // A reset or a deleted user between the look and the write ends what was known.
    const now = await state.read(userPasswordKind, given.user);
    if (now?.metadata.revision !== first.password.metadata.revision) {
      return { why: 'the credentials were changed during the login' };
    }
    return { ...proof, isWeakHash: first.isWeakHash };
  }
  return isProof(proof) ? { why: 'the one-time code was used by others at the same time' } : proof;
}

function useOf({ device, counter }: Proof, now: number): readonly Change[] {
  if (device === undefined || counter === undefined) return [];
  const spec = { ...device.spec, last_counter: counter, last_used: timestampOf(now) };
  return [{ do: 'update', resource: { ...device, kind: mfaDeviceKind.name, spec } }];
}

/** A failure here is no failure of the login: the next one tries again. */
async function strengthen(
  { state, passwords, clock, log }: LoginContext,
  stored: Resource<UserPasswordSpec>,
  password: string,
): Promise<void> {
  try {
    const spec = { ...stored.spec, hash: await passwords.hash(password) };
    await state.write([{ do: 'update', resource: { ...stored, spec } }]);
    log.info(
      { user: stored.metadata.name, at: clock.now() },
      'a password hash was brought up to the current cost',
    );
  } catch (error) {
    log.warn(
      { user: stored.metadata.name, err: error },
      'a password hash could not be brought up to the current cost',
    );
  }
}

function emitLockout({ audit }: LoginContext, user: string, { locksUntil }: Attempt, address: string): void {
  if (locksUntil === undefined) return;
  const expires = timestampOf(locksUntil);
  audit.emit({ event: 'user.lockout', name: user, expires, 'addr.remote': address });
}

/** Puts what we refuse on record as a failed login. */
async function refusing<T>(work: () => Promise<T>, failed: (error: string) => void): Promise<T> {
  try {
    return await work();
  } catch (error) {
    failed(isCode(error) ? `${error.code}: ${error.message}` : 'internal error');
    throw error;
  }
}

/** No user can have such a name, so saying so tells nothing. */
function requireUserName(given: string): string {
  const name = given.normalize('NFC');
  if (resourceName.accepts(name) && name.length <= 200) return name;
  throw new GatehouseError('BAD_REQUEST', 'user: must be a user name, without spaces or slashes', {
    details: { field: 'user' },
  });
}

function wrongCredentials(): GatehouseError {
  return new GatehouseError('INVALID_CREDENTIALS', 'the user name, password or one-time code is wrong');
}
