import { createHash, createHmac, randomBytes, X509Certificate, type BinaryLike } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PARTITIONS } from '#core/aws/partitions.ts';
import { RELAY_HOST_HEADER, RELAY_SCOPE_HEADER } from '#core/aws/relay.ts';
import { presignRequest, signRequest, type SigningCredentials } from '#core/aws/sigv4.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { localAuthority } from '#core/certs/x509/local-authority.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { systemClock } from '#core/clock.ts';
import { Secret } from '#core/secret.ts';
import type { LocalAuthority } from './authority.ts';
import { makeLocalKeys } from './local-keys.ts';
import { openAwsProxy, type AwsProxy } from './local-proxy.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const HOUR_MS = 3_600_000;
const HOST = 's3.eu-west-1.amazonaws.com';
const STS = 'sts.eu-west-1.amazonaws.com';
const keys = makeLocalKeys();
const authorityKey = generateKeyPair('ecdsa-p256').privateKey;
const times = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS };
const authority: LocalAuthority = {
  ...times,
  key: authorityKey,
  certificate: certificateToPem(
    localAuthority({ ...times, privateKey: authorityKey, commonName: 'box', domains: ['amazonaws.com'] }),
  ),
};

let agent: Server;
let agentPort: number;
let proxy: AwsProxy;
let seen: Seen[] = [];
let connections = 0;
const failures: string[] = [];
const open: Duplex[] = [];

/** Stands for the agent: says what it was asked, and answers with the length of the body. */
beforeAll(async () => {
  agent = createServer((request, response) => {
    void (async () => {
      if (request.url === '/early') {
        response.writeHead(403, { connection: 'close' }).end('no');
        return;
      }
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body = Buffer.concat(parts);
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      response
        .writeHead(200, { 'x-amz-request-id': 'r1', 'content-type': 'text/plain' })
        .end(`${body.length}`);
    })().catch(() => response.destroy());
  });
  agent.on('upgrade', (request, socket: Duplex, head) => {
    seen.push({ method: 'UPGRADE', url: request.url ?? '', headers: request.headers, body: head });
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.pipe(socket);
    socket.on('error', () => {});
  });
  agent.on('connection', () => connections++);
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  agentPort = (agent.address() as AddressInfo).port;
  proxy = await openAwsProxy({
    port: 0,
    clock: systemClock,
    partition: PARTITIONS.aws,
    keys,
    authority: () => Promise.resolve(authority),
    open: () =>
      new Promise<Socket>((resolve) => {
        const socket = connect(agentPort, '127.0.0.1', () => resolve(socket));
      }),
    failed: (error) => failures.push((error as Error).message),
  });
});
afterEach(() => {
  seen = [];
  failures.length = 0;
  for (const stream of open.splice(0).toReversed()) stream.destroy();
});
afterAll(() => {
  proxy.close();
  agent.closeAllConnections();
  agent.close();
});

/** What the proxy says to CONNECT, and the connection behind it. */
async function tunnel(target: string): Promise<{ head: string; socket: Socket }> {
  const socket = connect(proxy.port, '127.0.0.1');
  open.push(socket);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  let head = '';
  for await (const part of socket.iterator({ destroyOnReturn: false })) {
    head += String(part);
    if (head.includes('\r\n\r\n')) break;
  }
  return { head, socket };
}

async function shake(host: string): Promise<TLSSocket> {
  const { head, socket } = await tunnel(`${host}:443`);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  const tls = connectTls({ socket, servername: host, ca: [authority.certificate] });
  open.push(tls);
  await new Promise<void>((resolve, reject) => tls.once('secureConnect', resolve).once('error', reject));
  return tls;
}

interface Ask {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly credentials?: SigningCredentials;
  readonly date?: number;
  /** Changes what was signed. */
  readonly tamper?: (headers: [string, string][]) => [string, string][];
}

/** What the SDK's signer wants of a hash. */
class Sha256 {
  readonly #hash;
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as BinaryLike);
  }
  update(data: BinaryLike): void {
    this.#hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

const hashOf = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');

async function send(
  about: {
    method: string;
    target: string;
    headers: readonly (readonly [string, string])[];
    body?: Uint8Array;
  },
  via?: TLSSocket,
): Promise<{ status: number; text: string; headers: IncomingMessage['headers'] }> {
  const request = httpRequest({
    method: about.method,
    path: about.target,
    headers: about.headers.flat(),
    ...(via === undefined ? { host: '127.0.0.1', port: proxy.port } : { createConnection: () => via }),
  });
  request.end(about.body);
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  );
  let text = '';
  for await (const part of answer) text += String(part);
  return { status: answer.statusCode ?? 0, text, headers: answer.headers };
}

