import { afterEach, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { ClusterBench, NAMESPACE, PIN, storageObject } from '#test/kit/cluster-bench.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { KubeObject } from '../kube/kube.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CONFIG_MAPS,
  EVENTS,
  SECRETS,
  SERVICE_ACCOUNTS,
  STATEFUL_SETS,
} from '../kube/object-types.ts';

const open: ClusterBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.runtime.close();
});

async function bench(): Promise<ClusterBench> {
  const made = new ClusterBench();
  open.push(made);
  await made.start();
  return made;
}

/** A cluster that runs. */
async function installed(spec: Readonly<Record<string, unknown>> = {}): Promise<ClusterBench> {
  const made = await bench();
  await made.put(spec);
  await made.ready('auth');
  await made.ready('proxy');
  expect(made.says('Progressing')).toBe('False Settled');
  return made;
}

const named = (name: string) => ({ namespace: NAMESPACE, name });

it('ok: auth first; the proxies when auth answers, with the pin of the cluster', async () => {
  const b = await bench();
  b.answers = undefined;
  await b.put();
  expect([b.says('Ready'), b.says('Progressing'), b.says('Reconciling')]).toEqual([
    'False NotServing',
    'True Installing',
    'True Installing',
  ]);
  expect(b.set('proxy')).toBeUndefined();
  await b.ready('auth');
  expect(b.condition('Progressing')?.message).toContain('cannot reach auth yet: auth does not answer');
  expect(b.set('proxy')).toBeUndefined();
  b.answers = { version: '0.2.0', caPins: [PIN] };
  await b.clock.advance(3_000);
  await b.settle();
  const [file] = b.kube
    .all(CONFIG_MAPS, NAMESPACE)
    .filter(({ metadata }) => metadata.name.startsWith('main-proxy-'));
  expect(JSON.stringify(file?.['data'])).toContain(PIN);
  await b.ready('proxy');
  expect([b.says('Ready'), b.says('Progressing'), b.says('Reconciling'), b.says('Stalled')]).toEqual([
    'True Serving',
    'False Settled',
    undefined,
    undefined,
  ]);
  expect(b.cluster()?.['status']).toMatchObject({
    observedGeneration: 1,
    version: '0.2.0',
    caPins: [PIN],
    publicAddress: 'gate.example.com:443',
    auth: { replicas: 1, ready: 1 },
    proxy: { replicas: 2, ready: 2 },
  });
  const reasons = b.kube.all(EVENTS, NAMESPACE).map((event) => event['reason']);
  expect(reasons).toEqual(expect.arrayContaining(['Installing', 'Serving', 'Settled']));
});

it('ok: a cluster that grows or shrinks is in progress until the pods are as many as asked for', async () => {
  const b = await installed();
  await b.put({ proxy: { replicas: 3 } });
  expect(b.says('Ready')).toBe('True Serving');
  expect(b.says('Reconciling')).toMatch(/^True (Scaling|Waiting)$/);
  // Said by the first look, before the StatefulSet knew of it.
  expect(b.kube.all(EVENTS, NAMESPACE).map((event) => event['reason'])).toContain('Scaling');
  await b.ready('proxy');
  expect([b.says('Progressing'), b.says('Reconciling')]).toEqual(['False Settled', undefined]);
  await b.put({ proxy: { replicas: 1 } });
  expect(b.says('Reconciling')).toMatch(/^True (Scaling|Waiting)$/);
  await b.ready('proxy');
  expect(b.says('Progressing')).toBe('False Settled');
});

it('ok: of two operators the first has a cluster, the other says so and writes nothing', async () => {
  const b = await installed();
  expect(b.cluster()?.metadata.annotations).toMatchObject({ 'gatehouse.dev/operator': 'gatehouse-system' });
  const set = b.set('auth');
  const before = b.cluster()?.['status'];
  await b.put(
    { version: '0.1.9' },
    {
      metadata: { name: 'main', annotations: { 'gatehouse.dev/operator': 'another-system' } },
    },
  );
  expect(b.set('auth')).toEqual(set);
  expect(b.cluster()?.['status']).toEqual(before);
  const told = b.kube.all(EVENTS, NAMESPACE).filter((event) => event['reason'] === 'OtherOperator');
  expect(told.map((event) => event['note'] ?? event['message'])).toEqual([
    'the operator of namespace "gatehouse-system" leaves this cluster to that of namespace "another-system", which the annotation gatehouse.dev/operator names',
  ]);
});

