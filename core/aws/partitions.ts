// The partitions of AWS that Gatehouse knows: their consoles, names, regions, and where STS and sign-in answer. One table,
// because a request, a console or a role of one partition must never reach another.

export type PartitionId = 'aws' | 'aws-us-gov' | 'aws-cn';

export interface Partition {
  readonly id: PartitionId;
  /** Host of the console; regions of it are `<region>.<host>`. */
  readonly consoleHost: string;
  /** Where the federation of the console answers, without path. */
  readonly signinHost: string;
  /** Names of endpoints end in one of these; the first is the usual one. */
  readonly suffixes: readonly string[];
  /** What the names of its regions begin with. */
  readonly regionPrefixes: readonly string[];
  /** The region that global services sign for, and of STS when none is set. */
  readonly defaultRegion: string;
}

export const PARTITIONS: Readonly<Record<PartitionId, Partition>> = {
  aws: {
    id: 'aws',
    consoleHost: 'console.aws.amazon.com',
    signinHost: 'signin.aws.amazon.com',
    suffixes: ['amazonaws.com', 'api.aws', 'on.aws'],
    regionPrefixes: ['us', 'eu', 'ap', 'sa', 'ca', 'me', 'af', 'il', 'mx'],
    defaultRegion: 'us-east-1',
  },
  'aws-us-gov': {
    id: 'aws-us-gov',
    consoleHost: 'console.amazonaws-us-gov.com',
    signinHost: 'signin.amazonaws-us-gov.com',
    suffixes: ['amazonaws.com', 'api.aws'],
    regionPrefixes: ['us-gov'],
    defaultRegion: 'us-gov-west-1',
  },
  'aws-cn': {
    id: 'aws-cn',
    consoleHost: 'console.amazonaws.cn',
    signinHost: 'signin.amazonaws.cn',
    suffixes: ['amazonaws.com.cn', 'api.amazonwebservices.com.cn', 'on.amazonwebservices.com.cn'],
    regionPrefixes: ['cn'],
    defaultRegion: 'cn-north-1',
  },
};

const REGION = /^([a-z]{2}(?:-gov)?)-[a-z]{4,9}-[1-9]$/;

/** The partition with this id, as ARNs write it; undefined for any other text. */
export function partitionById(id: string): Partition | undefined {
  return Object.hasOwn(PARTITIONS, id) ? PARTITIONS[id as PartitionId] : undefined;
}

/** The partition of a region's name (`eu-west-1`, `us-gov-west-1`, `cn-north-1`); undefined when it is no region. */
export function partitionOfRegion(region: string): Partition | undefined {
  const prefix = REGION.exec(region)?.[1];
  if (prefix === undefined) return undefined;
  return Object.values(PARTITIONS).find((partition) => partition.regionPrefixes.includes(prefix));
}

/**
 * The partition whose console this URI is: `https`, the host of a console or one of its regions, no other port, no user.
 * Undefined for everything else, hosts that only begin alike included.
 */
export function awsPartitionOf(uri: string): Partition | undefined {
  const url = URL.parse(uri);
  if (url === null || url.protocol !== 'https:' || url.port !== '') return undefined;
  if (url.username !== '' || url.password !== '') return undefined;
  return Object.values(PARTITIONS).find((partition) => {
    if (url.hostname === partition.consoleHost) return true;
    const region = url.hostname.endsWith(`.${partition.consoleHost}`)
      ? url.hostname.slice(0, -partition.consoleHost.length - 1)
      : '';
    return partitionOfRegion(region)?.id === partition.id;
  });
}

/** Host of STS for a region; the regional one, which every region of every partition has. */
export function stsHost(region: string): string | undefined {
  const partition = partitionOfRegion(region);
  return partition === undefined ? undefined : `sts.${region}.${partition.suffixes[0]}`;
}
