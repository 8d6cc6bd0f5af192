// The usual endpoint of a service, for programs that were given the address of the local proxy as their endpoint: all that
// is left then to say where a request was meant to go is what it was signed for. Pure.
import { parseAwsHost } from '#core/aws/endpoints.ts';
import { partitionOfRegion, type Partition } from '#core/aws/partitions.ts';

/** Host names where they are not the name that requests are signed for. */
const HOST_OF: Readonly<Record<string, string>> = {
  ses: 'email',
  mobiletargeting: 'pinpoint',
  iotdata: 'data-ats.iot',
  'sso-oauth': 'oidc',
  awsssoportal: 'portal.sso',
  'aws-marketplace': 'entitlement.marketplace',
};
/** Services with one endpoint for all regions of a partition. */
const GLOBAL: ReadonlySet<string> = new Set([
  'iam',
  'route53',
  'cloudfront',
  'organizations',
  'support',
  'globalaccelerator',
  'shield',
  'budgets',
  'waf',
]);

/** Undefined when no endpoint of this partition can be named; `region` of SigV4A may be a set, whose first is meant. */
export function endpointHost(partition: Partition, service: string, region: string): string | undefined {
  const [suffix = ''] = partition.suffixes;
  const [first = ''] = region.split(',');
  const name = Object.hasOwn(HOST_OF, service) ? (HOST_OF[service] ?? service) : service;
  const isRegion = partitionOfRegion(first)?.id === partition.id;
  const host =
    GLOBAL.has(service) && partition.id === 'aws'
      ? `${name}.${suffix}`
      : `${name}.${isRegion ? first : partition.defaultRegion}.${suffix}`;
  const found = parseAwsHost(host);
  return found?.partition.id === partition.id ? host : undefined;
}
