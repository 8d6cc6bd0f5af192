// What a relayed request is for: which endpoint of AWS, which service and region, and how its body is signed. All of it is
// said by the person's side, so all of it is judged here (S25): an endpoint of the application's partition, or none.
import type { AwsRequest } from '#core/aws/canonical.ts';
import { headerOf } from '#core/aws/canonical.ts';
import { parseAwsHost } from '#core/aws/endpoints.ts';
import { awsFault } from '#core/aws/fault.ts';
import { partitionOfRegion, type Partition } from '#core/aws/partitions.ts';
import { readPayload, type AwsPayload } from '#core/aws/payload.ts';
import { readRelayScope, RELAY_HOST_HEADER, RELAY_SCOPE_HEADER } from '#core/aws/relay.ts';
import { HMAC_ALGORITHM, type SigningAlgorithm } from '#core/aws/sigv4.ts';

export interface Destination {
  /** Lower case, no port. */
  readonly host: string;
  /** Undefined for what carries no signature: WebSockets whose first message is their key. */
  readonly signing?: SigningWanted;
}

export interface SigningWanted {
  readonly algorithm: SigningAlgorithm;
  readonly service: string;
  readonly region: string;
  readonly payload: Exclude<AwsPayload, { kind: 'body' }>;
  /** Seconds; set when the signature was in the query. */
  readonly expires?: number;
}

/** Hosts whose WebSockets carry their own key, which a signed call gave before. */
const KEYED_BY_MESSAGE = /^(?:ssmmessages|ec2messages)$/;

/** Whether a request came by a local proxy of `gate`, and so is one for an API of AWS. */
export function isRelayed(request: AwsRequest): boolean {
  return request.headers.some(([name]) => name.toLowerCase() === RELAY_HOST_HEADER);
}

/** Throws with `details.aws`: BAD_REQUEST, ACCESS_DENIED for hosts that are not this partition's, NOT_SUPPORTED. */
export function destinationOf(request: AwsRequest, partition: Partition): Destination {
  const host = endpointOf(single(request, RELAY_HOST_HEADER) ?? '', partition);
  const said = single(request, RELAY_SCOPE_HEADER);
  if (said === undefined) return unsigned(request, host);
  const scope = readRelayScope(said);
  checkRegion(scope.region, scope.algorithm, partition);
  const payload = readPayload(scope.payload);
  if (payload.kind === 'body') throw awsFault('BAD_REQUEST', 'InvalidRequest', 'the body is not described');
  const { algorithm, service, region, expires } = scope;
  return {
    host,
    signing: { algorithm, service, region, payload, ...(expires === undefined ? {} : { expires }) },
  };
}

function single(request: AwsRequest, name: string): string | undefined {
  if (request.headers.filter(([key]) => key.toLowerCase() === name).length > 1)
    throw awsFault('BAD_REQUEST', 'InvalidRequest', `the header ${name} came twice`);
  return headerOf(request.headers, name);
}

function endpointOf(text: string, partition: Partition): string {
  const host = text.toLowerCase().replace(/:443$/, '');
  const endpoint = parseAwsHost(host);
  if (endpoint === undefined)
    throw awsFault(
      'ACCESS_DENIED',
      'AccessDenied',
      `${JSON.stringify(host.slice(0, 253))} is no endpoint of AWS; programs must reach other hosts without this proxy (NO_PROXY)`,
    );
  if (endpoint.partition.id !== partition.id)
    throw awsFault(
      'ACCESS_DENIED',
      'AccessDenied',
      `${host} is in the partition ${endpoint.partition.id}, and this application in ${partition.id}; set the region`,
    );
  return host;
}

function checkRegion(region: string, algorithm: SigningAlgorithm, partition: Partition): void {
  // Sets of regions have wildcards; the host has decided the partition already.
  if (algorithm !== HMAC_ALGORITHM || partitionOfRegion(region)?.id === partition.id) return;
  if (/^aws(?:-[a-z]+)*-global$/.test(region)) return;
  throw awsFault(
    'BAD_REQUEST',
    'AuthorizationHeaderMalformed',
    `the region ${JSON.stringify(region.slice(0, 64))} is not one of the partition ${partition.id}; set AWS_REGION or --region`,
  );
}

function unsigned(request: AwsRequest, host: string): Destination {
  const service = parseAwsHost(host)?.service ?? '';
  const upgrade = headerOf(request.headers, 'upgrade')?.toLowerCase() === 'websocket';
  if (upgrade && KEYED_BY_MESSAGE.test(service)) return { host };
  throw awsFault(
    'UNAUTHENTICATED',
    'MissingAuthenticationToken',
    'the request says nothing of its signature',
  );
}
