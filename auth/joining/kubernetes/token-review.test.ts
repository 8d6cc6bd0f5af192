// The call to the API server of auth's own cluster, over real TLS: what is sent, what is believed, and what an API server
// that is slow, wrong or without rights for us leads to. joining.slow.test.ts has a real one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { silentLog, type Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { startTlsServer, type TlsServer } from '#test/kit/tls-server.ts';
import { until } from '#test/kit/until.ts';
import { TokenReviews } from './token-review.ts';

const USER = {
  username: 'system:serviceaccount:apps:agent',
  extra: {
    'authentication.kubernetes.io/pod-name': ['agent-0'],
    'authentication.kubernetes.io/pod-uid': ['uid-1'],
  },
};
const GOOD = { authenticated: true, audiences: ['test.example.com'], user: USER };

interface Asked {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

let server: TlsServer;
let folder: string;
let asked: Asked[];
let reply: (response: ServerResponse) => void;
let lines: string[];

const status =
  (value: unknown, code = 201) =>
  (response: ServerResponse) => {
    response.statusCode = code;
    response.end(typeof value === 'string' ? value : JSON.stringify({ kind: 'TokenReview', status: value }));
  };
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const part of request) text += String(part);
  asked.push({ path: request.url, authorization: request.headers.authorization, body: JSON.parse(text) });
  reply(response);
}
const log: Log = {
  ...silentLog,
  warn: (fields, message) =>
    void lines.push(
      `${message} ${JSON.stringify(fields)} ${String((fields as { err?: Error }).err?.message)}`,
    ),
};
const open = (): TokenReviews =>
  new TokenReviews({ host: '127.0.0.1', port: server.port, credentialsDir: folder }, log);
const ask = (reviews = open()): ReturnType<TokenReviews['review']> =>
  reviews.review(new Secret('a.pod.token'), 'test.example.com');

beforeEach(async () => {
  asked = [];
  lines = [];
  reply = status(GOOD);
  server = await startTlsServer((request, response) => void answer(request, response));
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-review-'));
  writeFileSync(join(folder, 'token'), 'own-token-1\n');
  writeFileSync(join(folder, 'ca.crt'), server.authority);
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

it('ok: asks about this token for this audience, with the credentials that are there now', async () => {
  const reviews = open();
  expect(await ask(reviews)).toEqual({
    username: USER.username,
    audiences: ['test.example.com'],
    podName: 'agent-0',
    podUid: 'uid-1',
  });
  writeFileSync(join(folder, 'token'), 'own-token-2');
  await ask(reviews);
  expect(asked[0]).toEqual({
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    authorization: 'Bearer own-token-1',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: 'a.pod.token', audiences: ['test.example.com'] },
    },
  });
  expect(asked[1]?.authorization).toBe('Bearer own-token-2');
});

it.each<[string, unknown]>([
  ['no', { authenticated: false, error: 'invalid bearer token' }],
  ['nothing', {}],
  ['yes as a word', { ...GOOD, authenticated: 'true' }],
  ['yes, for another audience', { ...GOOD, audiences: ['https://kubernetes.default.svc'] }],
  ['yes, and knows nothing of audiences', { ...GOOD, audiences: undefined }],
  ['yes, for nobody', { ...GOOD, user: {} }],
  ['something else', []],
])('refuses: it says %s', async (_title, value) => {
  reply = status(value);
  expect(await ask()).toBeUndefined();
});

it('ok: a token that is bound to no pod, or to two, has none', async () => {
  reply = status({ ...GOOD, user: { username: USER.username } });
  expect(await ask()).toMatchObject({ podName: undefined, podUid: undefined });
  reply = status({
    ...GOOD,
    user: { ...USER, extra: { 'authentication.kubernetes.io/pod-name': ['a', 'b'] } },
  });
  expect(await ask()).toMatchObject({ podName: undefined });
});

it.each<[string, (response: ServerResponse) => void, string]>([
  ['rights', status('{}', 403), 'bind system:auth-delegator'],
  ['credentials', status('{}', 401), 'bind system:auth-delegator'],
  ['health', status('{}', 503), 'status 503'],
  ['JSON', status('<html>'), 'no JSON'],
  ['an end', (response) => void response.destroy(), 'cannot be asked'],
  ['bounds', status(' '.repeat(300_000)), 'more than 262144 bytes'],
  [
    'a place of its own',
    (response) => void response.writeHead(302, { location: 'https://x/' }).end(),
    'status 302',
  ],
])(
  'refuses, for now: an API server without %s; the log says so, without tokens',
  async (_title, how, message) => {
    reply = how;
    await expect(ask()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(message),
    });
    expect(lines.join()).toContain(message);
    expect(lines.join()).not.toMatch(/a\.pod\.token|own-token/);
  },
);

it('S31 S37 refuses: an API server that is not of our cluster: no token leaves', async () => {
  const other = await startTlsServer(() => expect.unreachable('asked'));
  writeFileSync(join(folder, 'ca.crt'), other.authority);
  await other.close();
  await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  writeFileSync(join(folder, 'ca.crt'), '\n');
  await expect(ask()).rejects.toMatchObject({ message: expect.stringContaining('is empty') });
  vi.unstubAllEnvs();
  expect(asked).toEqual([]);
});

it('refuses, for now: outside of a cluster, and without credentials', async () => {
  await expect(ask(new TokenReviews(undefined, log))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  rmSync(join(folder, 'token'));
  await expect(ask()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('ENOENT'),
  });
});

it('S33 ok: no more than 32 at once', async () => {
  const waiting: ServerResponse[] = [];
  reply = (response) => void waiting.push(response);
  const reviews = open();
  const all = Array.from({ length: 32 }, () => ask(reviews));
  await expect(ask(reviews)).rejects.toThrow('too many joins at once');
  await until('all reviews are asked for', () => waiting.length === 32);
  for (const response of waiting) status(GOOD)(response);
  await Promise.all(all);
  reply = status(GOOD);
  expect(await ask(reviews)).toBeDefined();
});
