// Certificates for one database or one application, from the certificate of a login: the same person with less, for one
// place, and no longer. They are X.509 alone, hold no login, and no other certificate is made from them.
import { randomUUID } from 'node:crypto';
import type { AccessSet } from '#core/access/compile.ts';
import { narrow, type Grant } from '#core/access/narrow.ts';
import type { MergedOptions } from '#core/access/options.ts';
import { missingCheck } from '#core/access/session-ground.ts';
import type { TargetCertificate } from '#core/api/targets.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { parseAddress } from '#config/address.ts';
import { isAwsApp } from '#kinds/app/kind.ts';
import { authPreference } from '../accounts/preference.ts';
import { accessOf, rolesLeft, unlockedLogins } from '../guard/holder.ts';
import { publicAddressOf } from '../live-proxies.ts';
import type { IssueContext } from './context.ts';
import { grantOf, identityOf, maxTtlOf, toTimestamp, wholeSeconds } from './grant.ts';
import { requireHolder } from './holder.ts';
import { forUser, validUntil } from './modifiers.ts';
import { makePlan, startPlan } from './plan.ts';
import { commonTraits } from './reissue.ts';
import { signPlan, type TargetFacts } from './sign.ts';
import { readTlsKey } from './subject-keys.ts';
import { appPlaces, dbPlaces, usableApp, usableDb } from './target-places.ts';
import { MIN_TTL_MS, requireFittingAuthority, requireForeignKey, requireTtlWithin } from './validators.ts';

export interface DatabaseWish {
  readonly service: string;
  readonly username?: string | undefined;
  readonly database?: string | undefined;
}

export interface AppWish {
  readonly name: string;
  /** The whole ARN. */
  readonly aws_role?: string | undefined;
}

export type TargetWish = { readonly database: DatabaseWish } | { readonly app: AppWish };

export interface TargetRequest {
  readonly wish: TargetWish;
  readonly tlsPublicKey: string;
  readonly ttlMs?: number | undefined;
  /** Where the caller is now. */
  readonly address: string;
  /** For the audit log. Default: target. */
  readonly method?: string;
}

/**
 * A certificate for the person of `identity`. ACCESS_DENIED (`message` for admins) when there is no such target that the
 * person could use so; LOCKED, NOT_SUPPORTED for sessions that ask for more than this release can check; BAD_REQUEST for
 * a key or a role of AWS that does not fit; CERTIFICATE_INVALID when less than a minute of the login is left.
 */
export async function issueTarget(
  context: IssueContext,
  identity: UserIdentity,
  request: TargetRequest,
): Promise<TargetCertificate> {
  const { grant, access } = loginOf(context, identity, request);
  const route = routeOf(context, access, request.wish);
  requireUnlocked(context, identity.name, route.login);
  const refusal = missingCheck(route.options, authPreference(context.state));
  if (refusal !== undefined) throw new GatehouseError(refusal.code, refusal.message);
  const { authorities, clock, clusterName } = context;
  const target: UserIdentity = { ...identityOf({ ...grant, logins: [] }, clusterName), ...route.identity };
  const plan = makePlan(
    startPlan('user', { tls: readTlsKey(request.tlsPublicKey) }, clock.now()),
    [forUser(target), validUntil(grant.expires)],
    [requireTtlWithin(maxTtlOf(access)), requireForeignKey(authorities), requireFittingAuthority],
  );
  const signed = await signPlan(context, plan, {
    type: 'user',
    method: request.method ?? 'target',
    user: identity.name,
    ...(identity.impersonator === undefined ? {} : { impersonator: identity.impersonator }),
    roles: grant.roles,
    address: request.address,
    target: route.facts,
  });
  const { route_to_app: app } = route.identity;
  return {
    tls_certificate: signed.tls,
    tls_authorities: authorities.publicPart('host').tlsCertificates,
    expires: toTimestamp(signed.expires),
    user: identity.name,
    cluster_name: clusterName,
    protocol: route.protocol,
    ...(app === undefined ? {} : { public_addr: app.public_addr, session_id: app.session_id }),
  };
}

