// Against servers that are slow, full, lying or gone; what a good one does is in the conformance suite.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { inCluster } from './api-server.ts';
import { thing, THINGS } from './conformance/thing.ts';
import { connectKube, type ConnectedKube } from './connect.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let clock: FakeClock;
let kube: ConnectedKube;
let folder: string;
let port: number;
/** One for each call; the last one goes on. */
let answers: Answer[];
let seen: string[];
const servers: Server[] = [];

async function serve(answer: Answer, caFile = 'ca.crt'): Promise<number> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const now = Date.now();
  const certificate = certificateToPem(
    selfSignedServer({
      privateKey,
      commonName: 'kube',
      dnsNames: ['localhost'],
      ipAddresses: ['127.0.0.1'],
      notBefore: now - 3_600_000,
      notAfter: now + 86_400_000,
    }),
  );
  const server = createServer({ cert: certificate, key: privateKeyPem(privateKey).reveal() }, answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  writeFileSync(join(folder, caFile), certificate);
  return (server.address() as AddressInfo).port;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-kube-transport-'));
  writeFileSync(join(folder, 'token'), 'one\n');
  clock = new FakeClock();
  answers = [];
  seen = [];
  port = await serve((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer?.(request, response);
  });
  kube = await connect({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) });
});
afterEach(async () => {
  kube.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(folder, { recursive: true, force: true });
});

function connect(environment: Record<string, string>): Promise<ConnectedKube> {
  const server = inCluster({ clock, environment, accountDir: folder });
  return connectKube({ clock, environment, types: [THINGS], version: '1', observe: () => {}, server });
}

const says =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
const good = says(200, thing('n', 'a', { n: 1 }));
const key = { namespace: 'n', name: 'a' };

