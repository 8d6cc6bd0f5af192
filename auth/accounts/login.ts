// `POST /v1/login`: password and second factor, all in one call, so that no state of a half-done login exists that
// could be finished by somebody else. One attempt: count it, prove both factors, use up the code, issue.
import type { login as loginCall, UserCertificates } from '#core/api/login.ts';
import { parseDuration } from '#core/duration.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { resourceName, type Resource } from '#core/resource.ts';
import type { Infer } from '#core/schema/schema.ts';
import { timestampOf } from '#core/timestamp.ts';
import { mfaDeviceKind } from '#kinds/mfa-device/kind.ts';
import { userPasswordKind, type UserPasswordSpec } from '#kinds/user-password/kind.ts';
import type { Caller } from '../guard/caller.ts';
import { readSubjectKeys } from '../issue/subject-keys.ts';
import { issueUser } from '../issue/user.ts';
import type { Change } from '../state/state.ts';
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
  const preference = authPreference(context.state);
  const factor = requireLoginFactor(preference);
  readSubjectKeys(request);
  const user = requireUserName(request.user);
  const ttlMs = parseDuration(request.ttl ?? preference.default_session_ttl);
  return context.passwords.admit(async () => {
    const failed = (error: string): void =>
      context.audit.emit({
        event: 'user.login',
        user,
        method: 'local',
        success: false,
        error,
        'addr.remote': address,
      });
    const attempt = await refusing(() => countAttempt(context, user), failed);
    const proof = await establish(context, { ...request, user }, factor, attempt);
    if (!isProof(proof)) {
      failed(proof.why);
      emitLockout(context, user, attempt, address);
      throw wrongCredentials();
    }
    const device = proof.device?.metadata.name;
    const issued = await refusing(
      () =>
        issueUser(context, {
          user,
          keys: request,
          ttlMs,
          address,
          method: 'login',
          ...(device === undefined ? {} : { mfaDevice: device, mfaVerified: context.clock.now() }),
        }),
      failed,
    );
    context.audit.emit({
      event: 'user.login',
      user,
      method: 'local',
      success: true,
      roles: issued.roles,
      'addr.remote': address,
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
