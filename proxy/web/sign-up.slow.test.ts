// The sign-up page in a real browser, before a real proxy and auth service: from the link to a login. Whatever the browser
// reports as a breach of the page's policy, or asks of another host, is a failure.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type BrowserContext, type Page, type Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeOtpSecret, otpCode, otpCounter } from '#auth/accounts/otp.ts';
import { openApi } from '#client/api.ts';
import { login } from '#core/api/login.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, publicKeyPem } from '#core/certs/x509/keys.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { startProxyHouse, type ProxyHouse } from '#test/kit/proxy.ts';
import { until } from '#test/kit/until.ts';
import { qrOf } from './invites.ts';

const PASSWORD = 'four unrelated words here';
let house: TestAuth;
let proxy: ProxyHouse;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let breaches: string[];

beforeAll(async () => {
  house = await startTestAuth();
  proxy = await startProxyHouse(house);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}, 60_000);
afterAll(async () => {
  await browser.close();
  await proxy.close();
  await house.close();
});
beforeEach(async () => {
  breaches = [];
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  page = await context.newPage();
  watch(page);
});
afterEach(async () => {
  await context.close();
  expect(breaches).toEqual([]);
});

/** Errors of scripts, breaches of the policy, and whatever goes elsewhere. */
function watch(watched: Page): void {
  watched.on('pageerror', (error) => breaches.push(`script: ${error.message}`));
  watched.on('console', (message) => {
    const text = message.text();
    // What a refused call answers with is part of these stories.
    if (message.type() === 'error' && !/status of 4\d\d/.test(text)) breaches.push(`console: ${text}`);
  });
  watched.on('request', (request) => {
    if (!request.url().startsWith(`https://${proxy.web}/`)) breaches.push(`elsewhere: ${request.url()}`);
  });
  watched.on('requestfinished', (request) => void lookAtReferrer(request));
}

/** What really went over the wire. */
async function lookAtReferrer(request: Request): Promise<void> {
  const { referer } = await request.allHeaders();
  if (referer !== undefined && referer !== '') breaches.push(`referrer: ${referer}`);
}

async function invite(user: string, purpose = 'invite'): Promise<string> {
  const roles = purpose === 'invite' ? { roles: ['access'] } : {};
  const { status, body } = await house.call(house.admin, 'POST', '/v1/invites', { user, purpose, ...roles });
  expect(status).toBe(200);
  const { pathname } = new URL(String(body?.['url']));
  return `https://${proxy.web}${pathname}`;
}

const codeOf = (secret: string): string => otpCode(decodeOtpSecret(secret), otpCounter(house.clock.now()));

async function fillIn(password = PASSWORD, again = password): Promise<string> {
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByLabel('Password again').fill(again);
  return page.getByLabel('Or type this into the app').inputValue();
}

const submit = (): Promise<void> => page.getByRole('button', { name: 'Set password' }).click();
/** The id of the field that has the focus. */
const focused = (): Promise<unknown> => page.evaluate('document.activeElement.id');
const problem = (): Promise<string> => page.getByRole('alert').innerText();

/** As the CLI does: through the proxy, with the password and the next code. */
async function logIn(user: string, secret: string | undefined): Promise<string> {
  const [ssh, tls] = [generateKeyPair('ed25519'), generateKeyPair('ecdsa-p256')];
  const api = openApi({ addresses: [proxy.web], authorities: [house.authority] });
  try {
    const reply = await api.call(login, {
      user,
      password: PASSWORD,
      ...(secret === undefined ? {} : { otp: codeOf(secret) }),
      ssh_public_key: publicKeyLine(publicKeyFromKeyObject(ssh.publicKey)),
      tls_public_key: publicKeyPem(tls.publicKey),
    });
    return reply.user;
  } finally {
    api.close();
  }
}

