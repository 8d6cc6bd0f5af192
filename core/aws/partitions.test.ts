// Partitions, ARNs and host names of AWS: what is one, what only looks like one.
import { expect, test } from 'vitest';
import { findRoles, parseArn, parseRoleArn, rolesWithin } from './arn.ts';
import { parseAwsHost } from './endpoints.ts';
import { awsPartitionOf, PARTITIONS, partitionOfRegion, stsHost } from './partitions.ts';
import { awsSessionName } from './session-name.ts';

test('ok: the documented consoles, with paths and regions', () => {
  expect(awsPartitionOf('https://console.aws.amazon.com/ec2/v2/home')?.id).toBe('aws');
  expect(awsPartitionOf('https://console.aws.amazon.com')?.id).toBe('aws');
  expect(awsPartitionOf('https://eu-west-1.console.aws.amazon.com/s3')?.id).toBe('aws');
  expect(awsPartitionOf('https://console.amazonaws-us-gov.com')?.id).toBe('aws-us-gov');
  expect(awsPartitionOf('https://console.amazonaws.cn/console/home')?.id).toBe('aws-cn');
});

test('refuses: S25 addresses that only begin like a console', () => {
  for (const uri of [
    'https://console.aws.amazon.com.evil.example',
    'https://console.aws.amazon.com@evil.example/',
    'http://console.aws.amazon.com',
    'https://console.aws.amazon.com:8443/',
    'https://evil.console.aws.amazon.com',
    'https://cn-north-1.console.aws.amazon.com',
    'https://aws.amazon.com',
    'not a uri',
    '',
  ])
    expect(awsPartitionOf(uri), uri).toBeUndefined();
});

test('ok: regions belong to their partition', () => {
  expect(partitionOfRegion('ap-southeast-2')?.id).toBe('aws');
  expect(partitionOfRegion('us-gov-east-1')?.id).toBe('aws-us-gov');
  expect(partitionOfRegion('cn-northwest-1')?.id).toBe('aws-cn');
  expect(partitionOfRegion('mars-north-1')).toBeUndefined();
  expect(stsHost('cn-north-1')).toBe('sts.cn-north-1.amazonaws.com.cn');
  expect(stsHost('eu-central-1')).toBe('sts.eu-central-1.amazonaws.com');
});

test('ok: ARNs of roles', () => {
  const role = parseRoleArn('arn:aws:iam::123456789012:role/team/a/Admin');
  expect(role).toMatchObject({ accountId: '123456789012', path: '/team/a/', name: 'Admin' });
  expect(parseArn('arn:aws:rds:eu-west-1:123456789012:cluster:x')?.resource).toBe('cluster:x');
});

test('refuses: what is no ARN of one role', () => {
  for (const arn of [
    '*',
    'arn:aws:iam::123456789012:role/*',
    'arn:aws:iam::12345:role/A',
    'arn:aws:iam::123456789012:user/A',
    'arn:aws:sts::123456789012:assumed-role/A/b',
    'arn:other:iam::123456789012:role/A',
    'arn:aws:iam::123456789012:role/',
    'arn:aws:iam::123456789012:role//A',
    'arn:aws:iam::123456789012:role/A\n',
    ' arn:aws:iam::123456789012:role/A',
    'arn:aws:iam:eu-west-1:123456789012:role/A',
  ])
    expect(parseRoleArn(arn), arn).toBeUndefined();
});

test('ok: roles are found by ARN, path and name, within an account', () => {
  const arns = [
    'arn:aws:iam::111111111111:role/Read',
    'arn:aws:iam::222222222222:role/Read',
    'arn:aws:iam::222222222222:role/x/Read',
    'arn:aws-cn:iam::222222222222:role/Write',
    'junk',
  ];
  const roles = rolesWithin(arns, { accountId: '222222222222', partition: PARTITIONS.aws });
  expect(roles.map((role) => role.arn)).toEqual([arns[1], arns[2]]);
  expect(findRoles(roles, 'read')).toHaveLength(2);
  expect(findRoles(roles, 'x/Read').map((role) => role.arn)).toEqual([arns[2]]);
  expect(findRoles(roles, 'arn:aws:iam::222222222222:role/Read')).toHaveLength(1);
  expect(findRoles(roles, 'arn:aws:iam::111111111111:role/Read')).toHaveLength(0);
});