it('ok: nothing is written when nothing is to be done, whatever is looked at again', async () => {
  const b = await installed();
  const writes = () => b.kube.calls.filter(({ verb }) => !['get', 'list', 'watch'].includes(verb)).length;
  const before = writes();
  for (let look = 0; look < 3; look += 1) {
    b.runtime.context.enqueue('cluster', named('main'));
    await b.settle();
  }
  expect(writes()).toBe(before);
});

it('ok: what somebody changed or removed comes back', async () => {
  const b = await installed();
  await b.kube.delete(SERVICE_ACCOUNTS, named('main-auth'));
  const set = b.set('proxy') as KubeObject;
  b.kube.seed({ ...set, spec: { ...(set['spec'] as object), replicas: 7 } });
  await b.settle();
  expect(b.kube.find(SERVICE_ACCOUNTS, named('main-auth'))).toBeDefined();
  expect(b.set('proxy')?.['spec']).toMatchObject({ replicas: 2 });
});

it('ok: more proxies roll nothing', async () => {
  const b = await installed();
  const before = [b.revision('auth'), b.revision('proxy')];
  await b.put({ proxy: { replicas: 3 } });
  expect([b.revision('auth'), b.revision('proxy')]).toEqual(before);
  expect(b.set('proxy')?.['spec']).toMatchObject({ replicas: 3 });
});

it('ok: a new image goes to auth, then to the proxies; files of old revisions go', async () => {
  const b = await installed();
  await b.put({ image: { tag: 'next' } });
  expect([b.image('auth'), b.image('proxy')]).toEqual([
    'registry.test/gatehouse:next',
    'registry.test/gatehouse:0.2.0',
  ]);
  expect([b.says('Ready'), b.says('Progressing')]).toEqual(['True Serving', 'True Upgrading']);
  await b.ready('auth');
  expect(b.image('proxy')).toBe('registry.test/gatehouse:next');
  await b.ready('proxy');
  expect(b.says('Progressing')).toBe('False Settled');
  const files = b.kube.all(CONFIG_MAPS, NAMESPACE).map(({ metadata }) => metadata.name);
  expect(files.sort()).toEqual(
    [`main-auth-${b.revision('auth')}`, 'main-good', `main-proxy-${b.revision('proxy')}`].sort(),
  );
});

it('ok: an image that cannot be pulled goes back at once, says why, and is not tried again', async () => {
  const b = await installed();
  const good = b.revision('auth');
  await b.put({ image: { tag: 'broken' } });
  const message = 'Back-off pulling image "registry.test/gatehouse:broken"';
  await b.pod('auth', { state: { waiting: { reason: 'ImagePullBackOff', message } } });
  expect(b.revision('auth')).toBe(good);
  await b.removePods();
  await b.ready('auth');
  expect([b.says('Ready'), b.says('Progressing'), b.says('Stalled')]).toEqual([
    'True Serving',
    'False RolledBack',
    'True RolledBack',
  ]);
  expect(b.condition('Stalled')?.message).toContain(message);
  await b.clock.advance(3_600_000);
  await b.settle();
  expect([b.revision('auth'), b.image('proxy')]).toEqual([good, 'registry.test/gatehouse:0.2.0']);
  await b.put({ image: { tag: 'mended' } });
  expect([b.image('auth'), b.says('Stalled')]).toEqual(['registry.test/gatehouse:mended', undefined]);
});

it('ok: proxies that crash go back; auth stays at what was good; their last words are told', async () => {
  const b = await installed();
  const good = b.revision('proxy');
  await b.put({ proxy: { config: { proxy_service: { web_listen_adr: 'x' } } } });
  expect(b.revision('proxy')).not.toBe(good);
  const words = 'gatehouse.yaml:12: unknown key "web_listen_adr"';
  const lastState = { terminated: { exitCode: 1, message: words } };
  await b.pod('proxy', { ready: false, restartCount: 3, lastState });
  expect(b.revision('proxy')).toBe(good);
  await b.removePods();
  await b.ready('proxy');
  expect(b.condition('Progressing')).toMatchObject({ status: 'False', reason: 'RolledBack' });
  expect(b.condition('Progressing')?.message).toContain(words);
});

