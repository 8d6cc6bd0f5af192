// AWS credentials of this agent, and of roles that it assumes for people: kept until shortly before they end, asked for
// once however many wait. Separate from signing, which is pure.
import { parseRoleArn } from '#core/aws/arn.ts';
import { partitionOfRegion } from '#core/aws/partitions.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { CredentialCache } from './cache.ts';
import { openSdk, type Sdk } from './sdk.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  /** Present when they are temporary. */
  readonly sessionToken?: Secret;
  /** Milliseconds since the epoch; absent for keys without end. */
  readonly expires?: number;
}

export interface AssumeRoleRequest {
  /** ARN of the role; with `via`, that role is assumed first and assumes this one (role chaining). */
  readonly assumeRoleArn: string;
  readonly externalId?: string | undefined;
  /** As CloudTrail will show it; core/aws/session-name.ts makes one of a person's name. */
  readonly sessionName?: string | undefined;
  /** 900 to 43,200. What AWS refuses as too long, for chained roles and by the role's own limit, is lowered to one hour. */
  readonly durationSeconds?: number | undefined;
  /** Where STS is asked; default: the agent's region, else the usual one of the role's partition. */
  readonly region?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly via?: Omit<AssumeRoleRequest, 'via' | 'tags'> | undefined;
}

export interface AwsCredentialsSource {
  /**
   * The agent's own credentials, or those of a role; fit for at least five more minutes, where AWS gives them for longer.
   * UNAVAILABLE: no credentials, no answer, a wrong clock. AWS_REFUSED: AWS said no; the message names the principal and
   * what to check. The errors are for admins and fit for people.
   */
  get(request?: AssumeRoleRequest): Promise<AwsCredentials>;
  /** The region that the agent is configured for, if any. */
  region(): Promise<string | undefined>;
}

export interface AwsCredentialsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For tests; the AWS SDK otherwise. */
  readonly sdk?: Sdk;
}

const DEFAULT_SESSION = 'gatehouse';
const MIN_SECONDS = 900;
const MAX_SECONDS = 12 * 3600;
/** What AWS allows a role that was assumed by an assumed role, and what every role allows. */
const CHAINED_SECONDS = 3600;

/** Opens nothing yet: the SDK is loaded and AWS is asked when the first credentials are needed. */
export function openAwsCredentials(options: AwsCredentialsOptions): AwsCredentialsSource {
  return new CredentialsSource(options);
}

class CredentialsSource implements AwsCredentialsSource {
  readonly #sdk: Sdk;
  readonly #log: Log;
  readonly #cache: CredentialCache;

  constructor({ clock, log, environment, sdk }: AwsCredentialsOptions) {
    this.#sdk = sdk ?? openSdk({ environment });
    this.#log = log;
    this.#cache = new CredentialCache(clock);
  }

  get(request?: AssumeRoleRequest): Promise<AwsCredentials> {
    if (request === undefined) return this.#cache.get('', () => this.#sdk.own());
    return this.#cache.get(keyOf(request), () => this.#assume(request));
  }

  region(): Promise<string | undefined> {
    return this.#sdk.region();
  }

  async #assume(request: AssumeRoleRequest): Promise<AwsCredentials> {
    const role = parseRoleArn(request.assumeRoleArn);
    if (role === undefined)
      throw new GatehouseError(
        'BAD_REQUEST',
        `${JSON.stringify(request.assumeRoleArn.slice(0, 128))} is not the ARN of an IAM role`,
      );
    const base = await this.get(request.via);
    const wanted = request.region ?? (await this.#sdk.region());
    const isFitting = wanted !== undefined && partitionOfRegion(wanted) === role.partition;
    const granted = await this.#sdk.assumeRole(base, {
      roleArn: role.arn,
      sessionName: request.sessionName ?? DEFAULT_SESSION,
      externalId: request.externalId,
      durationSeconds: secondsOf(request.durationSeconds),
      fallbackSeconds: CHAINED_SECONDS,
      region: isFitting ? wanted : role.partition.defaultRegion,
      tags: request.tags,
    });
    this.#log.debug({ role: role.arn, expires: granted.expires }, 'assumed an AWS role');
    return granted;
  }
}

function secondsOf(wanted: number | undefined): number {
  return Math.min(Math.max(Math.floor(wanted ?? CHAINED_SECONDS), MIN_SECONDS), MAX_SECONDS);
}

function keyOf({ via, tags, ...request }: AssumeRoleRequest): string {
  const { assumeRoleArn, externalId, sessionName, durationSeconds, region } = request;
  const own = [assumeRoleArn, externalId, sessionName, durationSeconds, region];
  const sorted = Object.entries(tags ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([...own, sorted, via === undefined ? null : keyOf(via)]);
}
