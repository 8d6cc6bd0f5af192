// The AWS SDK behind one small door: the chain of credentials, and STS. It is loaded when it is first needed (it takes
// some 10 MB), and its errors leave here as ours.
import { rootCertificates } from 'node:tls';
import type { AssumeRoleCommandOutput, STSClientConfig } from '@aws-sdk/client-sts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { readBundle } from './ca-bundle.ts';
import type { AwsCredentials } from './credentials.ts';
import { awsFailure, isDurationRefused } from './failures.ts';

export interface AssumeRole {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly externalId?: string | undefined;
  readonly durationSeconds: number;
  /** Asked for when AWS says that `durationSeconds` is more than the role gives. */
  readonly fallbackSeconds: number;
  readonly region: string;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface Sdk {
  /** Of the process: environment, shared files, web identity, container, instance metadata, in the SDK's order. */
  own(): Promise<AwsCredentials>;
  assumeRole(base: AwsCredentials, request: AssumeRole): Promise<AwsCredentials>;
  /** AWS_REGION, AWS_DEFAULT_REGION, or of the profile; not asked of instance metadata. */
  region(): Promise<string | undefined>;
}

export interface SdkOptions {
  /** The process's own: what the SDK reads by itself, it reads from there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const CONNECT_MS = 5_000;
const REQUEST_MS = 10_000;
const ATTEMPTS = 3;

export function openSdk(options: SdkOptions): Sdk {
  return new LazySdk(options);
}

class LazySdk implements Sdk {
  readonly #environment: SdkOptions['environment'];

  constructor({ environment }: SdkOptions) {
    this.#environment = environment;
  }

  async own(): Promise<AwsCredentials> {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    // Its clients are for more than STS: where that is, they read from the environment themselves.
    const clientConfig = { maxAttempts: ATTEMPTS, requestHandler: handlerOptions(this.#environment) };
    try {
      const found = await defaultProvider({ clientConfig, timeout: CONNECT_MS, maxRetries: 2 })();
      return credentialsOf(found.accessKeyId, found.secretAccessKey, found.sessionToken, found.expiration);
    } catch (error) {
      throw awsFailure(error, { what: 'own' });
    }
  }

  async assumeRole(base: AwsCredentials, request: AssumeRole): Promise<AwsCredentials> {
    const { STSClient, AssumeRoleCommand } = await import('@aws-sdk/client-sts');
    const client = new STSClient({
      ...this.#clientConfig(),
      region: request.region,
      credentials: {
        accessKeyId: base.accessKeyId,
        secretAccessKey: base.secretAccessKey.reveal(),
        ...(base.sessionToken === undefined ? {} : { sessionToken: base.sessionToken.reveal() }),
      },
    });
    const ask = (seconds: number): Promise<AssumeRoleCommandOutput> =>
      client.send(
        new AssumeRoleCommand({
          RoleArn: request.roleArn,
          RoleSessionName: request.sessionName,
          DurationSeconds: seconds,
          ...(request.externalId === undefined ? {} : { ExternalId: request.externalId }),
          ...(request.tags === undefined ? {} : { Tags: tagsOf(request.tags) }),
        }),
      );
    try {
      return answerOf(await askTwice(ask, request));
    } catch (error) {
      throw awsFailure(error, { what: 'role', role: request.roleArn });
    } finally {
      client.destroy();
    }
  }

  async region(): Promise<string | undefined> {
    const set = this.#environment['AWS_REGION'] || this.#environment['AWS_DEFAULT_REGION'];
    if (set !== undefined && set !== '') return set;
    const { STSClient } = await import('@aws-sdk/client-sts');
    const client = new STSClient(this.#clientConfig());
    try {
      return await client.config.region();
    } catch {
      return undefined;
    } finally {
      client.destroy();
    }
  }

  #clientConfig(): STSClientConfig {
    const endpoint = this.#environment['AWS_ENDPOINT_URL_STS'] || this.#environment['AWS_ENDPOINT_URL'];
    return {
      maxAttempts: ATTEMPTS,
      requestHandler: handlerOptions(this.#environment),
      ...(endpoint === undefined || endpoint === '' ? {} : { endpoint }),
    };
  }
}

async function askTwice(
  ask: (seconds: number) => Promise<AssumeRoleCommandOutput>,
  { durationSeconds, fallbackSeconds }: AssumeRole,
): Promise<AssumeRoleCommandOutput> {
  try {
    return await ask(durationSeconds);
  } catch (error) {
    if (durationSeconds <= fallbackSeconds || !isDurationRefused(error)) throw error;
    return ask(fallbackSeconds);
  }
}

function answerOf({ Credentials: given }: AssumeRoleCommandOutput): AwsCredentials {
  if (given?.AccessKeyId === undefined || given.SecretAccessKey === undefined)
    throw new GatehouseError('UNAVAILABLE', 'AWS STS sent an answer without credentials');
  return credentialsOf(given.AccessKeyId, given.SecretAccessKey, given.SessionToken, given.Expiration);
}

function credentialsOf(
  accessKeyId: string,
  secret: string,
  token: string | undefined,
  expiration: Date | undefined,
): AwsCredentials {
  return {
    accessKeyId,
    secretAccessKey: new Secret(secret),
    ...(token === undefined || token === '' ? {} : { sessionToken: new Secret(token) }),
    ...(expiration === undefined ? {} : { expires: expiration.getTime() }),
  };
}

function tagsOf(tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Bounded in time; through the HTTP proxy that the environment names; AWS_CA_BUNDLE is trusted beside the usual roots. */
function handlerOptions(environment: SdkOptions['environment']): object {
  const bundle = environment['AWS_CA_BUNDLE'];
  return {
    connectionTimeout: CONNECT_MS,
    requestTimeout: REQUEST_MS,
    throwOnRequestTimeout: true,
    httpsAgent: {
      keepAlive: true,
      maxSockets: 50,
      proxyEnv: environment,
      ...(bundle === undefined || bundle === '' ? {} : { ca: [...rootCertificates, readBundle(bundle)] }),
    },
  };
}
