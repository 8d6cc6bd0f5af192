// AWS as pods of the test cluster meet it: at the names of AWS, on port 443 of this machine. Its STS takes web identities
// as AWS does, by the issuer's published keys, for one audience and one subject; all else is the front of moto.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { parseJwks, type JwtKey } from '#core/jwt/jwks.ts';
import { claim, parseJwt, verifyJwt, type Jwt } from '#core/jwt/jwt.ts';
import { Secret } from '#core/secret.ts';
import { startAwsFront, type AwsFront } from './aws-front.ts';
import type { StsKeys } from './aws-sts.ts';
import { startMoto } from './moto.ts';

export const AWS_REGION = 'us-east-1';
/** The bucket that has a name. */
export const BUCKET = 'story';
/** What moto takes every caller for. */
export const AWS_ACCOUNT = '123456789012';

/** The trust policy of a role, as the guide shows it. */
export interface Trust {
  readonly roleArn: string;
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
}

export interface WebIdentity {
  readonly subject: string;
  /** Of the key that signed the token. */
  readonly keyId: string | undefined;
  readonly accessKeyId: string;
}

export interface PodsAwsOptions {
  /** Where pods reach this machine. */
  readonly address: string;
  readonly trust: Trust;
  /** The issuer's published keys. */
  fetchKeys(): Promise<string>;
}

export interface PodsAws {
  /** Names of AWS that are answered here; pods must be told. */
  readonly names: readonly string[];
  /** PEM of the authority of these names. */
  readonly authority: string;
  /** Web identities that were taken, oldest first. */
  readonly taken: readonly WebIdentity[];
  /** Why others were not. */
  readonly refused: readonly string[];
  /** The keys that web identities were given, by id. */
  readonly keys: ReadonlyMap<string, StsKeys>;
  /** What it knows of keys and requests. */
  readonly front: AwsFront;
  close(): Promise<void>;
}

const SIGN_IN = 'signin.aws.amazon.com';
const STS = `sts.${AWS_REGION}.amazonaws.com`;
/** Led to this machine as well, for a test that has something there. */
export const RDS_HOST = `orders.abcdef123456.${AWS_REGION}.rds.amazonaws.com`;
const NAMES = [
  STS,
  'sts.amazonaws.com',
  's3.amazonaws.com',
  `${BUCKET}.s3.amazonaws.com`,
  `s3.${AWS_REGION}.amazonaws.com`,
  `${BUCKET}.s3.${AWS_REGION}.amazonaws.com`,
  `dynamodb.${AWS_REGION}.amazonaws.com`,
  SIGN_IN,
  RDS_HOST,
];

/** The caller closes it. */
export async function startPodsAws(options: PodsAwsOptions): Promise<PodsAws> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const now = Date.now();
  const authority = certificateToPem(
    selfSignedServer({
      privateKey,
      commonName: STS,
      dnsNames: NAMES,
      ipAddresses: [options.address],
      notBefore: now - 60_000,
      notAfter: now + 86_400_000,
    }),
  );
  const pair = { cert: authority, key: privateKeyPem(privateKey).reveal() };
  const moto = await startMoto();
  const front = await startAwsFront({ moto: moto.port, open: { [SIGN_IN]: giveSignInToken } });
  const identities = new WebIdentities(options, front);
  const server = createServer(pair, (request, response) => {
    void serve(request, response, { identities, front }).catch(() => response.destroy());
  });
  server.listen(443, options.address);
  await once(server, 'listening');
  return {
    names: NAMES,
    authority,
    taken: identities.taken,
    refused: identities.refused,
    keys: identities.keys,
    front,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await front.close();
      await moto.close();
    },
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { identities, front }: { identities: WebIdentities; front: AwsFront },
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const body = Buffer.concat(parts);
  const form = new URLSearchParams(body.toString('latin1'));
  const isSts = request.headers.host === STS || request.headers.host === 'sts.amazonaws.com';
  if (isSts && form.get('Action') === 'AssumeRoleWithWebIdentity') {
    const { status, text } = await identities.answer(form);
    response.writeHead(status, { 'content-type': 'text/xml' }).end(text);
    return;
  }
  const onward = httpsRequest({
    host: '127.0.0.1',
    port: front.port,
    method: request.method,
    path: request.url,
    headers: request.headers,
    ca: front.authority,
    servername: 'localhost',
  });
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(response);
}

