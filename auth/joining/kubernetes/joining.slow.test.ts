// Pods join, from the file of their token to their certificates, and a real API server makes and reviews the tokens. There
// is no kubelet: pods are objects that are bound to, and the file is written here.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCredentialDir } from '#client/credentials-dir.ts';
import type { HostRecord } from '#client/credentials.ts';
import { becomeMember } from '#client/join.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import { kubernetesProver } from '#join/kubernetes/prove.ts';
import { startTestAuth, TEST_CLUSTER, type TestAuth } from '#test/kit/auth-server.ts';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';

const HOUR = 3_600_000;
const allow = [{ service_account: 'apps:agent' }];

let api: KubeApi;
let house: TestAuth;
let folder: string;

beforeAll(async () => {
  api = await startKubeApi();
  const credentialsDir = mkdtempSync(join(api.folder, 'auth-'));
  for (const namespace of ['apps', 'gatehouse']) await api.kubectl(['create', 'namespace', namespace]);
  await api.kubectl(['create', 'serviceaccount', 'auth', '-n=gatehouse']);
  const reviewer = await api.kubectl(['create', 'token', 'auth', '-n=gatehouse', '--duration=8h']);
  writeFileSync(join(credentialsDir, 'token'), reviewer);
  writeFileSync(join(credentialsDir, 'ca.crt'), api.caPem);
  for (const name of ['agent', 'other']) await addPod(name);
  house = await startTestAuth({ apiServer: { host: '127.0.0.1', port: api.port, credentialsDir } });
  const jwks = await api.kubectl(['get', '--raw', '/openid/v1/jwks']);
  await house.put('token', 'here', rules({}));
  await house.put('token', 'keys', rules({ type: 'static_jwks', static_jwks: { jwks } }));
  const oidc = { issuer: api.url, ca_cert: api.caPem, allow_private_addresses: true };
  await house.put('token', 'there', rules({ type: 'oidc', oidc }));
  await house.put(
    'token',
    'steered',
    rules({ type: 'oidc', oidc: { ...oidc, allow_private_addresses: false } }),
  );
}, KUBE_START_MS);
afterAll(async () => {
  await house?.close();
  await api?.close();
});
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'gatehouse-pod-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rules = (kubernetes: object): object => ({
  roles: ['node', 'proxy', 'operator'],
  join_method: 'kubernetes',
  kubernetes: { allow, ...kubernetes },
});

/** A ServiceAccount, and a pod of it by the same name. */
async function addPod(name: string): Promise<void> {
  await api.kubectl(['create', 'serviceaccount', name, '-n=apps']);
  await addPodObject(name);
}
async function addPodObject(name: string): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'apps' },
    spec: { serviceAccountName: name, containers: [{ name: 'main', image: 'none' }] },
  };
  await api.kubectl(['create', '-f', '-'], JSON.stringify(pod));
}

/** What the kubelet would write. */
const tokenOf = async (name: string, audience = TEST_CLUSTER, ...more: string[]): Promise<string> =>
  await api.kubectl([
    'create',
    'token',
    name,
    '-n=apps',
    `--audience=${audience}`,
    ...(more.length > 0 ? more : ['--bound-object-kind=Pod', `--bound-object-name=${name}`]),
  ]);

function joined(
  tokenName: string,
  podToken: string,
  roles: readonly SystemRole[] = ['node'],
): Promise<HostRecord> {
  const path = join(folder, 'join-sa-token');
  writeFileSync(path, podToken);
  return becomeMember({
    store: openCredentialDir(folder),
    authServers: [`127.0.0.1:${house.auth.port}`],
    prove: kubernetesProver(tokenName, { KUBERNETES_TOKEN_PATH: path }),
    caPins: [caPin(derFromPem(house.authority))],
    roles,
    nodeName: 'agent-0',
    addresses: [],
    log: silentLog,
  });
}
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('let in'),
    (error: GatehouseError) => error,
  );
/** The API server knows for ten seconds what it said of a token. */
const refused = (tokenName: string, podToken: string): Promise<GatehouseError> =>
  until(
    'the API server to notice',
    async () => {
      const error = await joined(tokenName, podToken).then(
        () => undefined,
        (refusal: GatehouseError) => refusal,
      );
      rmSync(join(folder, 'identity.json'), { force: true });
      return error;
    },
    60_000,
  );
const lastJoin = async (): Promise<unknown> =>
  (await house.events()).filter(({ event }) => event === 'instance.join').at(-1);

