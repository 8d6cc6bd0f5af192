// `gate apps login`, `gate aws` and `gate proxy aws` as people use them, against an all-in-one daemon and an AWS of the test
// that checks every signature, with the aws program.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '#core/secret.ts';
import { startAwsFront, type AwsFront, type FrontHandler } from '#test/kit/aws-front.ts';
import { CLUSTER, must, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { runProgram, type Ran } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

const run = promisify(execFile);
const GATE = join(import.meta.dirname, '../../../bin/gate');
const ACCOUNT = '123456789012';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/ExampleReadOnlyAccess`;
const AGENT_KEYS = { accessKeyId: 'AKIAAGENT', secretAccessKey: new Secret('agent-secret') };
const ROLE_DOCUMENT = `kind: role
version: v7
metadata: {name: aws-ro-access}
spec:
  allow:
    app_labels: {'*': '*'}
    aws_role_arns: ['${ROLE}', 'arn:aws:iam::${ACCOUNT}:role/Admin']
`;

let folder: string;
let front: AwsFront;
let cluster: TestCluster;
let alice: Person;
/** What roles were assumed, as STS was asked. */
const assumed: URLSearchParams[] = [];
const running: ChildProcess[] = [];

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** An STS that gives out keys which the front knows from then on, and an S3 with one bucket. */
const handle: FrontHandler = async (seen, body, response) => {
  const text = await textOf(body);
  response.setHeader('content-type', 'text/xml');
  if (seen.signature.scope.service !== 'sts') {
    response.end(
      '<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>1</ID></Owner><Buckets><Bucket><Name>through-gatehouse</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>',
    );
    return;
  }
  const asked = new URLSearchParams(text);
  const action = asked.get('Action') ?? '';
  response.end(
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${action === 'AssumeRole' ? assume(asked) : identity(seen.signature.accessKeyId)}</${action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`,
  );
};

function assume(asked: URLSearchParams): string {
  assumed.push(asked);
  const keys = {
    accessKeyId: `ASIA${assumed.length}`,
    secretAccessKey: new Secret(`secret-${assumed.length}`),
    sessionToken: new Secret(`token-${assumed.length}`),
  };
  front.keys.set(keys.accessKeyId, keys);
  const seconds = Number(asked.get('DurationSeconds'));
  const end = new Date(Date.now() + seconds * 1000).toISOString();
  const arn = `arn:aws:sts::${ACCOUNT}:assumed-role/X/${asked.get('RoleSessionName') ?? ''}`;
  return `<Credentials><AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey.reveal()}</SecretAccessKey><SessionToken>${keys.sessionToken.reveal()}</SessionToken><Expiration>${end}</Expiration></Credentials><AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>X:Y</AssumedRoleId></AssumedRoleUser>`;
}

function identity(accessKeyId: string): string {
  const of = assumed[Number(accessKeyId.replace('ASIA', '')) - 1];
  const arn = `${of?.get('RoleArn') ?? 'nobody'}/${of?.get('RoleSessionName') ?? ''}`;
  return `<Arn>${arn}</Arn><UserId>X</UserId><Account>${ACCOUNT}</Account>`;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  front = await startAwsFront({ keys: [AGENT_KEYS], handle });
  const authority = join(folder, 'aws.pem');
  writeFileSync(authority, front.authority);
  const address = `https://127.0.0.1:${front.port}`;
  const console = 'https://console.aws.amazon.com/ec2/v2/home';
  cluster = await startCluster(
    `app_service:
  enabled: yes
  apps:
  - {name: awsconsole, uri: "${console}", labels: {aws_account_id: "${ACCOUNT}"}}
  - {name: awsdirect, uri: "${console}", aws: {direct_credentials: yes}}
`,
    {
      env: {
        AWS_ACCESS_KEY_ID: AGENT_KEYS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: AGENT_KEYS.secretAccessKey.reveal(),
        AWS_REGION: 'us-east-1',
        AWS_ENDPOINT_URL_STS: address,
        AWS_CA_BUNDLE: authority,
        AWS_EC2_METADATA_DISABLED: 'true',
        GATEHOUSE_AWS_ENDPOINTS: `*=${address}`,
      },
    },
  );
  await cluster.apply(ROLE_DOCUMENT);
  alice = await cluster.person('alice', ['aws-ro-access'], []);
  await until('the applications are listed', async () =>
    (await alice.gate('apps', 'ls')).stdout.includes('awsdirect'),
  );
}, 120_000);
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'close');
  }
});
afterAll(async () => {
  await cluster?.stop();
  await front?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const ENVIRONMENT = {
  PATH: '/usr/bin:/bin',
  AWS_DEFAULT_REGION: 'eu-west-1',
  AWS_PAGER: '',
  AWS_MAX_ATTEMPTS: '1',
};
const gate = (...words: string[]): Promise<Ran> =>
  runProgram('gate', words, { ...ENVIRONMENT, HOME: alice.home });
const login = async (): Promise<string> =>
  must(await gate('apps', 'login', '--aws-role', 'ExampleReadOnlyAccess', 'awsconsole'));

/** In the background, until it said this. */
async function proxy(pattern: RegExp, ...words: string[]): Promise<RegExpExecArray> {
  const child = spawn(GATE, ['proxy', 'aws', ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...ENVIRONMENT, PATH: process.env['PATH'] ?? '', HOME: alice.home },
  });
  running.push(child);
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += String(part)));
  return until('the proxy is there', () => pattern.exec(text) ?? undefined);
}

