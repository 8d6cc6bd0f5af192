// Which login a command works with, when there are several: by name of the cluster, by proxy, else the active one. One
// that is damaged or has expired is in the way of nobody who means another.
import { GatehouseError } from '#core/errors/error.ts';
import type { Io } from '../io.ts';
import { activeProfile, listProfiles, readProfile, type Profile, type ProfileProxy } from './profile.ts';

/** As flags or environment say; all left out: the active login. */
export interface Wanted {
  readonly cluster?: string | undefined;
  /** `host:port` of a proxy. */
  readonly proxy?: string | undefined;
  readonly user?: string | undefined;
}

export type LoginIo = Pick<Io, 'home' | 'uid' | 'clock'>;

/** Undefined when there is none that fits, expired or not. CORRUPT when the one that is meant is damaged. */
export async function findProfile(io: LoginIo, wanted: Wanted): Promise<Profile | undefined> {
  const found = await candidate(io, wanted);
  if (found === undefined || wanted.user === undefined || found.user === wanted.user) return found;
  return undefined;
}

async function candidate(io: LoginIo, { cluster, proxy }: Wanted): Promise<Profile | undefined> {
  if (cluster !== undefined) return readProfile(io, cluster);
  if (proxy === undefined) return activeProfile(io);
  const active = await activeProfile(io).catch(() => undefined);
  const all = active === undefined ? await listProfiles(io) : [active, ...(await listProfiles(io))];
  return all.find((profile) => profile.proxy?.web === proxy || profile.auth_servers.includes(proxy));
}

/** A login that is good now. UNAUTHENTICATED says how to get one. */
export async function requireLogin(io: LoginIo, wanted: Wanted): Promise<Profile> {
  const profile = await findProfile(io, wanted);
  if (profile !== undefined && Date.parse(profile.expires) > io.clock.now()) return profile;
  const what = wanted.cluster ?? wanted.proxy;
  const message =
    profile === undefined
      ? `not signed in${what === undefined ? '' : ` to ${what}`}`
      : `the login of ${profile.user} to ${profile.cluster} has expired`;
  throw new GatehouseError('UNAUTHENTICATED', message, {
    details: { remedy: `Sign in with \`${loginCommand(wanted, profile)}\`.` },
  });
}

/** A login that can open sessions. USAGE when it was made at the auth service, which has no door for them. */
export async function requireProxyLogin(
  io: LoginIo,
  wanted: Wanted,
): Promise<Profile & { readonly proxy: ProfileProxy }> {
  const profile = await requireLogin(io, wanted);
  const { proxy } = profile;
  if (proxy !== undefined) return { ...profile, proxy };
  throw new GatehouseError(
    'USAGE',
    `the login to ${profile.cluster} names no proxy, and sessions go through one`,
    {
      details: { remedy: 'Sign in at the proxy: gate login --proxy=HOST:PORT' },
    },
  );
}

function loginCommand({ cluster, proxy }: Wanted, profile: Profile | undefined): string {
  const at = proxy ?? profile?.proxy?.web;
  if (at !== undefined) return `gate login --proxy=${at}`;
  if (cluster !== undefined) return `gate login --cluster=${cluster}`;
  return 'gate login';
}