it('ok: a gate that is not reached in time goes back; tried again by the annotation', async () => {
  const b = await installed({ upgrade: { timeoutSeconds: 60 } });
  const good = b.revision('auth');
  await b.put({ upgrade: { timeoutSeconds: 60 }, image: { tag: 'slow' } });
  await b.clock.advance(59_000);
  await b.settle();
  expect(b.revision('auth')).not.toBe(good);
  await b.clock.advance(2_000);
  await b.settle();
  expect(b.revision('auth')).toBe(good);
  await b.ready('auth');
  expect(b.condition('Stalled')?.message).toContain('TimedOut');
  await b.put(
    { upgrade: { timeoutSeconds: 60 }, image: { tag: 'slow' } },
    { metadata: { name: 'main', annotations: { 'gatehouse.dev/retry': '2' } } },
  );
  expect(b.image('auth')).toBe('registry.test/gatehouse:slow');
});

it('refuses: an image that holds another version than it says does not pass the gate', async () => {
  const b = await installed();
  await b.put({ version: '0.2.1' });
  await b.ready('auth');
  expect(b.condition('Progressing')?.message).toContain('auth answers as version 0.2.0, not as 0.2.1');
  expect(b.image('proxy')).toBe('registry.test/gatehouse:0.2.0');
});

it('R26 refuses: versions that are too new, too old, or would go back are held; what runs goes on', async () => {
  const b = await installed();
  const revision = b.revision('auth');
  for (const [version, reason] of [
    ['0.3.0', 'VersionNotSupported'],
    ['0.1.9', 'DowngradeHeld'],
    ['latest', 'InvalidVersion'],
  ] as const) {
    await b.put({ version });
    expect([b.says('Ready'), b.says('Stalled')]).toEqual(['True Serving', `True ${reason}`]);
    expect(b.revision('auth')).toBe(revision);
  }
  await b.put({});
  expect([b.says('Stalled'), b.says('Progressing')]).toEqual([undefined, 'False Settled']);
});

it('refuses: a storage that is missing or of no use is a condition, until it is right', async () => {
  const b = await bench();
  await b.put({ storageRef: { name: 'state' } });
  expect(b.says('Stalled')).toBe('True StorageNotFound');
  b.kube.seed(storageObject({ type: 'dynamodb' }));
  await b.settle();
  expect(b.condition('Stalled')?.message).toContain('dynamodb is not part of this release');
  expect(b.set('auth')).toBeUndefined();
  b.kube.seed({ ...storageObject({ sqlite: { volume: { size: '3Gi' } } }) });
  await b.settle();
  expect(b.says('Stalled')).toBeUndefined();
  expect(JSON.stringify(b.set('auth'))).toContain('"storage":"3Gi"');
  b.kube.seed({ ...storageObject({ sqlite: { volume: { size: '5Gi' } } }) });
  await b.settle();
  expect(b.says('Stalled')).toBe('True VolumeCannotChange');
});

it('refuses: a certificate that is not there holds the roll-out; the Secret lets it go on', async () => {
  const b = await bench();
  await b.put({ proxy: { tls: { secretName: 'web' } } });
  expect(b.says('Stalled')).toBe('True TlsSecretNotFound');
  expect([b.set('auth'), b.kube.find(SERVICE_ACCOUNTS, named('main-auth'))?.kind]).toEqual([
    undefined,
    'ServiceAccount',
  ]);
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: named('web'), data: { 'tls.crt': 'eA==' } };
  b.kube.seed(secret);
  await b.settle();
  expect(b.condition('Stalled')?.message).toContain('has no tls.key');
  b.kube.seed({ ...secret, data: { 'tls.crt': 'eA==', 'tls.key': 'eA==' } });
  await b.settle();
  expect(b.set('auth')).toBeDefined();
});

