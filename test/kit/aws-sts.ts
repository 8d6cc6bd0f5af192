// AWS as agents see it: an STS behind TLS that verifies signatures and keeps the rules of trust policies, external ids and role
// chains, and the metadata service of an instance and of a pod, in the words of the real ones.
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseRoleArn } from '#core/aws/arn.ts';
import type { AwsRequest, HeaderPair } from '#core/aws/canonical.ts';
import { verifyRequest } from '#core/aws/sigv4-verify.ts';
import { isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { startTlsServer } from './tls-server.ts';

export interface StsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly principal: string;
}

export interface StsRole {
  readonly arn: string;
  /** Principals, exactly; `*` for all. */
  readonly trusts: readonly string[];
  readonly externalId?: string;
  /** Default: one hour. */
  readonly maxSeconds?: number;
  /** Web identity tokens that are taken. */
  readonly tokens?: readonly string[];
}

export interface SeenCall {
  readonly action: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly principal: string;
  readonly region: string;
}

export interface TestSts {
  /** `https://localhost:port`, for AWS_ENDPOINT_URL_STS. */
  readonly url: string;
  readonly authority: string;
  /** Metadata of an instance, and credentials of a container at `/container`: plain HTTP, as they are. */
  readonly metadataUrl: string;
  readonly calls: SeenCall[];
  readonly metadataCalls: string[];
  /** Keys that are known, by id: those given, and all that were handed out. */
  readonly keys: Map<string, StsKeys>;
  /** What the metadata services hand out. */
  metadata: { keys: StsKeys; expires: number };
  /** Answers the next call with this error. */
  failNext(code: string, message: string): void;
  /** Shifts the clock that signatures are judged by. */
  skewMs: number;
  close(): Promise<void>;
}

interface Fault {
  readonly code: string;
  readonly message: string;
  readonly status?: number;
}

const CONTAINER_TOKEN = 'container-token';

