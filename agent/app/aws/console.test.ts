// The console, credentials for programs, roles by a token of the cluster, and WebSockets; against a front of AWS.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { DIRECT_CREDENTIALS_HEADER, DIRECT_CREDENTIALS_PATH } from '#core/aws/direct-credentials.ts';
import { startAwsFront, type AwsFrontOptions } from '#test/kit/aws-front.ts';
import { ROLE, ROLE_KEYS, startAwsHouse, type AwsHouse, type AwsHouseSetup } from '#test/kit/aws-house.ts';
import type { AwsCredentialsSource } from '../../aws/credentials.ts';

const HOUR = 3_600_000;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Open = NonNullable<AwsFrontOptions['open']>;

async function set(open: Open, setup: Partial<AwsHouseSetup> = {}): Promise<AwsHouse> {
  const front = await startAwsFront({ keys: [ROLE_KEYS], handle: () => {}, open });
  closers.push(() => front.close());
  const house = await startAwsHouse({ front, ...setup });
  closers.push(() => house.close());
  return house;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function ask(
  house: AwsHouse,
  path = '/',
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const outgoing = httpRequest({ port: house.door, host: '127.0.0.1', path, headers, method });
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(parts).toString() };
}

/** The sign-in of AWS: gives a token for the role's keys. */
const signIn = (request: IncomingMessage, response: ServerResponse): void => {
  const url = new URL(request.url ?? '', 'https://x');
  const session = JSON.parse(url.searchParams.get('Session') ?? '{}') as Record<string, string>;
  const isGood =
    url.pathname === '/federation' &&
    url.searchParams.get('Action') === 'getSigninToken' &&
    session['sessionId'] === ROLE_KEYS.accessKeyId &&
    session['sessionKey'] === ROLE_KEYS.secretAccessKey.reveal() &&
    session['sessionToken'] === ROLE_KEYS.sessionToken?.reveal();
  response.writeHead(isGood ? 200 : 400).end(isGood ? '{"SigninToken":"tok/1+2"}' : 'no');
};
const SIGN_IN = { 'signin.aws.amazon.com': signIn };

function lasting(ms: number, roles: unknown[] = []): AwsCredentialsSource {
  return {
    get(request) {
      roles.push(request);
      return Promise.resolve({ ...ROLE_KEYS, expires: Date.now() + ms });
    },
    region: () => Promise.resolve(undefined),
  };
}