/** The outcome, while time passes. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  const done = call.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  let result: unknown;
  void done.then((value) => (result = value));
  return until('answer', async () => {
    await clock.advance(250);
    return result;
  });
}

it('ok: reads are tried again while the server is busy; the fourth failure is told', async () => {
  answers = [says(503, ''), says(504, ''), good];
  expect(await outcome(kube.get(THINGS, key))).toMatchObject({ value: { spec: { n: 1 } } });
  expect(seen).toHaveLength(3);
  answers = [says(503, { message: 'etcd has gone' })];
  const error = await outcome(kube.get(THINGS, key));
  expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  expect((error as Error).message).toContain('etcd has gone');
  expect(seen).toHaveLength(7);
});

it('ok: a creation is tried again when the server did not take it, and not when it may have', async () => {
  answers = [says(429, '', { 'retry-after': '2' }), says(201, thing('n', 'a', {}))];
  const before = clock.now();
  expect(await outcome(kube.create(thing('n', 'a', {})))).toMatchObject({ value: { kind: 'Thing' } });
  expect(clock.now() - before).toBeGreaterThanOrEqual(2000);
  expect(seen).toHaveLength(2);
  answers = [says(503, ''), says(201, thing('n', 'a', {}))];
  expect(await outcome(kube.create(thing('n', 'a', {})))).toMatchObject({ code: 'UNAVAILABLE' });
  answers = [(request) => request.socket.destroy(), says(201, thing('n', 'a', {}))];
  expect(await outcome(kube.create(thing('n', 'a', {})))).toMatchObject({ code: 'UNAVAILABLE' });
  expect(seen).toHaveLength(4);
});

it('ok: a server that wants more patience than a call has is told at once', async () => {
  answers = [says(429, { message: 'slow down' }, { 'retry-after': '600' })];
  await expect(kube.get(THINGS, key)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  expect(seen).toHaveLength(1);
});

it('ok: a connection that breaks is made again for what can be done twice', async () => {
  answers = [(request) => request.socket.destroy(), good];
  expect(await outcome(kube.apply(thing('n', 'a', {})))).toMatchObject({ value: { kind: 'Thing' } });
});

it('ok: the token is read again each minute, and at once when it is refused', async () => {
  answers = [good];
  await kube.get(THINGS, key);
  writeFileSync(join(folder, 'token'), 'two');
  await kube.get(THINGS, key);
  clock.step(61_000);
  await kube.get(THINGS, key);
  writeFileSync(join(folder, 'token'), 'three');
  answers = [says(401, ''), good];
  await kube.get(THINGS, key);
  expect(seen.map((call) => call.split(' ').at(-1))).toEqual(['one', 'one', 'two', 'two', 'three']);
});

it('S37 refuses: to follow a redirect; its token goes nowhere else', async () => {
  const elsewhere: string[] = [];
  const other = await serve((request, response) => {
    elsewhere.push(request.url ?? '');
    response.end('{}');
  }, 'other.crt');
  for (const status of [301, 302, 303, 307, 308]) {
    answers = [says(status, '', { location: `https://127.0.0.1:${other}/steal` })];
    expect(await outcome(kube.get(THINGS, key))).toMatchObject({ code: 'UNAVAILABLE' });
  }
  expect(elsewhere).toEqual([]);
});

it('S37 refuses: names that would lead to another path, before any call', async () => {
  const names = [
    '../secrets/x',
    '..',
    '.',
    'a/b',
    'a%2fb',
    'a?watch=1',
    'a#b',
    '',
    'a b',
    'ä',
    'x'.repeat(300),
  ];
  for (const name of names) {
    await expect(kube.get(THINGS, { namespace: 'n', name })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(kube.get(THINGS, { namespace: name, name: 'a' })).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
    const object = thing('n', name, {});
    await expect(Promise.resolve().then(() => kube.apply(object))).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
  }
  await expect(kube.get(THINGS, { name: 'a' })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  expect(seen).toEqual([]);
});

it('S37 refuses: a server that its authority did not vouch for, before the token is sent', async () => {
  const own = port;
  await serve(() => {});
  const stranger = await connect({
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String(own),
  });
  expect(await outcome(stranger.get(THINGS, key))).toMatchObject({ code: 'UNAVAILABLE' });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  expect(await outcome(stranger.get(THINGS, key))).toMatchObject({ code: 'UNAVAILABLE' });
  vi.unstubAllEnvs();
  expect(seen).toEqual([]);
  stranger.close();
});

it('S37 refuses: an authority that is empty, with which any public one would do', async () => {
  writeFileSync(join(folder, 'ca.crt'), '\n');
  const error = await outcome(kube.get(THINGS, key));
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ca.crt') });
  expect(seen).toEqual([]);
});

it('refuses: answers that are not objects, and answers without an end', async () => {
  for (const body of ['', 'null', '[]', '{"metadata":{}}', '<html>', '{"metadata":{"name":"a"}}']) {
    answers = [says(200, body)];
    expect([body, await outcome(kube.get(THINGS, key))]).toMatchObject([body, { code: 'UNAVAILABLE' }]);
  }
  const endless: Answer = (request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    request.on('close', () => response.destroy());
    more();
  };
  answers = [endless];
  await expect(kube.get(THINGS, key)).rejects.toMatchObject({ code: 'TOO_LARGE' });
  // A page that is too large is asked for in smaller ones.
  answers = [endless, says(200, { metadata: { resourceVersion: '7' }, items: [thing('n', 'a', {})] })];
  expect(await kube.list(THINGS, {})).toMatchObject({ resourceVersion: '7' });
  expect(seen.slice(-2).map((call) => /limit=\d+/.exec(call)?.[0])).toEqual(['limit=500', 'limit=20']);
});

it('ok: pages that were forgotten are listed anew, a few times', async () => {
  const page = says(200, {
    metadata: { resourceVersion: '7', continue: 'next' },
    items: [thing('n', 'a', {})],
  });
  const gone = says(410, { reason: 'Expired', message: 'the continue token is too old' });
  const last = says(200, { metadata: { resourceVersion: '9' }, items: [] });
  answers = [page, gone, page, last];
  expect(await kube.list(THINGS, {})).toMatchObject({ resourceVersion: '9', items: [{ kind: 'Thing' }] });
  answers = [page, gone, page, gone, page, gone, last];
  await expect(kube.list(THINGS, {})).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
});

it('ok: watches tell their end: quietly, by silence, by an error in their midst, or broken', async () => {
  const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
  const added = event('ADDED', thing('n', 'a', {}));
  const told: string[] = [];
  const watch = async (): Promise<readonly string[]> => {
    told.length = 0;
    const from = { resourceVersion: '1' };
    for await (const one of kube.watch(THINGS, from, new AbortController().signal)) told.push(one.type);
    return told;
  };
  const bookmark = event('BOOKMARK', { metadata: { resourceVersion: '5' } });
  answers = [says(200, added + bookmark)];
  expect(await watch()).toEqual(['ADDED', 'BOOKMARK']);
  expect(seen.at(-1)).toMatch(/allowWatchBookmarks=true&resourceVersion=1&timeoutSeconds=\d{3} /);
  answers = [says(200, added + event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }))];
  await expect(watch()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  for (const line of [
    '{"type":"ADDED"',
    '{"type":"ADDED","object":{}}\n',
    '{"type":"WHAT","object":{}}\n',
    '{]\n',
  ]) {
    answers = [says(200, added + line)];
    await expect(watch()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  }
  answers = [
    (_, response) => {
      response.writeHead(200);
      response.write(added);
    },
  ];
  const silent = watch();
  await until('event', () => told.length === 1);
  let hasEnded = false;
  void silent.then(() => (hasEnded = true));
  await until('silence is the end', async () => (await clock.advance(30_000), hasEnded));
});
