// The policies of IAM that agents and auth need, as narrow as what they are given for; and who may take a role. Pure: texts
// for an admin to attach, because no part of Gatehouse changes IAM.
import { GatehouseError } from '../errors/error.ts';
import { isAccountId, parseArn, parseRoleArn } from './arn.ts';
import { partitionOfRegion, type Partition } from './partitions.ts';

export interface PolicyStatement {
  readonly Sid?: string;
  readonly Effect: 'Allow';
  readonly Principal?: Readonly<Record<string, string | readonly string[]>>;
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly PolicyStatement[];
}

/** Characters without white space, as AWS counts them. */
export const POLICY_LIMITS = { managed: 6144, inline: 10_240, trust: 2048 } as const;
export type PolicyPlace = keyof typeof POLICY_LIMITS;

const ROLE_PATTERN = /^arn:(aws|aws-us-gov|aws-cn):iam::([0-9]{12}|\*):role\/[\w+=,.@/*?-]{1,512}$/;
const RESOURCE_ID = /^(?:(?:db|cluster|prx)-[A-Z0-9]{1,64}|\*)$/;
const DB_USER = /^[\w+=,.@*-]{1,63}$/;

/** Size as AWS counts it. */
export function policySize(document: PolicyDocument): number {
  return JSON.stringify(document).replaceAll(/\s/g, '').length;
}

/** TOO_LARGE, with the sizes and what to do instead. */
export function requirePolicySize(document: PolicyDocument, place: PolicyPlace): void {
  const size = policySize(document);
  const limit = POLICY_LIMITS[place];
  if (size <= limit) return;
  throw new GatehouseError(
    'TOO_LARGE',
    `the policy has ${size} characters, and AWS takes ${limit} (${place}): name what it is for by patterns such as arn:aws:iam::123456789012:role/gatehouse/* or dbuser "*", or roles by --tag`,
  );
}

export interface AssumePolicyRequest {
  /** ARNs of roles, with * and ? as IAM takes them. */
  readonly roleArns: readonly string[];
  /** Only roles with this tag. */
  readonly tag?: { readonly key: string; readonly value: string } | undefined;
}

/** For agents of applications, and of databases that take a role first. BAD_REQUEST for what is no role. */
export function assumePolicy({ roleArns, tag }: AssumePolicyRequest): PolicyDocument {
  for (const arn of roleArns)
    if (!ROLE_PATTERN.test(arn)) throw bad(`${JSON.stringify(arn.slice(0, 128))} is no ARN of roles`);
  if (tag === undefined && roleArns.some((arn) => /^arn:[^:]*:iam::(?:\*|\d{12}):role\/\*$/.test(arn)))
    throw bad(
      'all roles of an account are too much: name a path (role/gatehouse/*), or a --tag that they have',
    );
  const condition =
    tag === undefined ? {} : { Condition: { StringEquals: { [`iam:ResourceTag/${tag.key}`]: tag.value } } };
  return policy({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: one(roleArns), ...condition });
}

export interface DatabasePolicyRequest {
  readonly region: string;
  readonly accountId: string;
  /** `db-…`, `cluster-…` or `prx-…`, or `*`. */
  readonly resourceIds: readonly string[];
  /** Accounts in the databases, or `*`. */
  readonly users: readonly string[];
}

/** rds-db:connect, for agents of databases. BAD_REQUEST names what is wrong. */
export function databasePolicy(request: DatabasePolicyRequest): PolicyDocument {
  const { accountId, resourceIds, users, region } = request;
  const partition = partitionOf(region);
  if (!isAccountId(accountId)) throw bad('an account id has twelve digits');
  for (const id of resourceIds)
    if (!RESOURCE_ID.test(id))
      throw bad(
        `${JSON.stringify(id.slice(0, 64))} is no resource id: db-…, cluster-…, prx-… in capitals, or *`,
      );
  for (const user of users)
    if (!DB_USER.test(user)) throw bad(`${JSON.stringify(user.slice(0, 64))} cannot stand in a policy`);
  const resources = resourceIds.flatMap((id) =>
    users.map((user) => `arn:${partition.id}:rds-db:${region}:${accountId}:dbuser:${id}/${user}`),
  );
  return policy({ Effect: 'Allow', Action: 'rds-db:connect', Resource: one(resources) });
}

export interface AuthPolicyRequest {
  readonly region: string;
  readonly accountId: string;
  readonly tables: readonly string[];
  readonly buckets: readonly string[];
}

/** For auth with its state or events in DynamoDB and its recordings in S3. */
export function authPolicy({ region, accountId, tables, buckets }: AuthPolicyRequest): PolicyDocument {
  const { id } = partitionOf(region);
  if (!isAccountId(accountId)) throw bad('an account id has twelve digits');
  const table = (name: string): string => `arn:${id}:dynamodb:${region}:${accountId}:table/${name}`;
  const statements: PolicyStatement[] = [];
  if (tables.length > 0)
    statements.push(
      {
        Sid: 'Tables',
        Effect: 'Allow',
        Action: TABLE_ACTIONS,
        Resource: tables.flatMap((name) => [table(name), `${table(name)}/index/*`]),
      },
      {
        Sid: 'Streams',
        Effect: 'Allow',
        Action: STREAM_ACTIONS,
        Resource: one(tables.map((name) => `${table(name)}/stream/*`)),
      },
    );
  if (buckets.length > 0)
    statements.push(
      {
        Sid: 'Buckets',
        Effect: 'Allow',
        Action: BUCKET_ACTIONS,
        Resource: one(buckets.map((name) => `arn:${id}:s3:::${name}`)),
      },
      {
        Sid: 'Objects',
        Effect: 'Allow',
        Action: OBJECT_ACTIONS,
        Resource: one(buckets.map((name) => `arn:${id}:s3:::${name}/*`)),
      },
    );
  if (statements.length === 0) throw bad('name the tables or the buckets that auth keeps its state in');
  return policy(...statements);
}

const TABLE_ACTIONS = [
  'dynamodb:BatchWriteItem',
  'dynamodb:CreateTable',
  'dynamodb:DeleteItem',
  'dynamodb:DescribeContinuousBackups',
  'dynamodb:DescribeTable',
  'dynamodb:DescribeTimeToLive',
  'dynamodb:GetItem',
  'dynamodb:PutItem',
  'dynamodb:Query',
  'dynamodb:Scan',
  'dynamodb:TransactWriteItems',
  'dynamodb:UpdateContinuousBackups',
  'dynamodb:UpdateItem',
  'dynamodb:UpdateTable',
  'dynamodb:UpdateTimeToLive',
];
const STREAM_ACTIONS = ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'];
const BUCKET_ACTIONS = [
  's3:GetBucketVersioning',
  's3:GetEncryptionConfiguration',
  's3:ListBucket',
  's3:ListBucketMultipartUploads',
  's3:ListBucketVersions',
];
const OBJECT_ACTIONS = [
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:GetObject',
  's3:GetObjectVersion',
  's3:ListMultipartUploadParts',
  's3:PutObject',
];

export type TrustRequest =
  | { readonly by: 'ec2'; readonly isChina?: boolean }
  | { readonly by: 'pod-identity' }
  /** An IAM OIDC provider: of an EKS cluster, or of Gatehouse itself. */
  | {
      readonly by: 'oidc';
      readonly providerArn: string;
      readonly subjects: readonly string[];
    }
  | { readonly by: 'role'; readonly principal: string; readonly externalId?: string | undefined };

const POD_IDENTITY = 'pods.eks.amazonaws.com';
const PROVIDER = /^oidc-provider\/[A-Za-z0-9._:/-]{1,255}$/;

/** Who may take a role. BAD_REQUEST for what AWS would take for something else. */
export function trustPolicy(request: TrustRequest): PolicyDocument {
  switch (request.by) {
    case 'ec2': {
      const service = request.isChina === true ? 'ec2.amazonaws.com.cn' : 'ec2.amazonaws.com';
      return policy({ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' });
    }
    case 'pod-identity':
      return policy({
        Effect: 'Allow',
        Principal: { Service: POD_IDENTITY },
        Action: ['sts:AssumeRole', 'sts:TagSession'],
      });
    case 'oidc':
      return oidcTrust(request);
    case 'role':
      return roleTrust(request);
  }
}

function oidcTrust({ providerArn, subjects }: Extract<TrustRequest, { by: 'oidc' }>): PolicyDocument {
  const arn = parseArn(providerArn);
  if (arn === undefined || arn.service !== 'iam' || !PROVIDER.test(arn.resource))
    throw bad(
      'the provider must be the ARN of an IAM OIDC provider (arn:aws:iam::123456789012:oidc-provider/…)',
    );
  const issuer = arn.resource.slice('oidc-provider/'.length);
  if (subjects.length === 0) throw bad('without a subject every token of that issuer would do: name it');
  const hasPattern = subjects.some((subject) => /[*?]/.test(subject));
  const subject = { [`${issuer}:sub`]: one(subjects) };
  return policy({
    Effect: 'Allow',
    Principal: { Federated: providerArn },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: hasPattern
      ? { StringEquals: { [`${issuer}:aud`]: 'sts.amazonaws.com' }, StringLike: subject }
      : { StringEquals: { [`${issuer}:aud`]: 'sts.amazonaws.com', ...subject } },
  });
}

function roleTrust({ principal, externalId }: Extract<TrustRequest, { by: 'role' }>): PolicyDocument {
  const arn = parseArn(principal);
  const isRoot = arn?.service === 'iam' && arn.resource === 'root';
  if (parseRoleArn(principal) === undefined && !isRoot)
    throw bad('the principal must be the ARN of the role of the agent, or of its account (…:root)');
  return policy({
    Effect: 'Allow',
    Principal: { AWS: principal },
    Action: 'sts:AssumeRole',
    ...(externalId === undefined ? {} : { Condition: { StringEquals: { 'sts:ExternalId': externalId } } }),
  });
}

const policy = (...Statement: PolicyStatement[]): PolicyDocument => ({ Version: '2012-10-17', Statement });

const one = (texts: readonly string[]): string | readonly string[] =>
  texts.length === 1 && texts[0] !== undefined ? texts[0] : texts;

function partitionOf(region: string): Partition {
  const partition = partitionOfRegion(region);
  if (partition === undefined) throw bad(`${JSON.stringify(region.slice(0, 32))} is no region of AWS`);
  return partition;
}

const bad = (message: string): GatehouseError => new GatehouseError('BAD_REQUEST', message);