/** The caller closes it. */
export async function startSts(setup: {
  readonly keys: readonly StsKeys[];
  readonly roles: readonly StsRole[];
}): Promise<TestSts> {
  const keys = new Map(setup.keys.map((one) => [one.accessKeyId, one]));
  const state = { next: undefined as Fault | undefined };
  const calls: SeenCall[] = [];
  const metadataCalls: string[] = [];
  const server = await startTlsServer((request, response) => {
    void reply(request, response);
  });
  const metadata = await startTlsServer(answerMetadata, { isPlain: true });

  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = answerSts(request, await readBody(request));
    response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(answer.text);
  }

  function answerSts(request: IncomingMessage, body: string): { status: number; text: string } {
    const parameters = Object.fromEntries(new URLSearchParams(body));
    const action = parameters['Action'] ?? '';
    try {
      if (state.next !== undefined) {
        const fault = state.next;
        state.next = undefined;
        throw fault;
      }
      const caller = action === 'AssumeRoleWithWebIdentity' ? undefined : identify(request, body);
      calls.push({
        action,
        parameters,
        principal: caller?.keys.principal ?? 'web identity',
        region: caller?.region ?? '',
      });
      return { status: 200, text: perform(action, parameters, caller?.keys) };
    } catch (error) {
      const fault = isFault(error) ? error : { code: 'InternalFailure', message: String(error), status: 500 };
      return { status: fault.status ?? 400, text: errorXml(fault) };
    }
  }

  function identify(request: IncomingMessage, body: string): { keys: StsKeys; region: string } {
    const headers: HeaderPair[] = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      headers.push([request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '']);
    const asked: AwsRequest = { method: request.method ?? '', target: request.url ?? '/', headers };
    let used: StsKeys | undefined;
    try {
      const verified = verifyRequest(asked, {
        now: Date.now() + sts.skewMs,
        bodyHash: createHash('sha256').update(body).digest('hex'),
        credentialsOf(id) {
          used = keys.get(id);
          return used === undefined
            ? undefined
            : { accessKeyId: id, secretAccessKey: new Secret(used.secretAccessKey) };
        },
      });
      const token = request.headers['x-amz-security-token'];
      if (used === undefined || token !== used.sessionToken)
        throw fault('InvalidClientTokenId', 'The security token included in the request is invalid.', 403);
      return { keys: used, region: verified.scope.region };
    } catch (error) {
      if (!isCode(error)) throw error;
      if (error.details['aws'] === 'RequestTimeTooSkewed')
        throw fault('SignatureDoesNotMatch', 'Signature expired: 1 is now earlier than 2', 403);
      throw fault(String(error.details['aws']), error.message, 403);
    }
  }

  const ofInstance = new Set<string>();
  function perform(action: string, parameters: Record<string, string>, caller: StsKeys | undefined): string {
    const role = setup.roles.find(({ arn }) => arn === parameters['RoleArn']);
    if (role === undefined) throw denied(caller, parameters);
    const seconds = Number(parameters['DurationSeconds'] ?? 3600);
    if (action === 'AssumeRoleWithWebIdentity') requireToken(role, parameters);
    else requireTrust(role, parameters, caller);
    const isChained = caller?.sessionToken !== undefined && !ofInstance.has(caller.accessKeyId);
    if (isChained && seconds > 3600)
      throw fault(
        'ValidationError',
        'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
      );
    if (seconds > (role.maxSeconds ?? 3600))
      throw fault(
        'ValidationError',
        'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
      );
    return grant(action, role, parameters['RoleSessionName'] ?? '', seconds);
  }

  function grant(action: string, role: StsRole, session: string, seconds: number): string {
    const { accountId, name } = parseRoleArn(role.arn) ?? { accountId: '', name: '' };
    const given: StsKeys = {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString('base64'),
      sessionToken: randomBytes(60).toString('base64'),
      principal: `arn:aws:sts::${accountId}:assumed-role/${name}/${session}`,
    };
    keys.set(given.accessKeyId, given);
    const expires = new Date(Date.now() + seconds * 1000).toISOString();
    return `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>
      <AssumedRoleUser><AssumedRoleId>AROA:${session}</AssumedRoleId><Arn>${given.principal}</Arn></AssumedRoleUser>
      <Credentials><AccessKeyId>${given.accessKeyId}</AccessKeyId><SecretAccessKey>${given.secretAccessKey}</SecretAccessKey>
      <SessionToken>${given.sessionToken}</SessionToken><Expiration>${expires}</Expiration></Credentials>
      </${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`;
  }

  function answerMetadata(request: IncomingMessage, response: ServerResponse): void {
    metadataCalls.push(`${request.method} ${request.url}`);
    const send = (status: number, text: string): void => void response.writeHead(status).end(text);
    const credentials = JSON.stringify({
      Code: 'Success',
      AccessKeyId: sts.metadata.keys.accessKeyId,
      SecretAccessKey: sts.metadata.keys.secretAccessKey,
      Token: sts.metadata.keys.sessionToken,
      Expiration: new Date(sts.metadata.expires).toISOString(),
    });
    if (request.url === '/container') {
      const isGood = request.headers.authorization === CONTAINER_TOKEN;
      return send(isGood ? 200 : 401, isGood ? credentials : '{}');
    }
    if (request.method === 'PUT' && request.url === '/latest/api/token') return send(200, 'imds-token');
    if (request.headers['x-aws-ec2-metadata-token'] !== 'imds-token') return send(401, '');
    const path = '/latest/meta-data/iam/security-credentials/';
    if (request.url === path) return send(200, 'instance-role');
    if (request.url !== `${path}instance-role`) return send(404, '');
    // Roles of an instance are not chained by what they assume; AWS says so.
    ofInstance.add(sts.metadata.keys.accessKeyId);
    return send(200, credentials);
  }

  const sts: TestSts = {
    url: `https://localhost:${server.port}`,
    authority: server.authority,
    metadataUrl: `http://127.0.0.1:${metadata.port}`,
    calls,
    metadataCalls,
    keys,
    metadata: { keys: setup.keys[0] as StsKeys, expires: Date.now() + 6 * 3_600_000 },
    skewMs: 0,
    failNext: (code, message) => {
      state.next = fault(code, message, code === 'Throttling' ? 400 : 403);
    },
    async close() {
      await server.close();
      await metadata.close();
    },
  };
  return sts;
}

function requireToken({ tokens = [] }: StsRole, parameters: Record<string, string>): void {
  if (tokens.includes(parameters['WebIdentityToken'] ?? '')) return;
  throw fault('InvalidIdentityToken', 'No OpenIDConnect provider found in your account for https://issuer');
}

function requireTrust(role: StsRole, parameters: Record<string, string>, caller: StsKeys | undefined): void {
  const isTrusted = role.trusts.some((one) => one === '*' || one === caller?.principal);
  if (isTrusted && (role.externalId ?? parameters['ExternalId']) === parameters['ExternalId']) return;
  throw denied(caller, parameters);
}

function denied(caller: StsKeys | undefined, parameters: Record<string, string>): Fault {
  const who = caller?.principal ?? 'nobody';
  return fault(
    'AccessDenied',
    `User: ${who} is not authorized to perform: sts:AssumeRole on resource: ${parameters['RoleArn']}`,
    403,
  );
}

export const containerToken = CONTAINER_TOKEN;

const fault = (code: string, message: string, status = 400): Fault => ({ code, message, status });
const isFault = (error: unknown): error is Fault =>
  typeof error === 'object' &&
  error !== null &&
  'code' in error &&
  'message' in error &&
  !(error instanceof Error);

const errorXml = ({ code, message }: Fault): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`;

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
