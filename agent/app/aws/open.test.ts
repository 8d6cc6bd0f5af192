// The engine behind a person's local proxy, before a front of AWS that checks every signature.
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { openChunkedEncoder } from '#core/aws/chunked-encode.ts';
import { DIRECT_CREDENTIALS_HEADER, DIRECT_CREDENTIALS_PATH } from '#core/aws/direct-credentials.ts';
import { hashOf, type AwsRequest, type HeaderPair } from '#core/aws/canonical.ts';
import { presignRequest, signRequest, type SigningAlgorithm, type SignedRequest } from '#core/aws/sigv4.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { startAwsFront, type AwsFront, type AwsFrontOptions } from '#test/kit/aws-front.ts';
import {
  ACCOUNT,
  ROLE,
  ROLE_KEYS,
  startAwsHouse,
  type AwsHouse,
  type AwsHouseSetup,
} from '#test/kit/aws-house.ts';
import { until } from '#test/kit/until.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Setting {
  readonly front: AwsFront;
  readonly house: AwsHouse;
}

async function set(
  front: Partial<AwsFrontOptions> = {},
  house: Partial<AwsHouseSetup> = {},
): Promise<Setting> {
  const opened = await startAwsFront({
    keys: [ROLE_KEYS],
    handle: async (seen, body, response) => {
      for await (const _ of body);
      response.writeHead(200, { 'x-amz-test': 'yes' }).end(`got ${seen.length}`);
    },
    ...front,
  });
  closers.push(() => opened.close());
  const started = await startAwsHouse({ front: opened, ...house });
  closers.push(() => started.close());
  return { front: opened, house: started };
}

