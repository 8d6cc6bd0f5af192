// The real API server: the conformance suite by both ways to reach it, lists of several pages, tokens, and a restart.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { silentLog } from '#core/log.ts';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { kubeConformance } from './conformance/suite.ts';
import { thing, THING_CRD, THINGS } from './conformance/thing.ts';
import { inCluster, type ApiServer } from './api-server.ts';
import { connectKube, type ConnectedKube } from './connect.ts';
import { fromKubeconfig } from './kubeconfig.ts';
import { startInformer } from '../runtime/informer.ts';
import { CONFIG_MAPS } from './object-types.ts';

let api: KubeApi;
let folder: string;
const calls: string[] = [];
const open: ConnectedKube[] = [];
let made = 0;

beforeAll(async () => {
  api = await startKubeApi();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-kube-client-'));
  writeFileSync(join(folder, 'token'), api.adminToken);
  writeFileSync(join(folder, 'ca.crt'), api.caPem);
  await api.kubectl(['apply', '-f', '-'], JSON.stringify(THING_CRD));
  await api.kubectl([
    'wait',
    '--for=condition=established',
    `crd/${THING_CRD.metadata.name}`,
    '--timeout=60s',
  ]);
}, KUBE_START_MS);
afterAll(async () => {
  for (const kube of open) kube.close();
  rmSync(folder, { recursive: true, force: true });
  await api.close();
});

function asPod(): ApiServer {
  const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) };
  return inCluster({ clock: systemClock, environment, accountDir: folder })!;
}

async function connect(server: ApiServer): Promise<ConnectedKube> {
  const kube = await connectKube({
    clock: systemClock,
    environment: {},
    types: [THINGS],
    version: '0.0.0-test',
    observe: ({ verb, resource, code }) => void calls.push(`${verb} ${resource} ${code}`),
    server,
  });
  open.push(kube);
  return kube;
}

async function newNamespace(): Promise<string> {
  made += 1;
  await api.kubectl(['create', 'namespace', `test-${made}`]);
  return `test-${made}`;
}

kubeConformance('an API server, from a pod', async () => ({
  kube: await connect(asPod()),
  namespace: await newNamespace(),
  otherNamespace: await newNamespace(),
  close: async () => {},
}));

kubeConformance('an API server, by kubeconfig', async () => {
  const before = process.env['KUBECONFIG'];
  process.env['KUBECONFIG'] = api.kubeconfigPath;
  const server = await fromKubeconfig();
  if (before === undefined) delete process.env['KUBECONFIG'];
  else process.env['KUBECONFIG'] = before;
  return {
    kube: await connect(server),
    namespace: await newNamespace(),
    otherNamespace: await newNamespace(),
    close: async () => {},
  };
});

it('ok: a list of several pages is whole', async () => {
  const kube = await connect(asPod());
  const namespace = await newNamespace();
  const names = Array.from({ length: 1203 }, (_, i) => `map-${String(i).padStart(4, '0')}`);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(
      names
        .slice(at, at + 50)
        .map((name) => kube.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } })),
    );
  }
  calls.length = 0;
  const { items } = await kube.list(CONFIG_MAPS, { namespace });
  expect(items.map(({ metadata }) => metadata.name)).toEqual(names);
  expect(calls).toEqual(Array.from({ length: 3 }, () => 'list configmaps 200'));
});

it('ok: a token for an audience, bound to a pod; refuses: without that pod', async () => {
  const kube = await connect(asPod());
  const namespace = await newNamespace();
  await kube.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'op', namespace } });
  const metadata = { name: 'pod', namespace };
  await kube.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { serviceAccountName: 'op', containers: [{ name: 'c', image: 'none' }] },
  });
  const request = { audience: 'gatehouse.dev/a/b', lifeSeconds: 600, podName: 'pod' };
  const token = await kube.requestToken({ namespace, name: 'op' }, request);
  const claims = JSON.parse(Buffer.from(token.reveal().split('.')[1]!, 'base64url').toString()) as object;
  expect(claims).toMatchObject({
    aud: ['gatehouse.dev/a/b'],
    sub: `system:serviceaccount:${namespace}:op`,
    'kubernetes.io': { pod: { name: 'pod' } },
  });
  const gone = kube.requestToken({ namespace, name: 'op' }, { ...request, podName: 'gone' });
  await expect(gone).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

it('refuses: a token that is not known, after it was read again; an object that does not fit', async () => {
  let reads = 0;
  const server: ApiServer = {
    ...asPod(),
    credentials: async () => {
      reads += 1;
      return { authorization: new Secret('Bearer wrong'), ca: api.caPem };
    },
  };
  const stranger = await connect(server);
  await expect(stranger.get(THINGS, { namespace: 'default', name: 'a' })).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
  });
  expect(reads).toBe(2);
  const kube = await connect(asPod());
  const bad = kube.create({ ...thing('default', 'bad', {}), spec: 'text' });
  await expect(bad).rejects.toSatisfy(
    (error) => isCode(error, 'INVALID_RESOURCE') && error.message.includes('spec'),
  );
});

it('ok: a restart of the server is outlived: calls fail with UNAVAILABLE, and an informer goes on', async () => {
  const kube = await connect(asPod());
  const namespace = await newNamespace();
  await kube.create(thing(namespace, 'before', {}));
  const seen: string[] = [];
  const informer = startInformer({
    kube,
    clock: systemClock,
    log: silentLog,
    type: THINGS,
    selection: { namespace },
    onChange: ({ metadata }, isGone) => void seen.push(`${metadata.name} ${isGone ? 'gone' : 'there'}`),
  });
  onTestFinished(() => informer.close());
  await informer.synced;
  await api.stop();
  const failed = await kube.get(THINGS, { namespace, name: 'before' }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 'UNAVAILABLE' });
  await until('told', () => informer.problem() !== undefined, 60_000);
  await api.restart();
  const create = (): Promise<unknown> => kube.create(thing(namespace, 'after', {}));
  await until(
    'created',
    () =>
      create().then(
        () => true,
        (error: unknown) => isCode(error, 'ALREADY_EXISTS'),
      ),
    120_000,
  );
  await kube.delete(THINGS, { namespace, name: 'before' });
  await until('followed', () => seen.includes('before gone'), 120_000);
  expect(seen).toEqual(['before there', 'after there', 'before gone']);
});
