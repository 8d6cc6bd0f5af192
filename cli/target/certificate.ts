// Gets certificates for one database or application from auth, and keeps one good while something uses it: it is renewed
// shortly before its end as long as the login lasts, and a new login of the same person is taken up by itself.
import { targetCertificate } from '#core/api/targets.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Api } from '#client/api.ts';
import { durationText } from '../arguments.ts';
import type { Io } from '../io.ts';
import { openProfileApi } from '../profile/api.ts';
import { requireProxyLogin, type Wanted } from '../profile/choose.ts';
import {
  readTargetLogin,
  saveTargetCertificate,
  targetKey,
  type TargetLogin,
  type TargetSort,
} from '../profile/target-files.ts';
import type { ProxyProfile } from './road.ts';

/** What a certificate is to say. */
export interface TargetWish {
  readonly sort: TargetSort;
  readonly name: string;
  /** Of databases: the one user and database it is to be good for; any that roles grant when left out. */
  readonly username?: string | undefined;
  readonly database?: string | undefined;
  /** Of AWS applications: the ARN of the role to take. */
  readonly awsRole?: string | undefined;
}

/** One with less left is renewed before it is used. */
const MIN_LEFT_MS = 5 * 60_000;
/** A login with less than this beyond the certificate has nothing better to give. */
const SLACK_MS = 60_000;

/** Asks auth for a certificate and keeps it. ACCESS_DENIED and NOT_FOUND as auth says. */
export async function fetchTarget(
  io: Io,
  api: Api,
  profile: ProxyProfile,
  wish: TargetWish,
  ttlMs?: number,
): Promise<TargetLogin> {
  const { sort, name } = wish;
  const publicKey = await targetKey(io, profile, sort, name);
  const { tls_certificate: certificate } = await api.call(targetCertificate, {
    ...routeOf(wish),
    ...(ttlMs === undefined ? {} : { ttl: durationText(ttlMs) }),
    tls_public_key: publicKey,
  });
  await saveTargetCertificate(io, profile, { sort, name, certificate });
  const login = await readTargetLogin(io, profile, sort, name);
  if (login !== undefined) return login;
  throw new GatehouseError('CERTIFICATE_INVALID', `the certificate for ${name} is not good on this machine`, {
    details: { remedy: 'Check the clock of this machine.' },
  });
}

function routeOf({ sort, name, username, database, awsRole }: TargetWish): {
  database?: { service: string; username?: string; database?: string };
  app?: { name: string; aws_role?: string };
} {
  if (sort === 'app') return { app: { name, ...(awsRole === undefined ? {} : { aws_role: awsRole }) } };
  return {
    database: {
      service: name,
      ...(username === undefined ? {} : { username }),
      ...(database === undefined ? {} : { database }),
    },
  };
}

/** The wish that a certificate fulfils. */
export function wishOf(sort: TargetSort, { name, identity }: TargetLogin): TargetWish {
  if (sort === 'app') return { sort, name, awsRole: identity.route_to_app?.aws_role_arn };
  return {
    sort,
    name,
    username: identity.route_to_database?.username,
    database: identity.route_to_database?.database,
  };
}

export interface KeptTarget {
  /**
   * One that is good now, for the next connection. UNAUTHENTICATED when the person's login has ended; the next call after
   * a new login succeeds.
   */
  current(): Promise<{ readonly profile: ProxyProfile; readonly login: TargetLogin }>;
}

/** Keeps `wish` fulfilled with whichever login `wanted` means at the time. */
export function keepTarget(io: Io, wanted: Wanted, wish: TargetWish): KeptTarget {
  let running: ReturnType<KeptTarget['current']> | undefined;
  return {
    current() {
      running ??= renewed(io, wanted, wish).finally(() => (running = undefined));
      return running;
    },
  };
}

async function renewed(io: Io, wanted: Wanted, wish: TargetWish): ReturnType<KeptTarget['current']> {
  const profile = await requireProxyLogin(io, wanted);
  const kept = await readTargetLogin(io, profile, wish.sort, wish.name);
  const isSame = kept !== undefined && isFulfilled(wish, wishOf(wish.sort, kept));
  if (isSame && isFreshEnough(kept, profile, io.clock.now())) return { profile, login: kept };
  const api = openProfileApi(io, profile);
  try {
    return { profile, login: await fetchTarget(io, api, profile, wish) };
  } catch (error) {
    // While auth is away, what is good is used to its end.
    if (isSame && isCode(error, 'UNAVAILABLE')) return { profile, login: kept };
    throw error;
  } finally {
    api.close();
  }
}

const isFulfilled = (wish: TargetWish, by: TargetWish): boolean =>
  wish.username === by.username && wish.database === by.database && wish.awsRole === by.awsRole;

/** False for one near its end, when the login could give a better one. */
export function isFreshEnough(login: TargetLogin, profile: ProxyProfile, now: number): boolean {
  return login.expires - now >= MIN_LEFT_MS || Date.parse(profile.expires) - login.expires <= SLACK_MS;
}