describe('signing up', () => {
  it('ok: password and code from the page, then a login with them; the link works once', async () => {
    const url = await invite('joe');
    await page.goto(url);
    expect(await page.title()).toBe('Sign up - Gatehouse');
    await page.getByText('Welcome, joe.').waitFor();
    expect(await focused()).toBe('password');
    const secret = await fillIn();
    await page.getByLabel('Code', { exact: true }).fill(codeOf(secret));
    await submit();
    await page.getByRole('heading', { name: 'You are signed up' }).waitFor();
    const address = `proxy.test.example.com:${proxy.web.split(':')[1]}`;
    expect(await page.locator('#command').innerText()).toBe(`gate login --proxy=${address} --user=joe`);
    expect(await page.content()).not.toContain(secret);

    // A code counts once.
    await house.clock.advance(60_000);
    expect(await logIn('joe', secret)).toBe('joe');

    await page.goto(url);
    await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
    expect(await page.locator('#dead-says').innerText()).toContain('the link is not valid');
  });

  it('ok: the code to scan says what the field says', async () => {
    await page.goto(await invite('ann'));
    const secret = await fillIn();
    const label = `${encodeURIComponent('test.example.com')}:ann`;
    const { path } = qrOf(
      `otpauth://totp/${label}?secret=${secret}&issuer=test.example.com&algorithm=SHA1&digits=6&period=30`,
    );
    expect(await page.locator('#qr path').getAttribute('d')).toBe(path);
    const box = await page.getByRole('img', { name: /QR code/ }).boundingBox();
    expect(box?.width).toBeGreaterThan(150);
  });

  it('ok: what is wrong is said where it is, and can be mended; the link stays good', async () => {
    await page.goto(await invite('kim'));
    let secret = await fillIn(PASSWORD, 'another one');
    await page.getByLabel('Code', { exact: true }).fill('000000');
    await submit();
    expect(await problem()).toBe('The two passwords differ.');
    expect(await focused()).toBe('again');

    secret = await fillIn('short');
    await submit();
    await until('the refusal', async () => /at least 12/.test(await problem()));

    await fillIn();
    const wrong = codeOf(secret) === '000000' ? '111111' : '000000';
    await page.getByLabel('Code', { exact: true }).fill(wrong);
    await submit();
    await until('the focus', async () => (await focused()) === 'otp');
    expect(await page.getByLabel('Code', { exact: true }).getAttribute('aria-invalid')).toBe('true');

    await page
      .getByLabel('Code', { exact: true })
      .fill(` ${codeOf(secret).slice(0, 3)} ${codeOf(secret).slice(3)}`);
    await submit();
    await page.getByRole('heading', { name: 'You are signed up' }).waitFor();
  });

  it('ok: with the keyboard alone', async () => {
    await page.goto(await invite('lee'));
    await page.getByText('Welcome, lee.').waitFor();
    const secret = await page.getByLabel('Or type this into the app').inputValue();
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.type(codeOf(secret));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'You are signed up' }).waitFor();
  });

  it('ok: where a second factor is optional it may be left out; a reset says what it is', async () => {
    await house.put('cluster_auth_preference', 'cluster-auth-preference', { second_factor: 'optional' });
    try {
      await page.goto(await invite('max'));
      await fillIn();
      await submit();
      await page.getByRole('heading', { name: 'You are signed up' }).waitFor();
      expect(await logIn('max', undefined)).toBe('max');
      await page.goto(await invite('max', 'reset'));
      await page.getByRole('heading', { name: 'Set a new password' }).waitFor();
    } finally {
      await house.put('cluster_auth_preference', 'cluster-auth-preference', { second_factor: 'otp' });
    }
  });

  it('refuses: a link that never was, and markup in what is shown is text', async () => {
    await page.goto(`https://${proxy.web}/web/newuser/${'0'.repeat(64)}`);
    await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
    await page.goto(`https://${proxy.web}/web/newuser/%3Cimg%20src=x%20onerror=alert(1)%3E`);
    await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
    expect(await page.locator('img').count()).toBe(0);
  });
});

describe('other pages', () => {
  it('ok: the landing page, without scripts', async () => {
    await page.goto(`https://${proxy.web}/`);
    await page.getByRole('heading', { name: 'Gatehouse: test.example.com' }).waitFor();
    expect(await page.locator('script').count()).toBe(0);
  });

  it('S27 refuses: to be framed by the page of somebody else, or called by it', async () => {
    const url = await invite('nan');
    const server: Server = createServer((_request, reply) => {
      reply.setHeader('content-type', 'text/html');
      reply.end(`<!doctype html><title>evil</title><iframe src="${url}"></iframe>`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const own = await context.newPage();
    try {
      const { port } = server.address() as AddressInfo;
      await own.goto(`http://127.0.0.1:${port}/`);
      const frame = await until('the frame', () => own.frames()[1]);
      await until('the refusal', async () => frame.url().startsWith('chrome-error:'));
      const token = url.split('/').at(-1);
      const outcome = await own.evaluate(
        async ([address, secret]) => {
          const answer = await fetch(`https://${address}/v1/webapi/invites/open`, {
            method: 'POST',
            mode: 'no-cors',
            body: JSON.stringify({ token: secret }),
          }).catch(() => undefined);
          return answer === undefined ? 'blocked' : answer.type;
        },
        [proxy.web, token],
      );
      expect(['opaque', 'blocked']).toContain(outcome);
    } finally {
      await own.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
