// `gatehouse aws policy`: the policies of IAM for what runs here, to be attached by an admin of the AWS account.
import { parseArn } from '#core/aws/arn.ts';
import {
  assumePolicy,
  authPolicy,
  databasePolicy,
  policySize,
  POLICY_LIMITS,
  requirePolicySize,
  trustPolicy,
  type PolicyDocument,
  type PolicyPlace,
} from '#core/aws/policies.ts';
import * as flag from '../../arguments.ts';
import { command, usage, type FlagValues } from '../../arguments.ts';
import type { GatehouseContext } from './context.ts';

const flags = {
  for: flag.oneOf(['app', 'db', 'auth'], {
    says: 'What the policy is for: an agent of applications or databases, or auth.',
  }),
  trust: flag.oneOf(['ec2', 'irsa', 'pod-identity', 'oidc', 'role'], {
    says: 'Print who may take a role instead: an instance, a pod, people by the tokens of Gatehouse, or another role.',
  }),
  as: flag.oneOf(['managed', 'inline'], {
    says: 'How it will be attached, which says how large it may be. (managed)',
  }),
  'role-arn': flag.list({ says: 'Roles that are taken; * and ? as in IAM.', value: 'ARN' }),
  tag: flag.text({ says: 'Only roles with this tag.', value: 'KEY=VALUE' }),
  region: flag.text({ says: 'Region of the databases, tables or buckets.', value: 'REGION' }),
  'account-id': flag.text({ says: 'Account that they are in.', value: 'ID' }),
  'resource-id': flag.list({ says: 'Resource ids of databases: db-…, cluster-…, or *.', value: 'ID' }),
  'db-user': flag.list({ says: 'Accounts in the databases; all without it.', value: 'NAME' }),
  table: flag.list({ says: 'Tables of DynamoDB.', value: 'NAME' }),
  bucket: flag.list({ says: 'Buckets of S3.', value: 'NAME' }),
  'oidc-provider-arn': flag.text({
    says: 'The IAM OIDC provider of the cluster, or of Gatehouse.',
    value: 'ARN',
  }),
  namespace: flag.textOr('gatehouse-agent', { says: 'Namespace of the agent.', value: 'NAME' }),
  'service-account': flag.textOr('gatehouse-kube-agent', {
    says: 'Service account of the agent.',
    value: 'NAME',
  }),
  user: flag.list({ says: 'People who may take the role, with --trust=oidc.', value: 'NAME' }),
  principal: flag.text({ says: 'The role of the agent, with --trust=role.', value: 'ARN' }),
  'external-id': flag.text({ says: 'What must be said when it is taken.', value: 'ID' }),
};
type Given = FlagValues<typeof flags>;

export const awsPolicy = command({
  about: `Prints JSON for \`aws iam create-policy\` or \`aws iam create-role\`, and its size on standard error. Nothing is changed
at AWS. A policy that AWS would not take for its size is refused.`,
  flags,
  examples: [
    'gatehouse aws policy --for=app --role-arn=arn:aws:iam::123456789012:role/ExampleReadOnlyAccess',
    "gatehouse aws policy --for=app --role-arn='arn:aws:iam::123456789012:role/*' --tag=gatehouse=yes",
    'gatehouse aws policy --for=db --region=us-west-1 --account-id=123456789012 --resource-id=cluster-ABCDEFGHIJKL --db-user=alice',
    'gatehouse aws policy --trust=irsa --oidc-provider-arn=arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-1.amazonaws.com/id/EXAMPLE',
    'gatehouse aws policy --trust=role --principal=arn:aws:iam::123456789012:role/GatehouseAWSAccess --external-id=EXTERNAL_ID',
  ],
  async run({ out }: GatehouseContext, { flags: given }) {
    if ((given.for === undefined) === (given.trust === undefined))
      throw usage('exactly one of --for and --trust is needed');
    const place: PolicyPlace = given.trust === undefined ? (given.as ?? 'managed') : 'trust';
    const document = given.trust === undefined ? permissions(given) : trust(given);
    requirePolicySize(document, place);
    out.formatted(`${JSON.stringify(document, undefined, 2)}\n`);
    out.note(`${policySize(document)} of ${POLICY_LIMITS[place]} characters (${place}).`);
  },
});

function permissions(given: Given): PolicyDocument {
  const roleArns = given['role-arn'] ?? [];
  const tag = tagOf(given.tag);
  switch (given.for) {
    case 'db':
      return databasePermissions(given);
    case 'auth':
      return authPolicy({
        region: required(given.region, 'region'),
        accountId: required(given['account-id'], 'account-id'),
        tables: given.table ?? [],
        buckets: given.bucket ?? [],
      });
    default:
      if (roleArns.length === 0) throw usage('--role-arn is needed: the roles that people may take');
      return assumePolicy({ roleArns, tag });
  }
}

/** By IAM tokens of this account; with --role-arn, by taking that role first, in whatever account it is. */
function databasePermissions(given: Given): PolicyDocument {
  const roleArns = given['role-arn'] ?? [];
  if (roleArns.length > 0 && given['resource-id'] === undefined)
    return assumePolicy({ roleArns, tag: tagOf(given.tag) });
  const connect = databasePolicy({
    region: required(given.region, 'region'),
    accountId: required(given['account-id'], 'account-id'),
    resourceIds: given['resource-id'] ?? missing('resource-id'),
    users: given['db-user'] ?? ['*'],
  });
  if (roleArns.length === 0) return connect;
  const assume = assumePolicy({ roleArns, tag: tagOf(given.tag) });
  return { ...connect, Statement: [...connect.Statement, ...assume.Statement] };
}

function trust(given: Given): PolicyDocument {
  switch (given.trust) {
    case 'ec2':
      return trustPolicy({ by: 'ec2', isChina: given.region?.startsWith('cn-') === true });
    case 'pod-identity':
      return trustPolicy({ by: 'pod-identity' });
    case 'role':
      return trustPolicy({
        by: 'role',
        principal: required(given.principal, 'principal'),
        externalId: given['external-id'],
      });
    case 'oidc':
      return trustPolicy({
        by: 'oidc',
        providerArn: provider(given),
        subjects: given.user ?? missing('user'),
      });
    default: {
      const subject = `system:serviceaccount:${given.namespace}:${given['service-account']}`;
      return trustPolicy({ by: 'oidc', providerArn: provider(given), subjects: [subject] });
    }
  }
}

function provider(given: Given): string {
  const arn = required(given['oidc-provider-arn'], 'oidc-provider-arn');
  if (parseArn(arn) === undefined) throw usage('--oidc-provider-arn: must be an ARN');
  return arn;
}

function tagOf(text: string | undefined): { key: string; value: string } | undefined {
  if (text === undefined) return undefined;
  const at = text.indexOf('=');
  if (at < 1) throw usage('--tag: must be written key=value');
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

function required(value: string | undefined, name: string): string {
  return value ?? missing(name);
}

function missing(name: string): never {
  throw usage(`--${name} is needed`);
}
