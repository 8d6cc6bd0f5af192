// Fuzz target: host names of AWS. Whatever is read must be under a suffix of its partition and have a region of it.
import { parseAwsHost } from './endpoints.ts';
import { partitionOfRegion } from './partitions.ts';

const hosts = [
  's3.amazonaws.com',
  'my.bucket.s3.dualstack.eu-west-1.amazonaws.com',
  'ec2.us-gov-west-1.api.aws',
  'abc.execute-api.cn-north-1.amazonaws.com.cn',
];

export const fuzz = {
  name: 'host names of AWS',
  seeds: hosts.map((host) => new Uint8Array(Buffer.from(host))),
  run(input: Uint8Array): void {
    const endpoint = parseAwsHost(Buffer.from(input).toString('utf8'));
    if (endpoint === undefined) return;
    const { partition, region, host } = endpoint;
    if (!partition.suffixes.some((suffix) => host.endsWith(`.${suffix}`)))
      throw new Error('no suffix of AWS');
    if (region !== '*' && partitionOfRegion(region) !== partition)
      throw new Error('a region of another partition');
  },
};
