import { expect, it } from 'vitest';
import { PARTITIONS, type PartitionId } from '#core/aws/partitions.ts';
import { endpointHost } from './endpoint-host.ts';

it.each<[PartitionId, string, string, string | undefined]>([
  ['aws', 's3', 'eu-west-1', 's3.eu-west-1.amazonaws.com'],
  ['aws', 'sts', 'us-east-1', 'sts.us-east-1.amazonaws.com'],
  ['aws', 'iam', 'us-east-1', 'iam.amazonaws.com'],
  ['aws', 'ses', 'us-west-2', 'email.us-west-2.amazonaws.com'],
  ['aws', 's3', 'us-east-1,eu-*', 's3.us-east-1.amazonaws.com'],
  ['aws', 's3', '*', 's3.us-east-1.amazonaws.com'],
  ['aws-cn', 'ec2', 'cn-north-1', 'ec2.cn-north-1.amazonaws.com.cn'],
  ['aws-us-gov', 'ec2', 'us-gov-west-1', 'ec2.us-gov-west-1.amazonaws.com'],
  // A region of another partition is none here: the partition's own is meant.
  ['aws', 'ec2', 'cn-north-1', 'ec2.us-east-1.amazonaws.com'],
  ['aws', '../x', 'us-east-1', undefined],
])('%s %s %s: %s', (partition, service, region, host) => {
  expect(endpointHost(PARTITIONS[partition], service, region)).toBe(host);
});