it('S37 refuses: objects of others are not taken over, and Secrets are read in its own namespace only', async () => {
  const b = await bench();
  const theirs = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: named('main-auth'),
    spec: { replicas: 1, template: { spec: { containers: [] } } },
  };
  b.kube.seed(theirs);
  await b.put({ proxy: { tls: { secretName: 'web' } } });
  b.kube.seed({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: named('web'),
    data: { 'tls.crt': 'eA==', 'tls.key': 'eA==' },
  });
  await b.settle();
  expect(b.says('Stalled')).toBe('True NameTaken');
  expect(b.set('auth')?.['spec']).toEqual(theirs.spec);
  const read = b.kube.calls.filter(({ verb, type }) => verb === 'get' && type === SECRETS);
  expect(new Set(read.map(({ key }) => key?.namespace))).toEqual(new Set([NAMESPACE]));
});

it('S37 refuses: volumes that reach into the node, and keys that the operator sets', async () => {
  const b = await bench();
  await b.put({
    auth: { extraVolumes: [{ name: 'root', hostPath: { path: '/' } }] },
    proxy: { config: { gatehouse: { auth_server: 'evil.example.com:3025' } } },
  });
  expect(b.says('Stalled')).toBe('True InvalidConfig');
  expect(b.condition('Stalled')?.message).toContain('spec.proxy.config.gatehouse.auth_server');
  expect(b.condition('Stalled')?.message).toContain('spec.auth.extraVolumes[0].hostPath: is not allowed');
  expect(b.kube.all(STATEFUL_SETS)).toEqual([]);
});

it('ok: what the API server refuses is told, and does not loop', async () => {
  const b = await bench();
  const undo = b.kube.inject(({ verb, type }) =>
    verb === 'apply' && type === STATEFUL_SETS
      ? { before: new GatehouseError('INVALID_RESOURCE', 'spec.template.spec.tolerations[0].effect: bad') }
      : undefined,
  );
  await b.put();
  expect(b.condition('Stalled')).toMatchObject({ reason: 'Refused' });
  expect(b.condition('Stalled')?.message).toContain('tolerations[0].effect');
  const calls = b.kube.calls.length;
  await b.settle();
  expect(b.kube.calls.length).toBe(calls);
  undo();
  await b.clock.advance(30_000);
  await b.settle();
  expect(b.set('auth')).toBeDefined();
});

it('ok: a paused cluster stays as it is, whatever its spec says', async () => {
  const b = await installed();
  const image = b.image('auth');
  const annotations = { 'gatehouse.dev/paused': 'true' };
  await b.put({ image: { tag: 'next' } }, { metadata: { name: 'main', annotations } });
  expect([b.image('auth'), b.says('Progressing'), b.says('Ready')]).toEqual([
    image,
    'False Paused',
    'True Serving',
  ]);
});

it('ok: in the end nothing without an owner is left', async () => {
  const b = await installed();
  expect(b.kube.all(CLUSTER_ROLE_BINDINGS).map(({ metadata }) => metadata.name)).toEqual([
    'gatehouse:access:main:auth-delegator',
  ]);
  await b.kube.delete(CLUSTER, named('main'));
  await b.settle();
  expect(b.cluster()).toBeUndefined();
  expect(b.kube.all(CLUSTER_ROLE_BINDINGS)).toEqual([]);
  const left = [...b.kube.all(STATEFUL_SETS), ...b.kube.all(CONFIG_MAPS), ...b.kube.all(SERVICE_ACCOUNTS)];
  expect(left.every(({ metadata }) => metadata.ownerReferences?.[0]?.kind === 'GatehouseCluster')).toBe(true);
});

it('ok: a look that comes before its own write is back tells nothing twice', async () => {
  const b = await installed();
  await b.put({ proxy: { replicas: 1 } });
  const release = b.holdWatch(CLUSTER);
  await b.ready('proxy');
  expect(b.says('Progressing')).toBe('False Settled');
  const { resourceVersion } = b.cluster()!.metadata;
  const events = b.kube.all(EVENTS, NAMESPACE).length;
  await b.clock.advance(2_000);
  b.look();
  await b.settle();
  expect(b.cluster()!.metadata.resourceVersion).toBe(resourceVersion);
  release();
  await b.settle();
  expect(b.cluster()!.metadata.resourceVersion).toBe(resourceVersion);
  expect(b.kube.all(EVENTS, NAMESPACE)).toHaveLength(events);
});
