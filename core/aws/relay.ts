// What the local proxy of a person tells the agent of an AWS request beside the request itself, in two headers: which host
// it was for, and what its signature was for. The signature itself was verified there, with keys that only that machine
// knows, and is gone. Apart because both ends must read it alike. Pure.
import { GatehouseError } from '../errors/error.ts';
import { ECDSA_ALGORITHM, HMAC_ALGORITHM, MAX_PRESIGNED_SECONDS, type SigningAlgorithm } from './sigv4.ts';

/** The host name of AWS that the request is for. */
export const RELAY_HOST_HEADER = 'x-gatehouse-aws-host';
/** Left out of requests that carry no signature, such as the WebSockets of Session Manager. */
export const RELAY_SCOPE_HEADER = 'x-gatehouse-aws-scope';

export interface RelayScope {
  readonly algorithm: SigningAlgorithm;
  readonly service: string;
  /** Of SigV4A: a set of regions. */
  readonly region: string;
  /** As x-amz-content-sha256 has it: the hash of the body in hex, or a constant. */
  readonly payload: string;
  /** Seconds that a presigned request was to live from `date` on; undefined when the signature was in the headers. */
  readonly expires?: number;
}

const FIELDS = ['algorithm', 'service', 'region', 'payload', 'expires'] as const;
const MAX_TEXT = 1024;

/** `algorithm=AWS4-HMAC-SHA256;service=s3;region=us-east-1;payload=UNSIGNED-PAYLOAD` */
export function writeRelayScope(scope: RelayScope): string {
  return FIELDS.filter((name) => scope[name] !== undefined)
    .map((name) => `${name}=${String(scope[name])}`)
    .join(';');
}

const SERVICE = /^[a-z0-9-]{1,64}$/;
const REGION = /^[a-z0-9*,-]{1,256}$/;
const PAYLOAD = /^(?:[0-9a-f]{64}|[A-Z0-9-]{1,64})$/;

/** BAD_REQUEST when it is not what writeRelayScope writes. */
export function readRelayScope(text: string): RelayScope {
  const values = readFields(text);
  const [algorithm = '', service = '', region = '', payload = ''] = FIELDS.map((name) => values?.get(name));
  const lifetime = readLifetime(values?.get('expires'));
  const isGood =
    isAlgorithm(algorithm) && SERVICE.test(service) && REGION.test(region) && PAYLOAD.test(payload);
  if (!isGood || lifetime === undefined) {
    throw new GatehouseError('BAD_REQUEST', `the header ${RELAY_SCOPE_HEADER} is malformed`);
  }
  return { algorithm, service, region, payload, ...lifetime };
}

const isAlgorithm = (text: string): text is SigningAlgorithm =>
  text === HMAC_ALGORITHM || text === ECDSA_ALGORITHM;

/** Undefined when there are others than ours, or one is there twice. */
function readFields(text: string): ReadonlyMap<string, string> | undefined {
  const parts = text.length > MAX_TEXT ? [] : text.split(';').map((part) => part.split('='));
  const values = new Map(parts.map(([name = '', value = '']) => [name, value]));
  const isWhole = parts.every(({ length }) => length === 2) && values.size === parts.length;
  const isOurs = [...values.keys()].every((name) => FIELDS.some((known) => known === name));
  return isWhole && isOurs ? values : undefined;
}

/** Undefined when it is malformed. */
function readLifetime(text: string | undefined): Pick<RelayScope, 'expires'> | undefined {
  if (text === undefined) return {};
  const expires = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return expires >= 1 && expires <= MAX_PRESIGNED_SECONDS ? { expires } : undefined;
}
