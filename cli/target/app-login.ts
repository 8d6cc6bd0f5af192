// Which application a command means, with which role of AWS, and a certificate for that.
import { targetGrants } from '#core/api/targets.ts';
import type { Api } from '#client/api.ts';
import { splitAddress } from '#client/outbound/tcp-dial.ts';
import { findRoles, rolesWithin, type RoleArn } from '#core/aws/arn.ts';
import { awsPartitionOf } from '#core/aws/partitions.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import * as flag from '../arguments.ts';
import type { Gate } from '../commands/gate/context.ts';
import { openProfileApi } from '../profile/api.ts';
import { listTargetLogins, readTargetLogin, type TargetLogin } from '../profile/target-files.ts';
import { loginFirst, type LoginFirstOptions } from '../ssh/login-first.ts';
import { fetchTarget, isFreshEnough } from './certificate.ts';
import { chosen, type Filter } from './filter.ts';
import { listApps, type Listed } from './list.ts';
import type { ProxyProfile } from './road.ts';

export const awsRoleFlag = {
  'aws-role': flag.text({
    says: 'For AWS: the role to take, by name or ARN. (the only one, when there is one)',
    value: 'NAME|ARN',
  }),
};

export interface AppWish {
  readonly name: string | undefined;
  readonly filter: Filter;
  readonly awsRole: string | undefined;
  readonly ttlMs?: number | undefined;
}

export interface AppLogin {
  readonly profile: ProxyProfile;
  readonly login: TargetLogin;
}

const ACCOUNT_LABEL = 'aws_account_id';

/** A new certificate. BAD_REQUEST and USAGE list the roles of AWS to choose from. */
export async function loginToApp(gate: Gate, wish: AppWish): Promise<AppLogin> {
  const profile = await loginFirst(gate, { mayAsk: true });
  const api = openProfileApi(gate.io, profile);
  try {
    const app = chosen(await listApps(api), wish.name, wish.filter, 'application');
    const awsRole = await roleFor(api, app, wish.awsRole);
    const login = await fetchTarget(
      gate.io,
      api,
      profile,
      { sort: 'app', name: app.name, awsRole },
      wish.ttlMs,
    );
    return { profile, login };
  } finally {
    api.close();
  }
}

/** The certificate from before, or a new one where none has to be chosen. */
export async function appLogin(gate: Gate, name: string): Promise<AppLogin> {
  const profile = await loginFirst(gate, { mayAsk: true });
  const login = await readTargetLogin(gate.io, profile, 'app', name);
  if (login !== undefined && isFreshEnough(login, profile, gate.io.clock.now())) return { profile, login };
  return loginToApp(gate, { name, filter: {}, awsRole: login?.identity.route_to_app?.aws_role_arn });
}

/** The one AWS application signed in to, or the one named. UNAUTHENTICATED and USAGE say what to do. */
export async function requireAwsLogin(
  gate: Gate,
  name: string | undefined,
  { mayAsk }: Pick<LoginFirstOptions, 'mayAsk'>,
): Promise<AppLogin> {
  const profile = await loginFirst(gate, { mayAsk });
  const logins = (await listTargetLogins(gate.io, profile, 'app')).filter(isAws);
  const fit = name === undefined ? logins : logins.filter((login) => login.name === name);
  const [login] = fit;
  if (login !== undefined && fit.length === 1) return { profile, login };
  if (login !== undefined) {
    throw flag.usage(`you are signed in to ${fit.map((one) => one.name).join(', ')}; name one with --app`);
  }
  throw new GatehouseError(
    'UNAUTHENTICATED',
    name === undefined
      ? 'you are not signed in to an AWS application'
      : `you are not signed in to the AWS application ${name}`,
    {
      details: {
        remedy: `Run \`gate apps login --aws-role=NAME ${name ?? 'APP'}\`; \`gate apps ls\` lists them.`,
      },
    },
  );
}

export const isAws = ({ identity }: TargetLogin): boolean =>
  identity.route_to_app?.aws_role_arn !== undefined;

/** Where browsers and curl reach it: `https://…`, without a slash at the end. */
export function appUrl({ profile, login }: AppLogin): string {
  const { host, port } = splitAddress(profile.proxy.web);
  const named = login.identity.route_to_app?.public_addr ?? '';
  const name = named === '' ? `${login.name}.${host}` : named;
  return `https://${name}${port === 443 ? '' : `:${port}`}`;
}

async function roleFor(
  api: Api,
  app: Listed<AppSpec>,
  wanted: string | undefined,
): Promise<string | undefined> {
  const partition = awsPartitionOf(app.document.spec.uri);
  if (partition === undefined) {
    if (wanted === undefined) return undefined;
    throw flag.usage(`--aws-role: ${app.name} is no AWS application`);
  }
  const { aws_role_arns: arns } = await api.call(targetGrants, { kind: 'app', name: app.name });
  return chooseRole(rolesWithin(arns, { accountId: app.labels[ACCOUNT_LABEL], partition }), wanted, app.name);
}

/** Pure. ACCESS_DENIED when there is none; BAD_REQUEST or USAGE, with the choice, when it is not clear which. */
export function chooseRole(roles: readonly RoleArn[], wanted: string | undefined, app: string): string {
  const found = wanted === undefined ? roles : findRoles(roles, wanted);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.arn;
  const choice = `Choose one with --aws-role:\n${listOf(found.length > 1 ? found : roles)}`;
  if (roles.length === 0) {
    throw new GatehouseError('ACCESS_DENIED', `your roles grant no role of AWS at ${app}`, {
      details: { remedy: 'Ask an admin for a role with `aws_role_arns` of this account.' },
    });
  }
  if (wanted === undefined)
    throw new GatehouseError('USAGE', `--aws-role is missing: ${roles.length} are granted`, {
      details: { remedy: choice },
    });
  throw found.length > 1
    ? new GatehouseError('BAD_REQUEST', `${wanted} is the name of ${found.length} roles`, {
        details: { remedy: choice },
      })
    : new GatehouseError('NOT_FOUND', `no role ${wanted} is granted to you at ${app}`, {
        details: { remedy: choice },
      });
}

const listOf = (roles: readonly RoleArn[]): string =>
  roles.map(({ name, accountId, arn }) => `  ${name} (${accountId}): ${arn}`).join('\n');
