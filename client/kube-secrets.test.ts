import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { recordOf, selfSigned } from './conformance/sample.ts';
import {
  POD,
  startSecretServer,
  tokenOf,
  type SecretServer,
  type Trouble,
} from './conformance/secret-server.ts';
import { NAMESPACE, OWNER } from './conformance/secret-world.ts';
import { openCredentialSecret } from './credentials-secret.ts';
import type { CredentialStore } from './credentials.ts';
import { openKubeSecrets, SECRET_RULES, type KubeSecrets } from './kube-secrets.ts';

const NAME = 'web-0-state';
const first = recordOf('a0f0f0d8-0000-4000-8000-000000000000', selfSigned('the authority').certificate);
let server: SecretServer;
beforeEach(async () => {
  server = await startSecretServer();
});
afterEach(() => server.close());

const open = (more: object = {}): KubeSecrets =>
  openKubeSecrets({
    host: server.host,
    port: server.port,
    namespace: NAMESPACE,
    accountDir: server.accountDir,
    ...more,
  });
const storeOf = (secrets: KubeSecrets): CredentialStore =>
  openCredentialSecret({ secrets, name: NAME, log: silentLog });
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );
/** The next call of this sort meets it, and then all goes well. */
const once = (call: string, trouble: Trouble): void => {
  server.trouble = (seen) => {
    if (!seen.startsWith(call)) return 'none';
    server.trouble = () => 'none';
    return trouble;
  };
};

it('ok: an identity goes into a Secret and comes back, with no call that the rules do not allow', async () => {
  const store = storeOf(open());
  expect(await store.claim?.()).toBeUndefined();
  await store.create(first);
  await store.replace({ ...first, generation: 2 });
  expect(await storeOf(open()).claim?.()).toEqual({ ...first, generation: 2 });
  expect(server.world.get(NAME)?.owners).toEqual([OWNER]);
  const verbs: Record<string, string> = { GET: 'get', POST: 'create', PUT: 'update' };
  for (const { call } of server.seen) {
    const [method = '', resource = '', name] = call.split(/[ /]/);
    const allowed = SECRET_RULES.some((rule) => {
      const names =
        'resourceNames' in rule
          ? rule.resourceNames.map((one) => one.replace('{replica}', 'web-0'))
          : undefined;
      const isNamed = names === undefined || (name !== undefined && names.some((one) => one === name));
      return (
        rule.resources.some((one) => one === resource) &&
        rule.verbs.some((one) => one === verbs[method]) &&
        isNamed
      );
    });
    expect(allowed, call).toBe(true);
  }
});

it('S37 refuses: an authority that is empty, with which any public one would do', async () => {
  writeFileSync(join(server.accountDir, 'ca.crt'), '\n');
  expect(await refusal(open().get(NAME))).toMatchObject({ code: 'UNAVAILABLE', message: /ca\.crt/ });
  expect(server.seen).toEqual([]);
});

it('ok: the token is read at each call, because it is renewed under the process', async () => {
  const secrets = open();
  await secrets.get(NAME);
  writeFileSync(join(server.accountDir, 'token'), 'renewed');
  await secrets.get(NAME);
  expect(server.seen.map(({ token }) => token)).toEqual([`Bearer ${tokenOf(POD)}`, 'Bearer renewed']);
});

it('R1 ok: each write meets each failure, and what is stored is what was written or what was there', async () => {
  const troubles: Trouble[] = [
    'cut before',
    'cut after',
    'silent',
    'silent after',
    { status: 500 },
    { status: 504 },
  ];
  const store = storeOf(open({ timeoutMs: 500 }));
  for (const trouble of troubles) {
    once('POST', trouble);
    server.world.remove(NAME);
    await store.create(first).catch((error: GatehouseError) => expect(error.code).toBe('UNAVAILABLE'));
    if ((await store.load()) === undefined) await store.create(first);
    once('PUT', trouble);
    const second = { ...first, generation: 2 };
    await store.replace(second).catch((error: GatehouseError) => expect(error.code).toBe('UNAVAILABLE'));
    if ((await store.load())?.generation === 1) await store.replace(second);
    expect(await store.load()).toEqual(second);
  }
});

it('refuses: what the ServiceAccount may not do, with the rule that it lacks', async () => {
  const body = JSON.stringify({ kind: 'Status', message: 'secrets is\n forbidden' });
  for (const [call, verb] of [
    ['GET', 'get'],
    ['POST', 'create'],
  ] as const) {
    once(call, { status: 403, body });
    const error = await refusal(call === 'GET' ? open().get(NAME) : storeOf(open()).create(first));
    expect(error.code).toBe('ACCESS_DENIED');
    expect(error.message).toContain(`verb ${verb} on secrets`);
    expect(error.message).toContain('secrets is forbidden');
  }
  expect((await refusal(open({ accountDir: '/nowhere' }).get(NAME))).message).toContain(
    'automountServiceAccountToken',
  );
});

it('refuses: other answers, each by its code', async () => {
  const cases: [Trouble, string][] = [
    [{ status: 429 }, 'LIMIT_EXCEEDED'],
    [{ status: 422, body: '{"kind":"Status","message":"no"}' }, 'INVALID_RESOURCE'],
    [{ status: 503 }, 'UNAVAILABLE'],
    [{ status: 200, body: 'null' }, 'UNAVAILABLE'],
    [{ status: 200, body: '{"kind":"Pod"}' }, 'UNAVAILABLE'],
    [{ status: 200, body: 'x'.repeat(3 * 1024 * 1024) }, 'TOO_LARGE'],
    ['silent', 'UNAVAILABLE'],
  ];
  for (const [trouble, code] of cases) {
    once('GET', trouble);
    expect((await refusal(open({ timeoutMs: 2000 }).get(NAME))).code).toBe(code);
  }
});

it('S25 S37 refuses: the token goes to no redirect and to no server of another authority', async () => {
  const other = await startSecretServer();
  try {
    once('GET', { status: 302, location: `https://127.0.0.1:${other.port}/api` });
    expect((await refusal(open().get(NAME))).code).toBe('UNAVAILABLE');
    expect((await refusal(open({ port: other.port }).get(NAME))).code).toBe('UNAVAILABLE');
    expect(other.seen).toEqual([]);
  } finally {
    await other.close();
  }
});

it('S37 refuses: names that would be other paths stay names', async () => {
  await open().get('../../kube-system/secrets/x?y#z');
  expect(server.seen[0]?.call).toBe('GET secrets/..%2F..%2Fkube-system%2Fsecrets%2Fx%3Fy%23z');
});

it('S36 ok: no error shows the token or a key', async () => {
  const errors: unknown[] = [];
  for (const trouble of ['cut after', { status: 403 }, { status: 422 }] as const) {
    server.trouble = (call) => (call.includes('pods') ? 'none' : trouble);
    errors.push(await refusal(storeOf(open()).create(first)));
  }
  const text = errors.map((error) => `${String(error)} ${JSON.stringify(error)}`).join();
  expect(text).not.toMatch(/the-private-key|e30\./);
});