describe('join by ServiceAccount, with a real API server', () => {
  it('refuses, for now: while auth may not review tokens; then it may', async () => {
    expect(await refusal(joined('here', await tokenOf('agent')))).toMatchObject({ code: 'UNAVAILABLE' });
    const binding = ['create', 'clusterrolebinding', 'reviews', '--clusterrole=system:auth-delegator'];
    await api.kubectl([...binding, '--serviceaccount=gatehouse:auth']);
    await house.clock.advance(10_000);
    const record = await joined('here', await tokenOf('agent'));
    expect(record.roles).toEqual(['node']);
    expect(await lastJoin()).toMatchObject({
      success: true,
      method: 'kubernetes',
      host_id: record.certificates.host_id,
      reasons: ['token here', 'service account apps:agent', 'pod agent'],
    });
  });

  it.each<[string, SystemRole]>([
    ['here', 'operator'],
    ['keys', 'proxy'],
  ])('ok: by %s as %s', async (tokenName, role) => {
    const record = await joined(tokenName, await tokenOf('agent'), [role]);
    expect(record.roles).toEqual([role]);
  });

  it('ok: by the issuer of another cluster, once strangers may read its keys', async () => {
    expect(await refusal(joined('there', await tokenOf('agent')))).toMatchObject({ code: 'UNAVAILABLE' });
    const discovery = '--clusterrole=system:service-account-issuer-discovery';
    await api.kubectl(['create', 'clusterrolebinding', 'keys', discovery, '--group=system:unauthenticated']);
    await house.clock.advance(60_000);
    const record = await joined('there', await tokenOf('agent'));
    expect(record.roles).toEqual(['node']);
  });

  it('S25 refuses: an issuer with a private address, where that is not allowed', async () => {
    expect(await refusal(joined('steered', await tokenOf('agent')))).toMatchObject({ code: 'UNAVAILABLE' });
    await house.clock.advance(60_000);
  });

  it.each(['here', 'keys', 'there'])('refuses: by %s, and all sound the same', async (tokenName) => {
    const [head = '', body = '', tail = ''] = (await tokenOf('agent')).trim().split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as { sub: string };
    const forged = Buffer.from(JSON.stringify({ ...claims, jti: 'x' })).toString('base64url');
    const cases: [string, string, SystemRole[]?][] = [
      ['another audience', await tokenOf('agent', 'other.example.com')],
      ['the audience of the API server', await tokenOf('agent', api.url)],
      [
        'two audiences',
        await tokenOf(
          'agent',
          TEST_CLUSTER,
          '--audience=x',
          '--bound-object-kind=Pod',
          '--bound-object-name=agent',
        ),
      ],
      ['no pod', await tokenOf('agent', TEST_CLUSTER, '--duration=1h')],
      ['another account', await tokenOf('other')],
      ['claims that were changed', `${head}.${forged}.${tail}`],
      ['another role', await tokenOf('agent'), ['auth']],
    ];
    const messages = new Set<string>();
    for (const [title, token, roles] of cases) {
      const error = await refusal(joined(tokenName, token, roles));
      expect([title, error.code]).toEqual([title, 'BAD_JOIN_TOKEN']);
      messages.add(error.message);
      await house.clock.advance(10_000);
    }
    messages.add((await refusal(joined('nobody-made-it', await tokenOf('agent')))).message);
    expect(messages.size).toBe(1);
    expect(JSON.stringify(await house.events())).not.toContain(tail);
  });

  it('refuses: the token of a pod that is gone, or was made anew, or of an account that is gone', async () => {
    await addPod('gone');
    await house.put('token', 'gone', rules({ allow: [{ service_account: 'apps:gone' }] }));
    const token = await tokenOf('gone');
    await joined('gone', token);
    rmSync(join(folder, 'identity.json'));
    await api.kubectl(['delete', 'pod', 'gone', '-n=apps', '--now']);
    expect((await refused('gone', token)).code).toBe('BAD_JOIN_TOKEN');
    expect(await lastJoin()).toMatchObject({ success: false, error: 'review' });
    await addPodObject('gone');
    expect((await refusal(joined('gone', token))).code).toBe('BAD_JOIN_TOKEN');
    const fresh = await tokenOf('gone');
    await api.kubectl(['delete', 'serviceaccount', 'gone', '-n=apps']);
    expect((await refused('gone', fresh)).code).toBe('BAD_JOIN_TOKEN');
  }, 120_000);

  it('ok: without the API server, keys that are given or known let in; reviews wait for it', async () => {
    const token = await tokenOf('agent');
    await api.stop();
    for (const tokenName of ['keys', 'there']) {
      await joined(tokenName, token);
      rmSync(join(folder, 'identity.json'));
    }
    expect((await refusal(joined('here', token))).code).toBe('UNAVAILABLE');
    await api.restart();
    await joined('here', token);
  }, 240_000);

  it('refuses: a token whose time is over', async () => {
    const token = await tokenOf('agent');
    await house.clock.advance(HOUR + 1000);
    for (const tokenName of ['here', 'keys', 'there']) {
      expect((await refusal(joined(tokenName, token))).code).toBe('BAD_JOIN_TOKEN');
      expect(await lastJoin()).toMatchObject({
        error: 'proof',
        reasons: [`token ${tokenName}`, 'it has expired'],
      });
    }
  });
});
