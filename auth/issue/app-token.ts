// Tokens by which an application, or AWS, knows who comes. An agent gets one only for a person whose certificate for that
// very application it shows, and only while it serves the application.
import { GatehouseError } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import { appLabels, type AppSpec } from '#kinds/app/kind.ts';
import { serverName } from '#kinds/server-presence.ts';
import { decideTarget } from '#core/access/decide.ts';
import { issuerOf } from '#core/jwt/issuer.ts';
import { publicAddressOf } from '../live-proxies.ts';
import { accessOf, rolesLeft } from '../guard/holder.ts';
import { Identifier } from '../guard/identify.ts';
import type { IssueContext } from './context.ts';
import { requireHolder } from './holder.ts';
import { commonTraits } from './reissue.ts';

export interface AppTokenRequest {
  /** Base64 of DER. */
  readonly certificate: string;
  readonly purpose: 'app' | 'aws';
  /** The agent. */
  readonly hostId: string;
}

/** AWS takes a token once, at once. */
const AWS_TOKEN_MS = 10 * 60_000;
const AWS_AUDIENCE = 'sts.amazonaws.com';
/** Clocks of applications may be behind. */
const BACKDATE_MS = 60_000;

/**
 * ACCESS_DENIED (`message` for admins) when the certificate is for something else, the host does not serve it, or the
 * roles do not give it; CERTIFICATE_INVALID, LOCKED, NOT_FOUND when the person is not there any more.
 */
export async function issueAppToken(
  context: IssueContext,
  { certificate, purpose, hostId }: AppTokenRequest,
): Promise<{ token: string; expires: string }> {
  const { authorities, clock, clusterName } = context;
  const { identity, expires } = new Identifier(context).verify(Buffer.from(certificate, 'base64'));
  if (identity.kind !== 'user' || identity.route_to_app === undefined) {
    throw refuse('the certificate that was shown is not for an application');
  }
  const { name, aws_role_arn: role } = identity.route_to_app;
  const server = context.state.get('app_server', serverName(name, hostId)) as
    | Resource<AppServerSpec>
    | undefined;
  if (server === undefined) throw refuse(`this host does not serve the application ${name}`);
  const { app } = server.spec;
  if (purpose === 'aws' && (role === undefined || app.spec.aws?.oidc !== true)) {
    throw refuse('tokens for AWS are for applications with aws.oidc, and certificates with a role');
  }
  requireGranted(context, identity, app, role);
  const now = clock.now();
  const end = purpose === 'aws' ? Math.min(expires, now + AWS_TOKEN_MS) : expires;
  const token = authorities.signJwt({
    iss: purpose === 'aws' ? issuerOf(publicAddressOf(context)) : clusterName,
    aud: purpose === 'aws' ? AWS_AUDIENCE : [app.spec.uri],
    sub: identity.name,
    iat: seconds(now),
    nbf: seconds(now - BACKDATE_MS),
    exp: seconds(end),
    ...(purpose === 'aws' ? {} : claimsOf(identity, app.spec)),
  });
  return { token, expires: timestampOf(end) };
}

function requireGranted(
  context: IssueContext,
  identity: UserIdentity,
  app: Resource<AppSpec>,
  roleArn: string | undefined,
): void {
  const user = requireHolder(context, identity);
  const traits = commonTraits(identity.traits, user.spec.traits);
  const access = accessOf(user, rolesLeft(context, user, identity.roles), traits);
  const target = { name: app.metadata.name, labels: appLabels(app) };
  const decision = decideTarget(
    access,
    roleArn === undefined ? { kind: 'app', target } : { kind: 'aws', target, roleArn },
  );
  if (!decision.allowed) throw refuse(decision.reasons.map(({ text }) => text).join('; '));
}

function claimsOf({ name, roles, traits }: UserIdentity, { rewrite }: AppSpec): object {
  const wanted = rewrite?.jwt_claims ?? 'roles-and-traits';
  return {
    username: name,
    ...(wanted.startsWith('roles') ? { roles } : {}),
    ...(wanted.endsWith('traits') ? { traits } : {}),
  };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
const refuse = (why: string): GatehouseError => new GatehouseError('ACCESS_DENIED', why);