/** As the federation endpoint does; what was asked for is in the token. */
function giveSignInToken(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', `https://${SIGN_IN}`);
  const session = JSON.parse(url.searchParams.get('Session') ?? '{}') as { sessionId?: string };
  const token = Buffer.from(JSON.stringify({ of: session.sessionId })).toString('base64url');
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ SigninToken: token }));
}

class WebIdentities {
  readonly taken: WebIdentity[] = [];
  readonly refused: string[] = [];
  readonly keys = new Map<string, StsKeys>();
  readonly #options: PodsAwsOptions;
  readonly #front: AwsFront;
  #keys: readonly JwtKey[] = [];

  constructor(options: PodsAwsOptions, front: AwsFront) {
    this.#options = options;
    this.#front = front;
  }

  async answer(form: URLSearchParams): Promise<{ readonly status: number; readonly text: string }> {
    const jwt = parseJwt(form.get('WebIdentityToken') ?? '');
    const why = jwt === undefined ? 'the token is no JWT' : await this.#wrong(jwt, form);
    if (jwt === undefined || why !== undefined) {
      this.refused.push(why ?? '');
      return { status: 400, text: errorXml('InvalidIdentityToken', why ?? '') };
    }
    const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
    const secret = randomBytes(30).toString('base64');
    const sessionToken = randomBytes(48).toString('base64');
    this.#front.keys.set(accessKeyId, {
      accessKeyId,
      secretAccessKey: new Secret(secret),
      sessionToken: new Secret(sessionToken),
    });
    const principal = this.#options.trust.roleArn;
    this.keys.set(accessKeyId, { accessKeyId, secretAccessKey: secret, sessionToken, principal });
    const subject = String(claim(jwt.claims, 'sub'));
    this.taken.push({ subject, keyId: jwt.keyId, accessKeyId });
    const seconds = Number(form.get('DurationSeconds') ?? 3600);
    const expires = new Date(Date.now() + seconds * 1000).toISOString();
    return { status: 200, text: grantedXml(form, subject, { accessKeyId, secret, sessionToken, expires }) };
  }

  /** Keys that are published later are asked for when none of those that are known signed it. */
  async #wrong(jwt: Jwt, form: URLSearchParams): Promise<string | undefined> {
    const { trust, fetchKeys } = this.#options;
    if (!verifyJwt(jwt, this.#keys)) this.#keys = parseJwks(await fetchKeys());
    if (!verifyJwt(jwt, this.#keys)) return 'no published key of the issuer signed the token';
    const audiences = [claim(jwt.claims, 'aud')].flat();
    if (form.get('RoleArn') !== trust.roleArn) return `the role ${form.get('RoleArn')} trusts nobody`;
    if (claim(jwt.claims, 'iss') !== trust.issuer) return 'the token is of another issuer';
    if (!audiences.includes(trust.audience)) return `the token is for ${audiences.join()}`;
    if (claim(jwt.claims, 'sub') !== trust.subject)
      return `the token is of ${String(claim(jwt.claims, 'sub'))}`;
    return Number(claim(jwt.claims, 'exp')) * 1000 > Date.now() ? undefined : 'the token has expired';
  }
}

const XMLNS = 'https://sts.amazonaws.com/doc/2011-06-15/';

function grantedXml(
  form: URLSearchParams,
  subject: string,
  given: { accessKeyId: string; secret: string; sessionToken: string; expires: string },
): string {
  const role = (form.get('RoleArn') ?? '').split('/').at(-1) ?? '';
  const session = form.get('RoleSessionName') ?? '';
  const arn = `arn:aws:sts::${AWS_ACCOUNT}:assumed-role/${role}/${session}`;
  return `<AssumeRoleWithWebIdentityResponse xmlns="${XMLNS}"><AssumeRoleWithWebIdentityResult>
<SubjectFromWebIdentityToken>${subject}</SubjectFromWebIdentityToken>
<AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>AROAEXAMPLE:${session}</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>${given.accessKeyId}</AccessKeyId><SecretAccessKey>${given.secret}</SecretAccessKey>
<SessionToken>${given.sessionToken}</SessionToken><Expiration>${given.expires}</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>web-identity</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`;
}

const errorXml = (code: string, message: string): string =>
  `<ErrorResponse xmlns="${XMLNS}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>
<RequestId>web-identity</RequestId></ErrorResponse>`;
