// Names of AWS things (ARNs), above all of IAM roles: read strictly, compared as AWS does, found by role name within an
// account. Pure, because roles of Gatehouse, the agent and the commands must read them alike.
import { partitionById } from './partitions.ts';
import type { Partition } from './partitions.ts';

export interface Arn {
  readonly partition: Partition;
  readonly service: string;
  readonly region: string;
  readonly account: string;
  readonly resource: string;
}

export interface RoleArn {
  readonly arn: string;
  readonly partition: Partition;
  readonly accountId: string;
  /** With both slashes; `/` for roles without a path. */
  readonly path: string;
  readonly name: string;
}

const MAX_ARN = 2048;
const ACCOUNT = /^[0-9]{12}$/;
const ARN = /^arn:([a-z-]{1,16}):([a-z0-9-]{1,64}):([a-z0-9-]{0,32}):(|aws|[0-9]{12}):(.+)$/s;
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/;
const ROLE_PATH = /^\/(?:[!-.0-~]{1,512}\/){0,64}$/;

/** Reads `arn:partition:service:region:account:resource`; undefined when it is none, or of an unknown partition. */
export function parseArn(text: string): Arn | undefined {
  const found = text.length > MAX_ARN ? null : ARN.exec(text);
  if (found === null) return undefined;
  const [, id = '', service = '', region = '', account = '', resource = ''] = found;
  const partition = partitionById(id);
  return partition === undefined ? undefined : { partition, service, region, account, resource };
}

/** Reads the ARN of one IAM role. Undefined for anything else: wildcards, users, assumed roles. */
export function parseRoleArn(text: string): RoleArn | undefined {
  const arn = parseArn(text);
  if (arn === undefined || arn.service !== 'iam' || arn.region !== '') return undefined;
  if (!ACCOUNT.test(arn.account) || !arn.resource.startsWith('role/')) return undefined;
  const slash = arn.resource.lastIndexOf('/');
  const path = arn.resource.slice('role'.length, slash + 1);
  const name = arn.resource.slice(slash + 1);
  if (!ROLE_NAME.test(name) || path.length > 512 || !ROLE_PATH.test(path)) return undefined;
  return { arn: text, partition: arn.partition, accountId: arn.account, path, name };
}

/** Whether this is an account id: twelve digits. */
export function isAccountId(text: string): boolean {
  return ACCOUNT.test(text);
}

/** Those of `arns` that are roles of this account (of any, when undefined) and this partition (of any, when undefined). */
export function rolesWithin(
  arns: readonly string[],
  within: { readonly accountId?: string | undefined; readonly partition?: Partition | undefined },
): RoleArn[] {
  return arns
    .map(parseRoleArn)
    .filter((role) => role !== undefined)
    .filter((role) => within.accountId === undefined || role.accountId === within.accountId)
    .filter((role) => within.partition === undefined || role.partition === within.partition);
}

/**
 * The roles that a person means by `wanted`: a whole ARN, a path and name, or a name alone (compared without regard to
 * case, as role names are unique that way). Several when it is ambiguous, none when there is no such role.
 */
export function findRoles(roles: readonly RoleArn[], wanted: string): RoleArn[] {
  if (wanted.startsWith('arn:')) return roles.filter((role) => role.arn === wanted);
  if (wanted.includes('/')) {
    const path = wanted.startsWith('/') ? wanted : `/${wanted}`;
    return roles.filter((role) => `${role.path}${role.name}` === path);
  }
  const exact = roles.filter((role) => role.name === wanted);
  if (exact.length > 0) return exact;
  return roles.filter((role) => role.name.toLowerCase() === wanted.toLowerCase());
}