describe('the console', () => {
  it('ok: leads to the sign-in of AWS with the role, the destination and a way back', async () => {
    const roles: unknown[] = [];
    const house = await set(SIGN_IN, {
      validBefore: Date.now() + 2 * HOUR + 30_000,
      credentials: lasting(2 * HOUR, roles),
      spec: { aws: { external_id: 'ext-1' } },
    });
    const { status, headers } = await ask(house);
    expect([status, headers['cache-control'], headers['x-gatehouse-notice']]).toEqual([
      302,
      'no-store',
      undefined,
    ]);
    const to = new URL(headers.location ?? '');
    expect([to.origin, to.pathname, Object.fromEntries(to.searchParams)]).toEqual([
      'https://signin.aws.amazon.com',
      '/federation',
      {
        Action: 'login',
        Issuer: 'https://awsconsole.gate.example.com/',
        Destination: 'https://console.aws.amazon.com/ec2/v2/home',
        SigninToken: 'tok/1+2',
      },
    ]);
    expect(roles).toEqual([
      { assumeRoleArn: ROLE, sessionName: 'alice@example.com', durationSeconds: 7200, externalId: 'ext-1' },
    ]);
    expect(house.events).toContainEqual(
      expect.objectContaining({ event: 'app.session.request', aws_action: 'ConsoleLogin', status_code: 302 }),
    );
  });

  it('ok: the session of GovCloud is of GovCloud', async () => {
    const house = await set(
      { 'signin.amazonaws-us-gov.com': signIn },
      {
        spec: { uri: 'https://console.amazonaws-us-gov.com' },
        role: ROLE.replace('arn:aws:', 'arn:aws-us-gov:'),
        credentials: lasting(12 * HOUR),
      },
    );
    expect((await ask(house)).headers.location).toMatch(
      /^https:\/\/signin\.amazonaws-us-gov\.com\/federation\?/,
    );
  });

  it('ok: R3 a shorter session than the login is told before it begins', async () => {
    const house = await set(SIGN_IN, { credentials: lasting(HOUR) });
    const { status, headers, text } = await ask(house);
    expect(status).toBe(200);
    expect(headers['x-gatehouse-notice']).toMatch(/^AWS ends this console session at \d{4}-/);
    expect(text).toContain('open the application again to renew it');
    expect(text).toContain('href="https://signin.aws.amazon.com/federation?Action=login&amp;');
  });

  it('refuses: R3 S16 less than 15 minutes left asks for a new login, in words', async () => {
    const house = await set(SIGN_IN, { validBefore: Date.now() + 14 * 60_000 });
    const { status, text } = await ask(house, '/', { accept: 'text/html' });
    expect([status, text.includes('log in again')]).toEqual([401, true]);
    expect(house.roles).toEqual([]);
  });

  it('refuses: a sign-in that gives no token, and other methods', async () => {
    const house = await set({
      'signin.aws.amazon.com': (_, response) => void response.writeHead(400).end('x'),
    });
    expect(await ask(house)).toMatchObject({ status: 502 });
    expect(await ask(house, '/', {}, 'POST')).toMatchObject({ status: 400 });
  });
});

describe('credentials for programs', () => {
  const give = { spec: { aws: { direct_credentials: true } } };
  const header = { [DIRECT_CREDENTIALS_HEADER]: '1' };

  it('ok: where the application says so, no longer than the certificate', async () => {
    const validBefore = Math.floor(Date.now() / 1000) * 1000 + 30 * 60_000;
    const house = await set({}, { ...give, validBefore, credentials: lasting(12 * HOUR) });
    const { status, text } = await ask(house, DIRECT_CREDENTIALS_PATH, header, 'POST');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({
      Version: 1,
      AccessKeyId: ROLE_KEYS.accessKeyId,
      SecretAccessKey: 'role-secret',
      SessionToken: 'role-token',
      Expiration: new Date(validBefore).toISOString(),
    });
    expect(house.events).toContainEqual(expect.objectContaining({ aws_action: 'GiveCredentials' }));
  });

  it('refuses: where it does not, without the header, and 15 minutes before the end', async () => {
    const closed = await set({});
    expect(await ask(closed, DIRECT_CREDENTIALS_PATH, header, 'POST')).toMatchObject({ status: 403 });
    const open = await set({}, give);
    expect(await ask(open, DIRECT_CREDENTIALS_PATH, {}, 'POST')).toMatchObject({ status: 400 });
    expect(await ask(open, DIRECT_CREDENTIALS_PATH, header)).toMatchObject({ status: 400 });
    const late = await set({}, { ...give, validBefore: Date.now() + 14 * 60_000 });
    expect(await ask(late, DIRECT_CREDENTIALS_PATH, header, 'POST')).toMatchObject({ status: 401 });
    expect([...closed.roles, ...open.roles, ...late.roles]).toEqual([]);
  });
});