describe('gate aws', () => {
  it('ok: the documented way: login, s3 ls, logout', async () => {
    expect(await login()).toContain(`Logged into AWS app "awsconsole".\n\nYour IAM role:\n  ${ROLE}\n`);
    expect(must(await gate('aws', 's3', 'ls'))).toContain('through-gatehouse');
    const { Arn } = JSON.parse(must(await gate('aws', 'sts', 'get-caller-identity'))) as { Arn: string };
    expect(Arn).toBe(`${ROLE}/alice`);
    expect(assumed.at(-1)?.get('RoleArn')).toBe(ROLE);
    expect(front.refused).toEqual([]);
    expect(must(await gate('apps', 'logout', 'awsconsole'))).toBe('Logged out of app "awsconsole".\n');
    const { code, stderr } = await gate('aws', 's3', 'ls');
    expect([code, stderr]).toEqual([1, expect.stringContaining('gate apps login')]);
  });

  it('ok: the exit code is that of aws; its own flags reach it', async () => {
    await login();
    expect((await gate('aws', 's3', 'no-such-command')).code).toBe(252);
    expect(must(await gate('aws', 'sts', 'get-caller-identity', '--output', 'text', '--query', 'Arn'))).toBe(
      `${ROLE}/alice\n`,
    );
    expect(must(await gate('aws', '--endpoint-url', 'sts', 'get-caller-identity'))).toContain(
      `${ROLE}/alice`,
    );
  });

  it('refuses: unsigned requests, other hosts, and says when aws is not there', async () => {
    await login();
    const unsigned = await gate('aws', 's3', 'ls', '--no-sign-request', 's3://x');
    expect(unsigned.code).not.toBe(0);
    const missing = await runProgram('gate', ['aws', 's3', 'ls'], {
      HOME: alice.home,
      PATH: join(process.execPath, '..'),
    });
    expect(missing.stderr).toContain('aws is not in PATH');
  });

  it('ok: credential-process gives keys where the application says so, and nowhere else', async () => {
    await login();
    const refused = await gate('aws', 'credential-process');
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('aws.direct_credentials');
    must(await gate('apps', 'login', '--aws-role', 'ExampleReadOnlyAccess', 'awsdirect'));
    const given = JSON.parse(must(await gate('aws', '--app', 'awsdirect', 'credential-process'))) as Record<
      string,
      unknown
    >;
    expect(given).toMatchObject({ Version: 1, AccessKeyId: expect.stringMatching(/^ASIA/) as string });
    expect(Date.parse(String(given['Expiration']))).toBeGreaterThan(Date.now());
    must(await gate('apps', 'logout', 'awsdirect'));
  });
});

describe('gate proxy aws', () => {
  it('ok: prints exports with which other programs work', async () => {
    await login();
    const [, exports = ''] = await proxy(
      /^Started AWS proxy on http:\/\/127\.0\.0\.1:\d+\.\n\nUse the following credentials and HTTPS proxy setting to connect to the proxy:\n((?: {2}export .*\n){4})/,
    );
    const { stdout } = await run('/bin/sh', ['-c', `${exports}\naws s3 ls`], {
      env: { ...ENVIRONMENT, HOME: folder },
    });
    expect(stdout).toContain('through-gatehouse');
    const other = await run('/bin/sh', ['-c', `${exports}\ncurl -sS https://example.com/`], {
      env: { ...ENVIRONMENT, HOME: folder },
    }).catch((error: { stderr: string }) => error);
    expect(other.stderr).toMatch(/403/);
  });

  it('ok: as an endpoint', async () => {
    await login();
    const [, text = ''] = await proxy(
      /\n(\{[^]*\n\})\n$|^(\{[^]*\n\})\n$/,
      '--endpoint-url',
      '-f',
      'json',
    ).then(([whole]) => ['', whole]);
    const { variables } = JSON.parse(text) as { variables: Record<string, string> };
    // This aws is older than AWS_ENDPOINT_URL.
    const { stdout } = await run('aws', ['--endpoint-url', variables['AWS_ENDPOINT_URL'] ?? '', 's3', 'ls'], {
      env: { ...ENVIRONMENT, ...variables, HOME: folder },
    });
    expect(stdout).toContain('through-gatehouse');
  });

  it('S16 a lock ends it', async () => {
    await login();
    const [, exports = ''] = await proxy(/((?: {2}export .*\n){4})/);
    must(await cluster.gatectl('lock', '--user=alice', '--ttl=1h'));
    await until('requests are refused', async () => {
      const ran = run('/bin/sh', ['-c', `${exports}\naws s3 ls`], { env: { ...ENVIRONMENT, HOME: folder } });
      return (await ran.catch((error: { stderr: string }) => error)).stderr !== '';
    });
    expect(existsSync(join(alice.home, '.gate', CLUSTER, 'app', 'awsconsole.aws-ca.key'))).toBe(true);
  });
});
