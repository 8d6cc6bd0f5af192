// Client certificates for accounts in self-hosted databases. An agent gets one only for a person whose certificate for that
// very database it shows, so that an agent in wrong hands cannot be everybody everywhere.
import { decideTarget, isVisible } from '#core/access/decide.ts';
import { mergeTargetOptions } from '#core/access/options.ts';
import type { DatabaseClientReply, DatabaseClientRequest } from '#core/api/database.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import { dbLabels } from '#kinds/db/kind.ts';
import type { DbServerSpec } from '#kinds/db-server/kind.ts';
import { serverName } from '#kinds/server-presence.ts';
import { accessOf, rolesLeft } from '../guard/holder.ts';
import { Identifier } from '../guard/identify.ts';
import type { IssueContext } from './context.ts';
import { requireHolder } from './holder.ts';
import { validUntil } from './modifiers.ts';
import { makePlan, startPlan } from './plan.ts';
import { commonTraits } from './reissue.ts';
import { signPlan } from './sign.ts';
import { readTlsKey } from './subject-keys.ts';
import { requireFittingAuthority, requireForeignKey } from './validators.ts';

/** Agents keep one for as long, and ask for the next. */
export const DATABASE_CLIENT_TTL_MS = 3_600_000;

export const DATABASE_ADMIN_GRACE_MS = 15 * 60_000;

export interface DatabaseClientIssue extends DatabaseClientRequest {
  /** The agent. */
  readonly hostId: string;
  readonly address?: string | undefined;
}

/**
 * ACCESS_DENIED (`message` for admins) when the roles do not give the account, or the certificate is for something else;
 * CERTIFICATE_INVALID, LOCKED, NOT_FOUND when the person or the database is not there any more.
 */
export async function issueDatabaseClient(
  context: IssueContext,
  request: DatabaseClientIssue,
): Promise<DatabaseClientReply> {
  const { authorities, clock, clusterName } = context;
  const { identity, expires } = readShown(context, request);
  const server = requireServed(context, request);
  requireGranted(context, identity, server, request);
  // The account that makes accounts is needed once more when the person's time is over, to take theirs away. A person
  // whose certificate ends within the minute still gets one.
  const end = request.admin
    ? expires + DATABASE_ADMIN_GRACE_MS
    : Math.min(expires - 1000, clock.now() + DATABASE_CLIENT_TTL_MS);
  const plan = makePlan(
    startPlan('db', { tls: readTlsKey(request.tls_public_key) }, clock.now()),
    [
      (plan) => ({ ...plan, commonName: request.account, organization: [clusterName], usage: 'client' }),
      validUntil(Math.floor(end / 1000) * 1000),
    ],
    [requireForeignKey(authorities), requireFittingAuthority],
  );
  const signed = await signPlan(context, plan, {
    type: 'db',
    method: 'db-client',
    user: identity.name,
    hostId: request.hostId,
    ...(request.address === undefined ? {} : { address: request.address }),
  });
  return { tls_certificate: signed.tls, expires: timestampOf(signed.expires) };
}

function readShown(
  context: IssueContext,
  { certificate, service }: DatabaseClientIssue,
): { readonly identity: UserIdentity; readonly expires: number } {
  const { identity, expires } = new Identifier(context).verify(Buffer.from(certificate, 'base64'));
  if (identity.kind !== 'user' || identity.usage !== 'db')
    throw refuse('the certificate that was shown is not for a database');
  if (identity.route_to_database?.service !== service)
    throw refuse('the certificate that was shown is for another database');
  return { identity, expires };
}

function requireServed(
  { state }: IssueContext,
  { service, hostId }: DatabaseClientIssue,
): Resource<DbServerSpec> {
  const server = state.get('db_server', serverName(service, hostId)) as Resource<DbServerSpec> | undefined;
  if (server !== undefined) return server;
  throw new GatehouseError('NOT_FOUND', 'this agent has not said that it serves the database');
}

function requireGranted(
  context: IssueContext,
  identity: UserIdentity,
  { spec: { database: db } }: Resource<DbServerSpec>,
  { account, database, admin }: DatabaseClientIssue,
): void {
  const holder = requireHolder(context, identity);
  const left = rolesLeft(context, holder, identity.roles);
  const access = accessOf(holder, left, commonTraits(identity.traits, holder.spec.traits));
  const target = { name: db.metadata.name, labels: dbLabels(db) };
  if (admin) {
    // Who may not have accounts made has no use for the account that makes them.
    if (db.spec.admin_user?.name !== account)
      throw refuse('the account is not the admin_user of the database');
    const roles = left.held.filter(({ metadata }) => left.allowing.includes(metadata.name));
    if (!isVisible(access, 'db', target)) throw refuse('no role of the person selects the database');
    if (roles.every(({ spec }) => mergeTargetOptions([spec.options]).dbUserMode === 'off'))
      throw refuse('no role of the person has accounts made (create_db_user_mode)');
    return;
  }
  const { username, database: only } = identity.route_to_database ?? {};
  if ((username ?? account) !== account || (only ?? database) !== database)
    throw refuse('the certificate that was shown is narrowed to another account or database');
  const makesUsers = db.spec.admin_user !== undefined;
  const decision = decideTarget(access, { kind: 'db', target, user: account, database, makesUsers });
  if (!decision.allowed) throw refuse(decision.reasons.map(({ text }) => text).join('; '));
}

const refuse = (why: string): GatehouseError => new GatehouseError('ACCESS_DENIED', why);