describe('roles by a token of the cluster', () => {
  it('ok: R3 AWS is asked with the token, unchained, for as long as the login', async () => {
    const forms: URLSearchParams[] = [];
    const sts = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      forms.push(form);
      if (Number(form.get('DurationSeconds')) > 14_400) {
        const why = 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.';
        response
          .writeHead(400)
          .end(
            `<ErrorResponse><Error><Code>ValidationError</Code><Message>${why}</Message></Error></ErrorResponse>`,
          );
        return;
      }
      const end = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1000).toISOString();
      response.end(
        `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${ROLE_KEYS.accessKeyId}</AccessKeyId>` +
          `<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>${end}</Expiration>` +
          '</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>',
      );
    };
    const open = {
      ...SIGN_IN,
      'sts.us-east-1.amazonaws.com': (a: IncomingMessage, b: ServerResponse) => void sts(a, b),
    };
    const asked: unknown[] = [];
    const tokens = {
      get: (_: Uint8Array, purpose?: string) => {
        asked.push(purpose);
        return Promise.resolve({ token: 'jwt', until: 0 });
      },
    };
    const oidc = { aws: { oidc: true } };
    const four = await set(open, { tokens, spec: oidc, validBefore: Date.now() + 4 * HOUR + 30_000 });
    expect((await ask(four)).status).toBe(302);
    expect(Object.fromEntries(forms[0] ?? [])).toEqual({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: ROLE,
      RoleSessionName: 'alice@example.com',
      DurationSeconds: '14400',
      WebIdentityToken: 'jwt',
    });
    expect([four.roles, asked]).toEqual([[], ['aws']]);
    const eight = await set(open, { tokens, spec: oidc });
    expect((await ask(eight)).headers['x-gatehouse-notice']).toContain('AWS ends');
    expect(forms.map((form) => form.get('DurationSeconds')).slice(2)).toEqual(['3600']);
  });

  it('refuses: what AWS refuses, with its reason', async () => {
    const house = await set(
      {
        'sts.us-east-1.amazonaws.com': (_, response) =>
          void response
            .writeHead(403)
            .end('<E><Error><Code>AccessDenied</Code><Message>Not &lt;authorized&gt;</Message></Error></E>'),
      },
      {
        spec: { aws: { oidc: true } },
        tokens: { get: () => Promise.resolve({ token: 'jwt', until: 0 }) },
      },
    );
    const { text } = await ask(house);
    expect(text).toContain('AccessDenied: Not <authorized>');
  });
});

describe('WebSockets', () => {
  const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

  it('ok: those of Session Manager are joined, and end with the session; S16', async () => {
    const seen: string[] = [];
    const front = await startAwsFront({ keys: [], handle: () => {} });
    closers.push(() => front.close());
    front.onUpgrade((request, socket: Duplex) => {
      seen.push(`${request.headers.host ?? ''} ${request.url ?? ''}`);
      const accept = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      );
      socket.on('error', () => {}).on('data', (data: Buffer) => socket.write(`echo ${data.toString()}`));
    });
    const house = await startAwsHouse({ front });
    closers.push(() => house.close());
    const host = 'ssmmessages.eu-central-1.amazonaws.com';
    const path = '/v1/data-channel/s-1?role=publish_subscribe';
    const outgoing = httpRequest({
      port: house.door,
      host: '127.0.0.1',
      path,
      headers: {
        host,
        'x-gatehouse-aws-host': host,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': KEY,
        'sec-websocket-version': '13',
      },
    });
    outgoing.end();
    const [answer, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Duplex];
    expect([answer.statusCode, seen]).toEqual([101, [`${host} ${path}`]]);
    socket.on('error', () => {}).write('hi');
    expect(String((await once(socket, 'data'))[0])).toBe('echo hi');
    const closed = once(socket, 'close');
    house.hooks[0]?.cut('lock', 'locked');
    await closed;
    expect(house.events).toContainEqual(
      expect.objectContaining({ event: 'app.session.request', aws_host: host, status_code: 101 }),
    );
  });

  it('refuses: unsigned ones to anything else', async () => {
    const house = await set({});
    const outgoing = httpRequest({
      port: house.door,
      host: '127.0.0.1',
      headers: {
        'x-gatehouse-aws-host': 'iot.eu-central-1.amazonaws.com',
        connection: 'Upgrade',
        upgrade: 'websocket',
      },
    });
    outgoing.end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(401);
  });
});