/** What is left of a login: the user, its roles, and the certificate that it may become. Refusals as issueTarget. */
export function loginOf(
  context: IssueContext,
  identity: UserIdentity,
  { ttlMs, address }: { readonly ttlMs?: number | undefined; readonly address: string },
): { readonly grant: Grant; readonly access: AccessSet } {
  const { clock } = context;
  if (identity.usage !== undefined) {
    throw new GatehouseError('ACCESS_DENIED', `the certificate may only be used for ${identity.usage}`);
  }
  const user = requireHolder(context, identity);
  const previous = grantOf(identity);
  const asked = narrow(previous, previous.pinnedIp === undefined ? {} : { pinnedIp: address });
  const roles = asked.roles.filter((role) => user.spec.roles.includes(role));
  const traits = commonTraits(asked.traits, user.spec.traits);
  const access = accessOf(user, rolesLeft(context, user, roles), traits);
  const userEnds = user.metadata.expires === undefined ? Infinity : Date.parse(user.metadata.expires);
  const ttl = Math.min(ttlMs ?? Infinity, maxTtlOf(access));
  const expires = wholeSeconds(Math.min(asked.expires, userEnds, clock.now() + ttl));
  if (expires - clock.now() < MIN_TTL_MS) {
    throw new GatehouseError('CERTIFICATE_INVALID', 'the session ends within a minute; log in again');
  }
  const pinnedIp = asked.pinnedIp ?? (access.options.pinSourceIp ? address : undefined);
  return { grant: { ...asked, roles, traits, expires, pinnedIp }, access };
}

interface Route {
  readonly identity: Pick<UserIdentity, 'usage' | 'route_to_database' | 'route_to_app'>;
  readonly protocol: string;
  readonly options: MergedOptions;
  /** What a lock on a login would be about. */
  readonly login?: string | undefined;
  readonly facts: TargetFacts;
}

function routeOf(context: IssueContext, access: AccessSet, wish: TargetWish): Route {
  return 'database' in wish
    ? databaseRoute(context, access, wish.database)
    : appRoute(context, access, wish.app);
}

function databaseRoute(context: IssueContext, access: AccessSet, wish: DatabaseWish): Route {
  const { service, username, database } = wish;
  const found = usableDb(access, dbPlaces(context, access, service), wish);
  if ('reasons' in found) throw new GatehouseError('ACCESS_DENIED', found.reasons.join('; '));
  const { protocol } = found.place.database.spec;
  const narrowed = {
    ...(username === undefined ? {} : { username }),
    ...(database === undefined ? {} : { database }),
  };
  return {
    identity: { usage: 'db', route_to_database: { service, protocol, ...narrowed } },
    protocol,
    options: found.options,
    login: username,
    facts: {
      db_service: service,
      ...(username === undefined ? {} : { db_user: username }),
      ...(database === undefined ? {} : { db_name: database }),
    },
  };
}

function appRoute(context: IssueContext, access: AccessSet, { name, aws_role: role }: AppWish): Route {
  const places = appPlaces(context, access, name);
  requireFittingRole(
    places.map(({ app }) => isAwsApp(app.spec)),
    name,
    role,
  );
  const found = usableApp(access, places, role);
  if ('reasons' in found) throw new GatehouseError('ACCESS_DENIED', found.reasons.join('; '));
  const { spec } = found.place.app;
  const route = {
    name,
    public_addr: spec.public_addr || `${name}.${parseAddress(publicAddressOf(context), 443).host}`,
    session_id: randomUUID(),
    ...(role === undefined ? {} : { aws_role_arn: role }),
  };
  return {
    identity: { usage: 'app', route_to_app: route },
    protocol: isAwsApp(spec) ? 'aws' : 'http',
    options: found.options,
    login: role,
    facts: { app_name: name, ...(role === undefined ? {} : { aws_role_arn: role }) },
  };
}

/** Told in words, because what to do is plain; whoever sees no place of it is refused as everybody. */
function requireFittingRole(areAws: readonly boolean[], name: string, role: string | undefined): void {
  if (areAws.length === 0 || areAws.includes(role !== undefined)) return;
  throw new GatehouseError(
    'BAD_REQUEST',
    role === undefined
      ? `${name} is an AWS application: name the role to take there (--aws-role)`
      : `${name} is no AWS application, so there is no role to take`,
    { details: { field: 'app.aws_role' } },
  );
}

function requireUnlocked(context: IssueContext, user: string, login: string | undefined): void {
  if (login === undefined || unlockedLogins(context, user, [login]).length > 0) return;
  throw new GatehouseError('LOCKED', 'a lock is in force on the login');
}
