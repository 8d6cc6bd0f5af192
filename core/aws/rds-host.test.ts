// Host names of managed databases: what sort of endpoint, which region, where the writer is.
import { expect, test } from 'vitest';
import { parseRdsHost } from './rds-host.ts';

test.each([
  ['db.abcdefghijkl.us-west-1.rds.amazonaws.com', 'instance', 'us-west-1', undefined],
  [
    'postgres-aurora-instance-1.abcdefghijklm.us-west-1.rds.amazonaws.com',
    'instance',
    'us-west-1',
    undefined,
  ],
  ['a.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com', 'cluster', 'eu-west-1', undefined],
  [
    'A.cluster-ro-abcdefghijkl.eu-west-1.rds.amazonaws.com',
    'reader',
    'eu-west-1',
    'a.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com',
  ],
  ['a.cluster-custom-abcdefghijkl.eu-west-1.rds.amazonaws.com', 'custom', 'eu-west-1', undefined],
  ['a.proxy-abcdefghijkl.us-gov-west-1.rds.amazonaws.com', 'proxy', 'us-gov-west-1', undefined],
  ['a.endpoint.proxy-abcdefghijkl.us-west-2.rds.amazonaws.com', 'proxy', 'us-west-2', undefined],
  ['db.abcdefghijkl.rds.cn-north-1.amazonaws.com.cn', 'instance', 'cn-north-1', undefined],
])('ok: %s is a %s', (host, sort, region, writer) => {
  expect(parseRdsHost(host)).toMatchObject({ sort, region });
  expect(parseRdsHost(host)?.writer).toBe(writer);
});

test('refuses: what only looks like one', () => {
  for (const host of [
    'db.abcdefghijkl.us-west-1.rds.amazonaws.com.evil.example',
    'db.abcdefghijkl.mars-north-1.rds.amazonaws.com',
    'db.abcdefghijkl.cn-north-1.rds.amazonaws.com',
    'db.abcdefghijkl.rds.us-west-1.amazonaws.com.cn',
    'rds.us-west-1.amazonaws.com',
    'db.us-west-1.rds.amazonaws.com',
    '',
  ])
    expect(parseRdsHost(host), host).toBeUndefined();
});
