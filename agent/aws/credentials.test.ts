// Credentials of agents, by the real SDK against an STS and a metadata service that keep the rules.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { silentLog } from '#core/log.ts';
import { containerToken, startSts, type TestSts } from '#test/kit/aws-sts.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { openAwsCredentials, type AwsCredentialsSource } from './credentials.ts';

const AGENT = {
  accessKeyId: 'AKIAAGENT',
  secretAccessKey: 'agent-secret',
  principal: 'arn:aws:iam::111111111111:user/agent',
};
const POD = {
  accessKeyId: 'ASIAPOD',
  secretAccessKey: 'pod-secret',
  sessionToken: 'pod-token',
  principal: 'arn:aws:sts::111111111111:assumed-role/Pod/x',
};
const READ = 'arn:aws:iam::111111111111:role/Read';
const OTHER = 'arn:aws:iam::222222222222:role/Other';
const LONG = 'arn:aws:iam::111111111111:role/Long';
const NO = 'arn:aws:iam::111111111111:role/No';
const POD_ROLE = 'arn:aws:iam::111111111111:role/Pod';
const VARIABLES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
];

let sts: TestSts;
let folder: string;
let clock: FakeClock;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-aws-'));
  sts = await startSts({
    keys: [POD, AGENT],
    roles: [
      { arn: READ, trusts: [AGENT.principal, POD.principal] },
      { arn: OTHER, trusts: ['arn:aws:sts::111111111111:assumed-role/Read/gatehouse'], externalId: 'ext-1' },
      { arn: LONG, trusts: ['*'], maxSeconds: 12 * 3600 },
      { arn: POD_ROLE, trusts: [], tokens: ['jwt-1'] },
      { arn: NO, trusts: [] },
    ],
  });
  writeFileSync(join(folder, 'ca.pem'), sts.authority);
});
afterAll(async () => {
  await sts.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'none'));
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'none'));
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
  vi.stubEnv('AWS_CA_BUNDLE', join(folder, 'ca.pem'));
  vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', sts.metadataUrl);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  sts.calls.length = 0;
  sts.metadataCalls.length = 0;
  sts.skewMs = 0;
  clock = new FakeClock(Date.now());
});
afterEach(() => vi.unstubAllEnvs());

const open = (): AwsCredentialsSource =>
  openAwsCredentials({ clock, log: silentLog, environment: process.env });
const withKeys = (): AwsCredentialsSource => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', AGENT.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', AGENT.secretAccessKey);
  return open();
};

test('ok: from the environment, with and without an end', async () => {
  const source = withKeys();
  expect(await source.get()).toMatchObject({ accessKeyId: 'AKIAAGENT' });
  expect((await source.get()).sessionToken).toBeUndefined();
  vi.stubEnv('AWS_SESSION_TOKEN', 'x');
  expect((await open().get()).sessionToken?.reveal()).toBe('x');
});

test('ok: secrets do not print', async () => {
  expect(JSON.stringify(await withKeys().get())).not.toContain('agent-secret');
});

test('ok: from a profile of the shared files, which names its region', async () => {
  writeFileSync(
    join(folder, 'credentials'),
    '[team]\naws_access_key_id=AKIAAGENT\naws_secret_access_key=agent-secret\n',
  );
  writeFileSync(join(folder, 'config'), '[profile team]\nregion=eu-central-1\n');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'));
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
  vi.stubEnv('AWS_PROFILE', 'team');
  const source = open();
  expect(await source.get()).toMatchObject({ accessKeyId: 'AKIAAGENT' });
  expect(await source.region()).toBe('eu-central-1');
});

test('ok: by the web identity of a pod (IRSA); then roles are chained', async () => {
  writeFileSync(join(folder, 'token'), 'jwt-1');
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(folder, 'token'));
  vi.stubEnv('AWS_ROLE_ARN', POD_ROLE);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  const source = open();
  expect((await source.get()).sessionToken).toBeDefined();
  expect(sts.calls).toMatchObject([
    { action: 'AssumeRoleWithWebIdentity', parameters: { RoleArn: POD_ROLE } },
  ]);
  const long = await source.get({ assumeRoleArn: LONG, durationSeconds: 12 * 3600 });
  expect(long.expires).toBeLessThanOrEqual(Date.now() + 3600_000);
  expect(sts.calls.at(-1)).toMatchObject({ region: 'eu-west-1', parameters: { DurationSeconds: '3600' } });
});

test('refuses: a web identity that AWS does not know, with what to compare', async () => {
  writeFileSync(join(folder, 'token'), 'jwt-2');
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(folder, 'token'));
  vi.stubEnv('AWS_ROLE_ARN', POD_ROLE);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  await expect(open().get()).rejects.toMatchObject({
    code: 'AWS_REFUSED',
    message: expect.stringContaining('IAM OIDC provider'),
  });
});