async function ask(about: Ask = {}): Promise<{ status: number; text: string }> {
  const { body = new Uint8Array(), tamper } = about;
  const length = about.body === undefined ? {} : { 'content-length': String(body.length) };
  const request = {
    method: about.method ?? 'GET',
    target: about.target ?? '/bucket/key',
    headers: Object.entries({ host: HOST, ...about.headers, ...length }),
  };
  const signed = signRequest(request, about.credentials ?? keys, {
    service: 's3',
    region: 'eu-west-1',
    date: about.date ?? Date.now(),
    payload: hashOf(body),
  });
  const sent = signed.headers.map(([name, value]) => [name, value] as [string, string]);
  return send({ ...signed, headers: tamper?.(sent) ?? sent, body }, await shake(HOST));
}

describe('by CONNECT', () => {
  it('ok: a signed request reaches the agent without its signature, with what it was for', async () => {
    expect(await ask({ target: '/bucket/key?list-type=2' })).toMatchObject({ status: 200, text: '0' });
    const [request] = seen;
    expect(request?.url).toBe('/bucket/key?list-type=2');
    expect(request?.headers).toMatchObject({ host: HOST, [RELAY_HOST_HEADER]: HOST });
    expect(request?.headers[RELAY_SCOPE_HEADER]).toBe(
      `algorithm=AWS4-HMAC-SHA256;service=s3;region=eu-west-1;payload=${hashOf(new Uint8Array())}`,
    );
    expect(request?.headers.authorization).toBeUndefined();
    expect(JSON.stringify(request)).not.toContain(keys.accessKeyId);
  });

  it('ok: a body streams through, and one without a hash is read first', async () => {
    const body = randomBytes(3_000_000);
    expect(await ask({ method: 'PUT', body })).toMatchObject({ status: 200, text: '3000000' });
    expect(hashOf(seen[0]?.body ?? Buffer.of())).toBe(hashOf(body));
  });

  it('ok: a body that says no hash of itself is read first', async () => {
    // As services other than S3 are spoken to: the hash is in the signature alone.
    const form = Buffer.from('Action=GetCallerIdentity&Version=2011-06-15');
    const signer = new SignatureV4({
      service: 'sts',
      region: 'eu-west-1',
      sha256: Sha256 as never,
      applyChecksum: false,
      credentials: { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey.reveal() },
    });
    const { headers } = await signer.sign({
      method: 'POST',
      protocol: 'https:',
      hostname: STS,
      path: '/',
      headers: { host: STS, 'content-type': 'application/x-www-form-urlencoded' },
      body: form,
    });
    const pairs = Object.entries({ ...headers, 'content-length': String(form.length) });
    const answer = await send({ method: 'POST', target: '/', headers: pairs, body: form }, await shake(STS));
    expect(answer.text).toBe(String(form.length));
    expect(seen[0]?.body.toString()).toBe(form.toString());
    expect(seen[0]?.headers[RELAY_SCOPE_HEADER]).toContain(
      `service=sts;region=eu-west-1;payload=${hashOf(form)}`,
    );
    const tampered = Buffer.from('Action=GetCallerIdentity&Version=2099-06-15');
    const refused = await send(
      { method: 'POST', target: '/', headers: pairs, body: tampered },
      await shake(STS),
    );
    expect(refused.text).toContain('SignatureDoesNotMatch');
  });

  it('ok: connections are used again', async () => {
    await ask();
    const before = connections;
    for (let index = 0; index < 3; index++) expect((await ask()).status).toBe(200);
    expect(connections).toBe(before);
  });

  it('ok: a presigned request', async () => {
    const { method, target, headers } = presignRequest(
      { method: 'GET', target: '/bucket/key', headers: [['host', HOST]] },
      keys,
      { service: 's3', region: 'eu-west-1', date: Date.now(), payload: 'UNSIGNED-PAYLOAD', expires: 900 },
    );
    expect(await send({ method, target, headers }, await shake(HOST))).toMatchObject({ status: 200 });
    expect(seen[0]?.url).toBe('/bucket/key');
    expect(seen[0]?.headers[RELAY_SCOPE_HEADER]).toMatch(/payload=UNSIGNED-PAYLOAD;expires=900$/);
  });

  it('ok: WebSockets of sessions, which carry their key in themselves', async () => {
    const host = 'ssmmessages.eu-west-1.amazonaws.com';
    const tls = await shake(host);
    tls.write(
      `GET /v1/data-channel/x HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    let text = '';
    for await (const part of tls.iterator({ destroyOnReturn: false })) {
      text += String(part);
      if (text.includes('\r\n\r\n')) break;
    }
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    tls.write('hello');
    for await (const part of tls.iterator({ destroyOnReturn: false })) {
      expect(String(part)).toBe('hello');
      break;
    }
    expect(seen[0]?.headers[RELAY_SCOPE_HEADER]).toBeUndefined();
    expect(seen[0]?.headers[RELAY_HOST_HEADER]).toBe(host);
  });

  it('ok: WebSockets that are signed in the address, as one of a request without a body', async () => {
    const host = 'transcribestreaming.eu-west-1.amazonaws.com';
    const request = {
      method: 'GET',
      target: '/stream-transcription-websocket?x=1',
      headers: [['Host', host]] as const,
    };
    const { target } = presignRequest(request, keys, {
      service: 'transcribe',
      region: 'eu-west-1',
      date: Date.now(),
      payload: hashOf(new Uint8Array()),
      expires: 300,
    });
    const upgrade = { host, connection: 'Upgrade', upgrade: 'websocket' };
    const via = await shake(host);
    const outgoing = httpRequest({ path: target, headers: upgrade, createConnection: () => via });
    outgoing.end();
    await once(outgoing, 'upgrade');
    expect(seen[0]?.url).toBe('/stream-transcription-websocket?x=1');
    expect(seen[0]?.headers[RELAY_SCOPE_HEADER]).toContain(
      `;payload=${hashOf(new Uint8Array())};expires=300`,
    );
  });

  it('ok: the agent may answer before the body has ended', async () => {
    expect(await ask({ method: 'PUT', target: '/early', body: randomBytes(50_000) })).toMatchObject({
      status: 403,
    });
  });
});

describe('as an endpoint', () => {
  it('ok: what it was signed for says where it goes', async () => {
    const signed = signRequest(
      { method: 'GET', target: '/', headers: [['host', `127.0.0.1:${proxy.port}`]] },
      keys,
      { service: 'sts', region: 'eu-west-1', date: Date.now(), payload: hashOf(new Uint8Array()) },
    );
    expect(await send(signed)).toMatchObject({ status: 200 });
    expect(seen[0]?.headers).toMatchObject({
      host: 'sts.eu-west-1.amazonaws.com',
      [RELAY_HOST_HEADER]: 'sts.eu-west-1.amazonaws.com',
    });
  });
});

describe('S25 it is no proxy for others', () => {
  it.each([
    'example.com:443',
    '169.254.169.254:80',
    '169.254.169.254:443',
    '[fd00:ec2::254]:443',
    'ec2-203-0-113-25.compute-1.amazonaws.com:443',
    's3.eu-west-1.amazonaws.com:80',
    's3.eu-west-1.amazonaws.com.evil.example:443',
    's3.cn-north-1.amazonaws.com.cn:443',
    'nonsense',
  ])('refuses: CONNECT %s, in words', async (target) => {
    const { head } = await tunnel(target);
    expect(head).toMatch(/^HTTP\/1\.1 (403|400) /);
    expect(seen).toEqual([]);
  });

  it('refuses: another host than the one of the connection', async () => {
    const signed = signRequest(
      { method: 'GET', target: '/', headers: [['host', 'sts.eu-west-1.amazonaws.com']] },
      keys,
      { service: 'sts', region: 'eu-west-1', date: Date.now(), payload: hashOf(new Uint8Array()) },
    );
    const answer = await send(signed, await shake(HOST));
    expect(answer.status).toBe(400);
    expect(seen).toEqual([]);
  });

  it('S19 headers that speak for the proxy are its own', async () => {
    const headers = {
      [RELAY_SCOPE_HEADER]: 'x',
      [RELAY_HOST_HEADER]: 'iam.amazonaws.com',
      'x-gatehouse-user': 'root',
    };
    expect((await ask({ headers })).status).toBe(200);
    expect(seen[0]?.headers[RELAY_HOST_HEADER]).toBe(HOST);
    expect(seen[0]?.headers[RELAY_SCOPE_HEADER]).toMatch(/^algorithm=/);
    expect(seen[0]?.headers['x-gatehouse-user']).toBeUndefined();
  });
});

describe('signatures that are none', () => {
  const other: SigningCredentials = { accessKeyId: keys.accessKeyId, secretAccessKey: new Secret('other') };

  it.each<[string, Ask, RegExp]>([
    ['another secret', { credentials: other }, /SignatureDoesNotMatch/],
    ['another key', { credentials: makeLocalKeys() }, /InvalidClientTokenId/],
    ['a clock that is off', { date: Date.now() - HOUR_MS }, /RequestTimeTooSkewed/],
    [
      'none',
      { tamper: (headers) => headers.filter(([name]) => name.toLowerCase() !== 'authorization') },
      /MissingAuthenticationToken/,
    ],
    [
      'a header put beside it',
      { tamper: (headers) => [...headers, ['x-amz-acl', 'public-read']] },
      /AccessDenied/,
    ],
  ])('refuses: %s, as AWS says it', async (_, about, text) => {
    const answer = await ask(about);
    expect(answer.status).toBe(403);
    expect(answer.text).toMatch(text);
    expect(answer.text).toMatch(/^<\?xml/);
    expect(seen).toEqual([]);
    expect(failures).toHaveLength(1);
  });
});

it('ok: what programs are shown is for the host, by the authority of the login', async () => {
  const tls = await shake(HOST);
  const shown = new X509Certificate(tls.getPeerCertificate().raw);
  expect(shown.subjectAltName).toBe(`DNS:${HOST}`);
  expect(shown.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
});
