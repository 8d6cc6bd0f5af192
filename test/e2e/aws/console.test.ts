// The console of AWS through everything: a real browser logs in at the proxy, chooses a role, and is signed in at an AWS of
// the test; once by the agent's credentials, and once by a token of the cluster that the STS checks with the proxy's keys.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApps } from '#agent/app/open.ts';
import { parseJwks } from '#core/jwt/jwks.ts';
import { parseJwt, verifyJwt } from '#core/jwt/jwt.ts';
import { Secret } from '#core/secret.ts';
import { startAwsFront, type AwsFront, type FrontHandler } from '#test/kit/aws-front.ts';
import { PASSWORD, PROXY_HOST, startAppHouse, type AppHouse } from '../apps/house.ts';

const ACCOUNT = '123456789012';
const ROLE = `arn:aws:iam::${ACCOUNT}:role/ExampleReadOnlyAccess`;
const OTHER = 'arn:aws:iam::999999999999:role/Elsewhere';
const AGENT_KEYS = { accessKeyId: 'AKIAAGENT', secretAccessKey: new Secret('agent-secret') };
const SIGN_IN = 'signin.aws.amazon.com';
const CONSOLE = 'console.aws.amazon.com';

let folder: string;
let front: AwsFront;
let house: AppHouse;
let browser: Browser;
let page: Page;
const before = { ...process.env };
/** What STS was asked, by either way. */
const asked: URLSearchParams[] = [];

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

const sts: FrontHandler = async (_, body, response) => giveRole(await textOf(body), response);

function giveRole(text: string, response: ServerResponse): void {
  const form = new URLSearchParams(text);
  const action = form.get('Action') ?? '';
  asked.push(form);
  const end = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1000).toISOString();
  response.setHeader('content-type', 'text/xml');
  response.end(
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials><AccessKeyId>ASIA${action}</AccessKeyId>` +
      `<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>${end}</Expiration></Credentials>` +
      `<AssumedRoleUser><Arn>arn:aws:sts::${ACCOUNT}:assumed-role/X/y</Arn><AssumedRoleId>X:y</AssumedRoleId></AssumedRoleUser></${action}Result></${action}Response>`,
  );
}

/** As STS: the token must be one of the cluster, for STS and for the person that the session is named after. */
async function webIdentity(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = await textOf(request);
  const form = new URLSearchParams(text);
  const { text: keys } = await house.ask(PROXY_HOST, { path: '/.well-known/jwks.json' });
  const jwt = parseJwt(form.get('WebIdentityToken') ?? '');
  const isGood = jwt !== undefined && verifyJwt(jwt, parseJwks(keys));
  const isForUs =
    jwt?.claims['aud'] === 'sts.amazonaws.com' && jwt.claims['sub'] === form.get('RoleSessionName');
  if (isGood && isForUs) giveRole(text, response);
  else
    response
      .writeHead(400)
      .end('<E><Error><Code>InvalidIdentityToken</Code><Message>no</Message></Error></E>');
}

function signIn(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '', `https://${SIGN_IN}`);
  if (url.searchParams.get('Action') === 'getSigninToken') {
    const { sessionId = '' } = JSON.parse(url.searchParams.get('Session') ?? '{}') as { sessionId?: string };
    response.end(JSON.stringify({ SigninToken: `of-${sessionId}` }));
    return;
  }
  const to = new URL(url.searchParams.get('Destination') ?? '');
  to.searchParams.set('as', url.searchParams.get('SigninToken') ?? '');
  response.writeHead(302, { location: to.href }).end();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  front = await startAwsFront({
    keys: [AGENT_KEYS],
    handle: sts,
    open: {
      [SIGN_IN]: signIn,
      [CONSOLE]: (request, response) => {
        response.setHeader('content-type', 'text/html');
        response.end(`<!doctype html><h1>Console</h1><p id="at">${request.url ?? ''}</p>`);
      },
      'sts.us-east-1.amazonaws.com': (request, response) => {
        webIdentity(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
      },
    },
  });
  const authority = join(folder, 'aws.pem');
  writeFileSync(authority, front.authority);
  const address = `https://127.0.0.1:${front.port}`;
  const environment = {
    AWS_ACCESS_KEY_ID: AGENT_KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: AGENT_KEYS.secretAccessKey.reveal(),
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_STS: address,
    AWS_CA_BUNDLE: authority,
    AWS_EC2_METADATA_DISABLED: 'true',
    GATEHOUSE_AWS_ENDPOINTS: `*=${address}`,
  };
  Object.assign(process.env, environment);
  const aws = {
    port: 0,
    uri: `https://${CONSOLE}/ec2/v2/home`,
    labels: { env: 'test', aws_account_id: ACCOUNT },
  };
  house = await startAppHouse({ awsconsole: aws, awsoidc: { ...aws, aws: { oidc: true } } }, (ground) =>
    openApps({ ...ground, environment }),
  );
  await house.auth.put('role', 'web', {
    allow: { app_labels: { env: ['test'] }, aws_role_arns: [ROLE, OTHER] },
  });
  await house.signUp('joe');
  const local = `127.0.0.1:${front.port}`;
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      `--host-resolver-rules=MAP *.test.example.com 127.0.0.1, MAP ${SIGN_IN} ${local}, MAP ${CONSOLE} ${local}`,
    ],
  });
  page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await house?.close();
  await front?.close();
  process.env = before;
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const list = `/web/apps`;
const open = async (app: string): Promise<string> => {
  await page.goto(`https://${PROXY_HOST}:${house.port}${list}`);
  await page.getByRole('heading', { name: app }).waitFor();
  const entry = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: app }) });
  expect(await entry.getByRole('link').count()).toBe(1);
  await entry.getByRole('link').click();
  const notice = page.getByRole('link', { name: 'Continue to the console' });
  const inside = page.getByRole('heading', { name: 'Console', exact: true });
  await notice.or(inside).first().waitFor();
  if (await notice.isVisible()) await notice.click();
  await inside.waitFor();
  return (await page.locator('#at').textContent()) ?? '';
};

describe('the console through everything', () => {
  it('ok: login, the role of the account, signed in; a role of another account is not offered', async () => {
    await page.goto(`https://${PROXY_HOST}:${house.port}${list}`);
    await page.getByLabel('User name').fill('joe');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('You are logged in as joe.').waitFor();
    expect(await open('awsconsole')).toBe('/ec2/v2/home?as=of-ASIAAssumeRole');
    expect(asked[0]?.get('RoleArn')).toBe(ROLE);
    expect(asked[0]?.get('RoleSessionName')).toBe('joe');
    expect(house.agent.events).toContainEqual(
      expect.objectContaining({
        event: 'app.session.request',
        user: 'joe',
        aws_action: 'ConsoleLogin',
        aws_role_arn: ROLE,
      }),
    );
  });

  it('ok: R3 by a token of the cluster, that AWS checks with the keys of the proxy', async () => {
    expect(await open('awsoidc')).toBe('/ec2/v2/home?as=of-ASIAAssumeRoleWithWebIdentity');
    expect(asked.at(-1)?.get('Action')).toBe('AssumeRoleWithWebIdentity');
  });
});