test.each([
  ['sts.amazonaws.com', 'sts', 'us-east-1', 'aws'],
  ['sts.eu-west-1.amazonaws.com', 'sts', 'eu-west-1', 'aws'],
  ['s3.amazonaws.com', 's3', 'us-east-1', 'aws'],
  ['s3-us-west-2.amazonaws.com', 's3', 'us-west-2', 'aws'],
  ['my.own.bucket.s3.eu-west-1.amazonaws.com', 's3', 'eu-west-1', 'aws'],
  ['rds.s3.dualstack.eu-west-1.amazonaws.com', 's3', 'eu-west-1', 'aws'],
  ['b.s3-accelerate.amazonaws.com', 's3', 'us-east-1', 'aws'],
  ['b.s3-fips.us-gov-west-1.amazonaws.com', 's3', 'us-gov-west-1', 'aws-us-gov'],
  ['b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com', 's3express', 'us-east-1', 'aws'],
  ['123456789012.s3-control.us-east-1.amazonaws.com', 's3', 'us-east-1', 'aws'],
  ['ap-1.accesspoint.s3-global.amazonaws.com', 's3', '*', 'aws'],
  ['rds.us-east-1.amazonaws.com', 'rds', 'us-east-1', 'aws'],
  ['dynamodb.cn-north-1.amazonaws.com.cn', 'dynamodb', 'cn-north-1', 'aws-cn'],
  ['streams.dynamodb.us-east-1.amazonaws.com', 'dynamodb', 'us-east-1', 'aws'],
  ['123456789012.ddb.us-east-1.amazonaws.com', 'dynamodb', 'us-east-1', 'aws'],
  ['iam.amazonaws.com', 'iam', 'us-east-1', 'aws'],
  ['iam.us-gov.amazonaws.com', 'iam', 'us-gov-west-1', 'aws-us-gov'],
  ['iam.cn-north-1.amazonaws.com.cn', 'iam', 'cn-north-1', 'aws-cn'],
  ['ec2.us-west-2.api.aws', 'ec2', 'us-west-2', 'aws'],
  ['lambda-fips.us-gov-west-1.api.aws', 'lambda', 'us-gov-west-1', 'aws-us-gov'],
  ['api.ecr.us-east-1.amazonaws.com', 'ecr', 'us-east-1', 'aws'],
  ['api.ecr-fips.us-east-1.amazonaws.com', 'ecr', 'us-east-1', 'aws'],
  ['runtime.sagemaker.us-east-1.amazonaws.com', 'sagemaker', 'us-east-1', 'aws'],
  ['abc.execute-api.us-east-1.amazonaws.com', 'execute-api', 'us-east-1', 'aws'],
  ['abc.lambda-url.us-east-1.on.aws', 'lambda', 'us-east-1', 'aws'],
  ['search-x-y.us-east-1.es.amazonaws.com', 'es', 'us-east-1', 'aws'],
  ['email.eu-west-1.amazonaws.com', 'ses', 'eu-west-1', 'aws'],
  ['data-ats.iot.us-east-1.amazonaws.com', 'iotdata', 'us-east-1', 'aws'],
  ['a1b2-ats.iot.us-east-1.amazonaws.com', 'iot', 'us-east-1', 'aws'],
  ['eu-west-1.queue.amazonaws.com', 'sqs', 'eu-west-1', 'aws'],
  ['globalaccelerator.amazonaws.com', 'globalaccelerator', 'us-west-2', 'aws'],
])('ok: %s is %s in %s', (host, service, region, partition) => {
  const endpoint = parseAwsHost(host);
  expect(endpoint).toMatchObject({ service, region });
  expect(endpoint?.partition.id).toBe(partition);
});

test('refuses: S25 hosts that customers run, other names, addresses', () => {
  for (const host of [
    'amazonaws.com',
    'ec2-203-0-113-9.compute-1.amazonaws.com',
    'ec2-203-0-113-9.us-west-2.compute.amazonaws.com',
    'my-lb-1234.us-east-1.elb.amazonaws.com',
    'my-lb-1234.elb.us-east-1.amazonaws.com',
    'db.abcdef.us-east-1.rds.amazonaws.com',
    'db.abcdef.rds.cn-north-1.amazonaws.com.cn',
    'bucket.s3-website.eu-central-1.amazonaws.com',
    'bucket.s3-website-us-east-1.amazonaws.com',
    'x.s3.us-east-1.vpce.amazonaws.com',
    '123456789012.dkr.ecr.us-east-1.amazonaws.com',
    'evil.on.aws',
    'sts.amazonaws.com.evil.example',
    'evilamazonaws.com',
    'sts.cn-north-1.amazonaws.com',
    'sts.us-east-1.amazonaws.com.cn',
    '169.254.169.254',
    'sts..amazonaws.com',
    '-sts.amazonaws.com',
    'sts.amazonaws.com.',
    'a b.s3.amazonaws.com',
    `${'a'.repeat(64)}.s3.amazonaws.com`,
    `${'a.'.repeat(130)}s3.amazonaws.com`,
  ])
    expect(parseAwsHost(host), host).toBeUndefined();
});

test('ok: session names keep allowed names and never make two people one', () => {
  expect(awsSessionName('alice@example.com')).toBe('alice@example.com');
  expect(awsSessionName('alice smith')).toMatch(/^alice-smith-[0-9a-f]{16}$/);
  expect(awsSessionName('alice smith')).not.toBe(awsSessionName('alice/smith'));
  expect(awsSessionName('a')).toMatch(/^a-[0-9a-f]{16}$/);
  // Nobody gets the session of `alice smith` by being called as hers is.
  const marked = awsSessionName('alice smith');
  expect(awsSessionName(marked)).not.toBe(marked);
  expect(awsSessionName(awsSessionName(marked))).not.toBe(awsSessionName(marked));
  expect(awsSessionName('x'.repeat(80))).toHaveLength(64);
});
