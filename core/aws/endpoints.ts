// Which service and region a host name of AWS belongs to. It says no to hosts under AWS's names that customers run
// themselves (instances, load balancers, databases), so that a signed request can only go to AWS itself.
import { GLOBAL, PARTS, REGION_FIRST, REGION_OF_GLOBAL, SIGNED_AS, WITH_PREFIX } from './endpoint-names.ts';
import { PARTITIONS, partitionOfRegion } from './partitions.ts';
import type { Partition } from './partitions.ts';

export interface AwsEndpoint {
  readonly host: string;
  readonly partition: Partition;
  /** The name that requests to it are usually signed for. */
  readonly service: string;
  /** The region that requests to it are usually signed for; `*` where only SigV4A works. */
  readonly region: string;
  readonly fips: boolean;
  readonly dualStack: boolean;
}

interface Split {
  readonly partition: Partition;
  readonly region: string;
  /** Labels that say the service, without region. */
  readonly labels: readonly string[];
  readonly suffix: string;
}

const MAX_HOST = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Reads a host name (lower or upper case, no port). Undefined when it is no endpoint of AWS itself. The service may be
 * wrong for services this version does not know; clients say in their signature what they sign for.
 */
export function parseAwsHost(text: string): AwsEndpoint | undefined {
  const host = text.toLowerCase();
  if (host.length > MAX_HOST) return undefined;
  const split = splitHost(host);
  if (split === undefined) return undefined;
  const dualStack = split.labels.includes('dualstack') || split.suffix !== split.partition.suffixes[0];
  const labels = split.labels.filter((label) => label !== 'dualstack');
  const named = serviceOf(labels);
  if (named === undefined || named.name.startsWith('s3-website')) return undefined;
  if (split.suffix.startsWith('on.') && named.name !== 'lambda-url') return undefined;
  const region = split.region === '' ? regionOfGlobal(split.partition, named.name) : split.region;
  if (region === undefined) return undefined;
  return {
    host,
    partition: split.partition,
    service: SIGNED_AS.get(named.name) ?? named.name,
    region,
    fips: named.fips,
    dualStack,
  };
}

function splitHost(host: string): Split | undefined {
  for (const partition of Object.values(PARTITIONS)) {
    const suffix = partition.suffixes.find((name) => host.endsWith(`.${name}`));
    if (suffix === undefined) continue;
    const labels = host.slice(0, -suffix.length - 1).split('.');
    if (!labels.every((label) => LABEL.test(label))) return undefined;
    const found = regionIn(labels);
    if (found !== undefined) {
      const of = partitionOfRegion(found.region);
      if (of === undefined || !of.suffixes.includes(suffix)) return undefined;
      return { partition: of, region: found.region, labels: found.rest, suffix };
    }
    // `iam.us-gov.amazonaws.com`: a global service of another partition under the same suffix.
    if (labels.at(-1) === 'us-gov' && suffix === 'amazonaws.com')
      return { partition: PARTITIONS['aws-us-gov'], region: '', labels: labels.slice(0, -1), suffix };
    if (labels.at(-1) === 'global' && suffix === 'api.aws')
      return { partition, region: '', labels: labels.slice(0, -1), suffix };
    return { partition, region: '', labels, suffix };
  }
  return undefined;
}

/** The region: the last label, the one before a service that is written after it, or the end of `s3-us-west-2`. */
function regionIn(labels: readonly string[]): { region: string; rest: string[] } | undefined {
  const last = labels.at(-1) ?? '';
  if (partitionOfRegion(last) !== undefined) return { region: last, rest: labels.slice(0, -1) };
  const before = labels.at(-2) ?? '';
  if (REGION_FIRST.has(last) && partitionOfRegion(before) !== undefined)
    return { region: before, rest: [...labels.slice(0, -2), last] };
  const dashed = last.startsWith('s3-fips-') ? last.slice(8) : last.startsWith('s3-') ? last.slice(3) : '';
  if (partitionOfRegion(dashed) !== undefined)
    return { region: dashed, rest: [...labels.slice(0, -1), 's3'] };
  return undefined;
}

/** The service that labels name, with the parts that belong to it; undefined when something stands in front that must not. */
function serviceOf(labels: readonly string[]): { name: string; fips: boolean } | undefined {
  const last = labels.at(-1) ?? '';
  const plain = withoutFips(last);
  const before = labels.slice(0, -1);
  const s3express = /^s3express-(?:fips-)?[a-z0-9]+-az[0-9]+$/.test(plain);
  if (s3express) return { name: 's3express', fips: last.includes('fips') };
  if (plain === '') return undefined;
  if (!WITH_PREFIX.has(last) && !before.every((label) => PARTS.has(label) || PARTS.has(withoutFips(label))))
    return undefined;
  const fips = labels.slice(-2).some((label) => withoutFips(label) !== label || label === 'fips');
  const part = before.map(withoutFips).findLast((label) => SIGNED_AS.has(`${label}.${plain}`));
  return { name: part === undefined ? plain : `${part}.${plain}`, fips };
}

function withoutFips(label: string): string {
  if (label.endsWith('-fips')) return label.slice(0, -5);
  return label.startsWith('fips-') ? label.slice(5) : label;
}

function regionOfGlobal(partition: Partition, service: string): string | undefined {
  if (service === 's3-global') return '*';
  if (!GLOBAL.has(service)) return undefined;
  return REGION_OF_GLOBAL.get(`${partition.id}:${service}`) ?? partition.defaultRegion;
}