/** TLS to a host by CONNECT through the local proxy. */
async function through(house: AwsHouse, host: string): Promise<TLSSocket> {
  const socket = connect(Number(new URL(house.variables['HTTPS_PROXY'] ?? '').port), '127.0.0.1');
  socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nhost: ${host}:443\r\n\r\n`);
  const [first] = (await once(socket, 'data')) as [Buffer];
  if (!first.toString().startsWith('HTTP/1.1 200')) throw new Error(first.toString());
  const ca = await import('node:fs').then(({ readFileSync }) =>
    readFileSync(house.variables['AWS_CA_BUNDLE'] ?? '', 'utf8'),
  );
  const tls = connectTls({ socket, servername: host, ca });
  await once(tls, 'secureConnect');
  return tls;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function send(
  house: AwsHouse,
  host: string,
  signed: AwsRequest,
  body: string | Uint8Array = '',
): Promise<Answer> {
  const tls = await through(house, host);
  const outgoing = httpRequest({
    createConnection: () => tls,
    method: signed.method,
    path: signed.target,
    headers: signed.headers.flat(),
    setHost: false,
  });
  outgoing.end(body);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
  tls.destroy();
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    text: Buffer.concat(parts).toString(),
  };
}

interface Call {
  readonly method?: string;
  readonly host?: string;
  readonly target?: string;
  readonly headers?: readonly HeaderPair[];
  readonly service?: string;
  readonly region?: string;
  readonly algorithm?: SigningAlgorithm;
  readonly payload?: string;
}

const BUCKET = 'b.s3.eu-central-1.amazonaws.com';

function signedCall(house: AwsHouse, call: Call): SignedRequest {
  const { method = 'GET', host = BUCKET, target = '/', headers = [], service = 's3' } = call;
  return signRequest({ method, target, headers: [['Host', host], ...headers] }, house.localKeys, {
    service,
    region: call.region ?? 'eu-central-1',
    date: Date.now(),
    payload: call.payload ?? hashOf(''),
    ...(call.algorithm === undefined ? {} : { algorithm: call.algorithm }),
  });
}

describe('calls of APIs', () => {
  it('ok: signed anew with the role, for the same service and region, and put on record', async () => {
    const { front, house } = await set();
    const call = { target: '/a%20b//c?x=%2F&uploads', headers: [['X-Forwarded-For', '1.2.3.4']] as const };
    const answer = await send(house, BUCKET, signedCall(house, call));
    expect(answer).toMatchObject({ status: 200, text: 'got 0', headers: { 'x-amz-test': 'yes' } });
    expect(front.seen).toMatchObject([
      {
        host: BUCKET,
        target: '/a%20b//c?x=%2F&uploads',
        signature: {
          accessKeyId: ROLE_KEYS.accessKeyId,
          scope: { service: 's3', region: 'eu-central-1', algorithm: 'AWS4-HMAC-SHA256' },
        },
      },
    ]);
    const names = Object.keys(front.seen[0]?.headers ?? {});
    expect(names.filter((name) => /gatehouse|forwarded/.test(name))).toEqual([]);
    expect(house.roles).toEqual([
      { assumeRoleArn: ROLE, sessionName: 'alice@example.com', durationSeconds: 3600 },
    ]);
    expect(house.asked).toMatchObject([{ kind: 'aws', roleArn: ROLE, target: { name: 'awsconsole' } }]);
    await until('the event', () => house.events.some(({ event }) => event === 'app.session.request'));
    expect(house.events.find(({ event }) => event === 'app.session.request')).toMatchObject({
      user: 'alice@example.com',
      app_name: 'awsconsole',
      aws_role_arn: ROLE,
      aws_service: 's3',
      aws_region: 'eu-central-1',
      aws_host: BUCKET,
      method: 'GET',
      path: '/a%20b//c',
      raw_query: 'x=%2F&uploads',
      status_code: 200,
    });
  });

  it('ok: SigV4A, presigned, unsigned and hashed bodies, in the form they came', async () => {
    const { front, house } = await set();
    const put = { method: 'PUT', headers: [['Content-Length', '5']] as const };
    const hashed = signedCall(house, { ...put, payload: hashOf('hello') });
    expect((await send(house, BUCKET, hashed, 'hello')).text).toBe('got 5');
    const unsigned = signedCall(house, { ...put, payload: 'UNSIGNED-PAYLOAD' });
    expect((await send(house, BUCKET, unsigned, 'hello')).text).toBe('got 5');
    const ecdsa = signedCall(house, { algorithm: 'AWS4-ECDSA-P256-SHA256', region: '*' });
    expect((await send(house, BUCKET, ecdsa)).status).toBe(200);
    const presigned = presignRequest(
      { method: 'GET', target: '/k?versionId=1', headers: [['Host', BUCKET]] },
      house.localKeys,
      {
        service: 's3',
        region: 'eu-central-1',
        date: Date.now(),
        expires: 300,
        payload: 'UNSIGNED-PAYLOAD',
      },
    );
    expect((await send(house, BUCKET, presigned)).status).toBe(200);
    expect(front.refused).toEqual([]);
    expect(
      front.seen.map(({ signature: { payload, scope, expires } }) => [
        payload.kind,
        scope.algorithm,
        expires,
      ]),
    ).toEqual([
      ['hash', 'AWS4-HMAC-SHA256', undefined],
      ['unsigned', 'AWS4-HMAC-SHA256', undefined],
      ['hash', 'AWS4-ECDSA-P256-SHA256', undefined],
      ['unsigned', 'AWS4-HMAC-SHA256', 300],
    ]);
  });

  it('ok: chunks get signatures of the role, trailers too; by either algorithm', async () => {
    const { front, house } = await set();
    const data = Buffer.alloc(200_000, 'x');
    for (const algorithm of ['AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'] as const)
      for (const trailer of [false, true]) {
        const region = algorithm === 'AWS4-HMAC-SHA256' ? 'eu-central-1' : '*';
        const signed = signedCall(house, {
          method: 'PUT',
          algorithm,
          region,
          payload: `STREAMING-${algorithm}-PAYLOAD${trailer ? '-TRAILER' : ''}`,
          headers: [
            ['Content-Encoding', 'aws-chunked'],
            ['X-Amz-Decoded-Content-Length', String(data.length)],
            ['Transfer-Encoding', 'chunked'],
            ...(trailer ? ([['X-Amz-Trailer', 'x-amz-checksum-crc32']] as const) : []),
          ],
        });
        const encoder = openChunkedEncoder({
          trailer,
          sign: {
            scope: { algorithm, region, service: 's3' },
            amzDate: signed.amzDate,
            seed: signed.signature,
            credentials: house.localKeys,
          },
        });
        const body = Buffer.concat([
          ...encoder.push(data),
          ...encoder.end(trailer ? [['x-amz-checksum-crc32', 'AAAAAA==']] : []),
        ]);
        expect([
          algorithm,
          trailer,
          await send(house, BUCKET, signed, body),
          house.failures,
          front.refused,
        ]).toMatchObject([algorithm, trailer, { status: 200, text: 'got 200000' }, [], []]);
      }
    expect(front.refused).toEqual([]);
    expect(front.seen.map(({ headers }) => headers['content-length'] !== undefined)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  it('ok: Expect: 100-continue goes through, and a refusal comes before the body', async () => {
    const { front, house } = await set();
    const headers = [
      ['Expect', '100-continue'],
      ['Content-Length', '5'],
    ] as const;
    const tls = await through(house, BUCKET);
    const signed = signedCall(house, { method: 'PUT', headers, payload: hashOf('hello') });
    const outgoing = httpRequest({
      createConnection: () => tls,
      method: 'PUT',
      path: signed.target,
      headers: signed.headers.flat(),
      setHost: false,
    });
    outgoing.flushHeaders();
    await once(outgoing, 'continue');
    outgoing.end('hello');
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect([answer.statusCode, front.seen[0]?.length]).toEqual([200, 5]);
    tls.destroy();
  });

  it('ok: what a form or a target asks for is on record', async () => {
    const { house } = await set();
    const host = 'ec2.eu-central-1.amazonaws.com';
    const form = 'Action=DescribeInstances&Version=2016-11-15';
    const signed = signedCall(house, {
      method: 'POST',
      host,
      service: 'ec2',
      payload: hashOf(form),
      headers: [
        ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'],
        ['Content-Length', String(form.length)],
      ],
    });
    expect((await send(house, host, signed, form)).status).toBe(200);
    const dynamodb = 'dynamodb.eu-central-1.amazonaws.com';
    const target = signedCall(house, {
      method: 'POST',
      host: dynamodb,
      service: 'dynamodb',
      payload: hashOf('{}'),
      headers: [
        ['Content-Type', 'application/x-amz-json-1.0'],
        ['X-Amz-Target', 'DynamoDB_20120810.ListTables'],
        ['Content-Length', '2'],
      ],
    });
    expect((await send(house, dynamodb, target, '{}')).status).toBe(200);
    const actions = (): unknown[] =>
      house.events.filter(({ aws_action }) => aws_action !== undefined).map(({ aws_action }) => aws_action);
    await until('the events', () => actions().length === 2);
    expect(actions()).toEqual(['DescribeInstances', 'ListTables']);
  });

  it('ok: S35 what was forwarded is on record also when AWS does not answer', async () => {
    const { house } = await set({ handle: (_, __, response) => void response.socket?.destroy() });
    const answer = await send(house, BUCKET, signedCall(house, { target: '/k' }));
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.text).toContain('<Code>ServiceUnavailable</Code>');
    expect(house.events).toContainEqual(
      expect.objectContaining({ event: 'app.session.request', path: '/k', status_code: 0 }),
    );
  });

  it('refuses: S35 what could not be put on record, until it can', async () => {
    let filled = 0.6;
    const { house, front } = await set({}, { auditFilled: () => filled });
    const answer = await send(house, BUCKET, signedCall(house, {}));
    expect([answer.status, front.seen]).toEqual([503, []]);
    expect(answer.text).toContain('<Code>ServiceUnavailable</Code>');
    filled = 0.4;
    expect((await send(house, BUCKET, signedCall(house, {}))).status).toBe(200);
  });

  it('ok: S16 a cut ends what is under way, at once and on both sides', async () => {
    let reached: () => void = () => {};
    const arrived = new Promise<void>((resolve) => (reached = resolve));
    let isGone = false;
    const { house } = await set({
      handle: (_, __, response) => {
        response.once('close', () => (isGone = true));
        response.writeHead(200).write('first');
        reached();
      },
    });
    const tls = await through(house, BUCKET);
    tls.on('error', () => {});
    const signed = signedCall(house, {});
    const lines = signed.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    tls.write(`GET / HTTP/1.1\r\n${lines}\r\n`);
    await arrived;
    const closed = once(tls, 'close');
    tls.resume();
    house.hooks[0]?.cut('lock', 'locked');
    await closed;
    await until('AWS sees the end', () => isGone);
  });
});

describe('an application that is changed while somebody uses it', () => {
  const relayed = {
    'x-gatehouse-aws-host': BUCKET,
    'x-gatehouse-aws-scope':
      'algorithm=AWS4-HMAC-SHA256;service=s3;region=eu-central-1;payload=UNSIGNED-PAYLOAD',
  };

  it('refuses: S16 its credentials and its role, on the connection that is open', async () => {
    const { house } = await set({}, { spec: { aws: { direct_credentials: true } } });
    let agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = async (path: string, headers: Record<string, string>): Promise<number | undefined> => {
      const method = path === '/' ? 'GET' : 'POST';
      const outgoing = httpRequest({ agent, host: '127.0.0.1', port: house.door, path, method, headers });
      outgoing.end();
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
      for await (const _ of answer);
      return answer.statusCode;
    };
    const give = () => ask(DIRECT_CREDENTIALS_PATH, { [DIRECT_CREDENTIALS_HEADER]: '1' });
    expect([await give(), await ask('/', relayed)]).toEqual([200, 200]);
    house.change({ spec: { aws: { direct_credentials: false } } });
    expect([await give(), await ask('/', relayed)]).toEqual([403, 200]);
    expect(house.asked).toHaveLength(1);
    house.change({ labels: { aws_account_id: '999999999999' } });
    await until('the connection is ended', () => house.hooks.length === 0);
    agent.destroy();
    agent = new Agent();
    expect(await ask('/', relayed)).toBe(403);
    agent.destroy();
  });
});

describe('calls of APIs that are refused', () => {
  async function refused(call: Call, setup: Partial<AwsHouseSetup> = {}): Promise<Answer> {
    const { front, house } = await set({}, setup);
    const answer = await send(house, call.host ?? BUCKET, signedCall(house, call));
    expect(front.seen).toEqual([]);
    return answer;
  }

  it('refuses: what the guard refuses, in the form of the service, with the id of the denial', async () => {
    const answer = await refused(
      {},
      {
        refuse: () => {
          throw new GatehouseError('ACCESS_DENIED', 'access denied (denial d-7)', {
            details: { denialId: 'd-7' },
          });
        },
      },
    );
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('<Code>AccessDenied</Code><Message>Gatehouse: access denied (denial d-7)');
  });

  it('refuses: no role, roles of another account or partition', async () => {
    expect((await refused({}, { role: null })).text).toContain('gate apps login --aws-role');
    expect((await refused({}, { labels: { aws_account_id: '999999999999' } })).text).toContain(
      'not of the account',
    );
    expect((await refused({}, { role: `arn:aws-cn:iam::${ACCOUNT}:role/x` })).text).toContain('partition');
  });

  it('refuses: S25 requests that reach the agent for another host, whatever the local side says', async () => {
    const { front, house } = await set();
    for (const host of [
      '169.254.169.254',
      'instance-data',
      'localhost',
      '127.0.0.1',
      'example.com',
      's3.amazonaws.com.evil.example',
      'ec2-1-2-3-4.eu-central-1.compute.amazonaws.com',
      'lb-1.eu-central-1.elb.amazonaws.com',
      's3.cn-north-1.amazonaws.com.cn',
      '',
    ]) {
      const outgoing = httpRequest({
        port: house.door,
        host: '127.0.0.1',
        path: '/latest/meta-data/',
        headers: {
          'x-gatehouse-aws-host': host,
          'x-gatehouse-aws-scope':
            'algorithm=AWS4-HMAC-SHA256;service=s3;region=eu-central-1;payload=UNSIGNED-PAYLOAD',
        },
      });
      outgoing.end();
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
      answer.resume();
      expect([host, answer.statusCode]).toEqual([host, 403]);
    }
    expect(front.seen).toEqual([]);
  });

  it('refuses: S25 a redirect of AWS is given back, not followed', async () => {
    const { front, house } = await set({
      handle: (_, __, response) =>
        void response.writeHead(307, { location: 'https://169.254.169.254/latest/' }).end(),
    });
    const answer = await send(house, BUCKET, signedCall(house, {}));
    expect([answer.status, front.seen.length]).toEqual([307, 1]);
  });

  it('refuses: requests without a scope, and regions of another partition', async () => {
    const { house } = await set();
    const ask = async (headers: Record<string, string>): Promise<number | undefined> => {
      const outgoing = httpRequest({ port: house.door, host: '127.0.0.1', headers });
      outgoing.end();
      const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
      answer.resume();
      return answer.statusCode;
    };
    const scope = 'algorithm=AWS4-HMAC-SHA256;service=s3;region=cn-north-1;payload=UNSIGNED-PAYLOAD';
    expect(await ask({ 'x-gatehouse-aws-host': BUCKET })).toBe(403);
    expect(await ask({ 'x-gatehouse-aws-host': BUCKET, 'x-gatehouse-aws-scope': scope })).toBe(400);
    expect(await ask({ 'x-gatehouse-aws-host': BUCKET, 'x-gatehouse-aws-scope': 'x' })).toBe(400);
  });

  it('refuses: a chunk that was changed never becomes a whole body at AWS', async () => {
    const { front, house } = await set();
    const signed = signedCall(house, {
      method: 'PUT',
      payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      headers: [
        ['X-Amz-Decoded-Content-Length', '5'],
        ['Transfer-Encoding', 'chunked'],
      ],
    });
    const body = `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`;
    await send(house, BUCKET, signed, body).catch(() => undefined);
    expect(front.seen.every(({ length }) => length === 0)).toBe(true);
    expect(house.failures.map(String).join()).toContain('signature of a chunk');
  });
});
