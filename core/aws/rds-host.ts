// What the host name of a managed database (RDS, Aurora) says: region, what sort of endpoint, and where its writer is.
// Pure; apart from endpoints.ts because these hosts are not AWS itself.
import { partitionOfRegion, type Partition } from './partitions.ts';

export interface RdsHost {
  readonly partition: Partition;
  readonly region: string;
  readonly sort: 'instance' | 'cluster' | 'reader' | 'custom' | 'proxy';
  /** Of the instance, cluster or proxy. */
  readonly id: string;
  /** Host of the cluster's writer, where the name tells it. */
  readonly writer?: string;
}

const WORLD =
  /^([a-z][a-z0-9-]{0,62})\.((?:endpoint\.)?(?:cluster-ro-|cluster-custom-|cluster-|proxy-)?[a-z0-9]{6,20})\.([a-z0-9-]{6,20})\.rds\.amazonaws\.com$/;
const CHINA =
  /^([a-z][a-z0-9-]{0,62})\.((?:endpoint\.)?(?:cluster-ro-|cluster-custom-|cluster-|proxy-)?[a-z0-9]{6,20})\.rds\.([a-z0-9-]{6,20})\.amazonaws\.com\.cn$/;
const SORTS = [
  ['cluster-ro-', 'reader'],
  ['cluster-custom-', 'custom'],
  ['cluster-', 'cluster'],
  ['proxy-', 'proxy'],
] as const;

/** Reads a host name; undefined when it is none of RDS. */
export function parseRdsHost(host: string): RdsHost | undefined {
  const name = host.toLowerCase();
  const isChina = name.endsWith('.cn');
  const [, id, middle, region] = (isChina ? CHINA : WORLD).exec(name) ?? [];
  if (id === undefined || middle === undefined || region === undefined) return undefined;
  const partition = partitionOfRegion(region);
  if (partition === undefined || (partition.id === 'aws-cn') !== isChina) return undefined;
  const place = middle.replace(/^endpoint\./, '');
  const sort = SORTS.find(([prefix]) => place.startsWith(prefix))?.[1] ?? 'instance';
  const writer = sort === 'reader' ? name.replace('.cluster-ro-', '.cluster-') : undefined;
  return { partition, region, sort, id, ...(writer === undefined ? {} : { writer }) };
}