test('ok: of a container (Pod Identity), with its token', async () => {
  writeFileSync(join(folder, 'container'), containerToken);
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${sts.metadataUrl}/container`);
  vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', join(folder, 'container'));
  expect(await open().get()).toMatchObject({ accessKeyId: 'ASIAPOD' });
});

test('ok: of an instance, by IMDSv2 only; what it assumes is not chained, and lasts as long as asked', async () => {
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
  vi.stubEnv('AWS_EC2_METADATA_V1_DISABLED', 'true');
  const source = open();
  expect(await source.get()).toMatchObject({ accessKeyId: 'ASIAPOD' });
  expect(sts.metadataCalls[0]).toBe('PUT /latest/api/token');
  const long = await source.get({ assumeRoleArn: LONG, durationSeconds: 12 * 3600 });
  expect(long.expires).toBeGreaterThan(Date.now() + 11 * 3600_000);
});

test('refuses: no credentials anywhere, and says how to give some', async () => {
  await expect(open().get()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      /no valid providers in chain.*instance profile.*eks\.amazonaws\.com\/role-arn/,
    ),
  });
});

test('ok: roles are kept until five minutes before their end, and asked for once', async () => {
  const source = withKeys();
  const [first, second] = await Promise.all([
    source.get({ assumeRoleArn: READ }),
    source.get({ assumeRoleArn: READ }),
  ]);
  expect(second).toBe(first);
  clock.step(54 * 60_000);
  expect(await source.get({ assumeRoleArn: READ })).toBe(first);
  clock.step(2 * 60_000);
  expect(await source.get({ assumeRoleArn: READ })).not.toBe(first);
  expect(sts.calls).toHaveLength(2);
  await source.get({ assumeRoleArn: READ, sessionName: 'alice' });
  expect(sts.calls.at(-1)).toMatchObject({ parameters: { RoleSessionName: 'alice' } });
});

test('ok: a chain of roles with an external id, in the region that is asked', async () => {
  const source = withKeys();
  const via = { assumeRoleArn: READ };
  const end = await source.get({ assumeRoleArn: OTHER, externalId: 'ext-1', via, region: 'us-west-2' });
  expect(end.sessionToken).toBeDefined();
  expect(sts.calls.map(({ action, principal }) => `${action} ${principal}`)).toEqual([
    `AssumeRole ${AGENT.principal}`,
    'AssumeRole arn:aws:sts::111111111111:assumed-role/Read/gatehouse',
  ]);
  expect(sts.calls[1]).toMatchObject({ region: 'us-west-2' });
  await expect(source.get({ assumeRoleArn: OTHER, via })).rejects.toMatchObject({ code: 'AWS_REFUSED' });
});

test('ok: a role that gives less than was asked for gives what it has', async () => {
  const source = withKeys();
  const full = await source.get({ assumeRoleArn: LONG, durationSeconds: 12 * 3600 });
  expect(full.expires).toBeGreaterThan(Date.now() + 11 * 3600_000);
  const less = await source.get({ assumeRoleArn: READ, durationSeconds: 12 * 3600 });
  expect(less.expires).toBeLessThanOrEqual(Date.now() + 3600_000);
});

test('refuses: a role that does not trust the agent; the message names who, and what to change', async () => {
  const source = withKeys();
  await expect(source.get({ assumeRoleArn: NO })).rejects.toMatchObject({
    code: 'AWS_REFUSED',
    message: expect.stringMatching(
      /arn:aws:iam::111111111111:user\/agent is not authorized.*trust policy of .*role\/No/,
    ),
  });
  await expect(source.get({ assumeRoleArn: NO })).rejects.toThrow();
  expect(sts.calls).toHaveLength(2);
  await expect(source.get({ assumeRoleArn: 'arn:aws:iam::1:role/*' })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
  });
});

test('refuses: wrong clocks, expired and unknown keys, no way to STS, each in its words', async () => {
  const fails = (message: RegExp): Promise<void> =>
    expect(withKeys().get({ assumeRoleArn: READ })).rejects.toMatchObject({
      message: expect.stringMatching(message),
    });
  sts.failNext('ExpiredToken', 'The security token included in the request is expired');
  await fails(/credentials have expired/);
  sts.failNext('InvalidClientTokenId', 'The security token included in the request is invalid.');
  await fails(/does not know the access key/);
  sts.failNext(
    'SignatureDoesNotMatch',
    'Signature expired: 20260101T000000Z is now earlier than 20270101T000000Z',
  );
  await fails(/clock of this machine/);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', 'https://localhost:1');
  await fails(/no answer from AWS STS.*:443/);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
  vi.stubEnv('AWS_CA_BUNDLE', undefined);
  await fails(/certificate/);
});

test('ok: through the HTTP proxy that the environment names', async () => {
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const far = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(far).pipe(socket);
    });
    for (const end of [socket, far]) end.on('error', () => {});
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  vi.stubEnv('NO_PROXY', undefined);
  vi.stubEnv('no_proxy', undefined);
  expect((await withKeys().get({ assumeRoleArn: READ })).sessionToken).toBeDefined();
  expect(asked).toEqual([new URL(sts.url).host]);
  proxy.close();
  proxy.closeAllConnections();
});
