// Are these the password and the one-time code of this user? Everything is looked up and computed in the same order and
// amount whoever asks: an unknown user, a wrong password and a wrong code cannot be told apart by the work done.
import type { Resource } from '#core/resource.ts';
import { mfaDeviceKind, type MfaDeviceSpec } from '#kinds/mfa-device/kind.ts';
import { userPasswordKind, type UserPasswordSpec } from '#kinds/user-password/kind.ts';
import type { ClusterState } from '../state/state.ts';
import { decodeOtpSecret, encodeBase32, matchOtp } from './otp.ts';
import type { Passwords } from './password.ts';

/** More than anybody enrols; beyond it the devices are not looked at. */
const MAX_DEVICES = 16;

export interface Given {
  readonly user: string;
  readonly password: string;
  readonly otp?: string | undefined;
}

export interface Proof {
  readonly password: Resource<UserPasswordSpec>;
  readonly isWeakHash: boolean;
  /** The device whose code was given, and the time step of the code. Absent when none was asked for. */
  readonly device?: Resource<MfaDeviceSpec>;
  readonly counter?: number;
}

/** For the audit log only: the caller learns that the credentials are wrong. */
export interface Disproof {
  readonly why: string;
}

export const isProof = (result: Proof | Disproof): result is Proof => !('why' in result);

export interface FactorsContext {
  readonly state: Pick<ClusterState, 'get' | 'read' | 'readAll'>;
  readonly passwords: Pick<Passwords, 'verify'>;
}

/** `factor` is what the cluster asks for besides the password. */
export async function proveFactors(
  { state, passwords }: FactorsContext,
  given: Given,
  factor: 'off' | 'otp' | 'optional',
  now: number,
): Promise<Proof | Disproof> {
  const stored = await state.read(userPasswordKind, given.user);
  const devices = await devicesOf(state, given.user);
  const isKnown = state.get('user', given.user) !== undefined;
  const { isRight, isWeak } = await passwords.verify(given.password, isKnown ? stored?.spec.hash : undefined);
  const code = matchDevices(isKnown ? devices : [], given.otp ?? '', now);
  if (!isKnown) return { why: 'there is no such user' };
  if (stored === undefined) return { why: 'the user has not set a password' };
  if (!isRight) return { why: 'the password is wrong' };
  const proof = { password: stored, isWeakHash: isWeak };
  if (factor === 'off' || (factor === 'optional' && devices.length === 0)) return proof;
  if (code.device === undefined) return { why: whyNot(devices, given.otp, code.isReplay) };
  return { ...proof, device: code.device, counter: code.counter };
}

/** In the order of names; devices of others whose names begin alike are left out. */
export async function devicesOf(
  state: Pick<ClusterState, 'readAll'>,
  user: string,
): Promise<readonly Resource<MfaDeviceSpec>[]> {
  const devices: Resource<MfaDeviceSpec>[] = [];
  for await (const device of state.readAll(mfaDeviceKind, `${user}:`)) {
    if (device.spec.user === user && devices.length < MAX_DEVICES) devices.push(device);
  }
  return devices;
}

type Match =
  | { readonly device: Resource<MfaDeviceSpec>; readonly counter: number; readonly isReplay: false }
  | { readonly device?: never; readonly counter?: never; readonly isReplay: boolean };

const NO_SECRET = encodeBase32(new Uint8Array(20));

/** Every device is tried, and a made-up one when there is none. */
function matchDevices(devices: readonly Resource<MfaDeviceSpec>[], code: string, now: number): Match {
  if (devices.length === 0) {
    matchOtp(decodeOtpSecret(NO_SECRET), code, now, 0);
    return { isReplay: false };
  }
  let match: Match = { isReplay: false };
  for (const device of devices) {
    const { secret, last_counter } = device.spec;
    const { counter, isReplay } = matchOtp(decodeOtpSecret(secret), code, now, last_counter);
    if (counter !== undefined) match = { device, counter, isReplay: false };
    else if (isReplay && match.device === undefined) match = { isReplay };
  }
  return match;
}

function whyNot(devices: readonly unknown[], otp: string | undefined, isReplay: boolean): string {
  if (devices.length === 0) return 'the user has not enrolled a second factor';
  if (otp === undefined || otp === '') return 'no one-time code was given';
  return isReplay ? 'the one-time code was used before' : 'the one-time code is wrong';
}
