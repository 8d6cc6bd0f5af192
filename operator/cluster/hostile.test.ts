// S37: GatehouseClusters of somebody who may write them in one namespace and wants more than he could have by writing
// workloads there himself. What is made of each is looked at as a whole, whatever the spec says.
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterBench, clusterObject, NAMESPACE } from '#test/kit/cluster-bench.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { CLUSTER, parseClusterSpec } from '../crds/cluster.ts';
import type { KubeObject } from '../kube/kube.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  CONFIG_MAPS,
  EVENTS,
  SERVICES,
  SERVICE_ACCOUNTS,
  STATEFUL_SETS,
} from '../kube/object-types.ts';
import { problemsOf } from './checks.ts';

type Spec = Readonly<Record<string, unknown>>;

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
const named = (name: string) => ({ namespace: NAMESPACE, name });
const own = { namespace: NAMESPACE, kind: 'GatehouseCluster' };

/** Everything the operator wrote, but for what it says: status and events. */
function written({ kube }: ClusterBench): readonly KubeObject[] {
  return kube.calls
    .filter(({ verb, type }) => ['apply', 'create', 'replace'].includes(verb) && type !== EVENTS)
    .map(({ body }) => body as KubeObject);
}

/** In its own namespace, owned by the object, or the one binding of a fixed role to its own account. */
function expectContained(b: ClusterBench): void {
  for (const { kind, metadata, ...rest } of written(b)) {
    if (kind === 'ClusterRoleBinding') {
      expect(metadata.name).toBe(`gatehouse:${NAMESPACE}:main:auth-delegator`);
      expect(rest).toMatchObject({
        roleRef: { kind: 'ClusterRole', name: 'system:auth-delegator' },
        subjects: [{ kind: 'ServiceAccount', name: 'main-auth', namespace: NAMESPACE }],
      });
      continue;
    }
    expect([metadata.namespace, metadata.ownerReferences?.[0]?.kind]).toEqual([own.namespace, own.kind]);
    expect(metadata.name).toMatch(/^main-(auth|proxy|good)(-[0-9a-f]{20}|-headless|-tls)?$/);
    expect([
      'StatefulSet',
      'Service',
      'ConfigMap',
      'ServiceAccount',
      'PodDisruptionBudget',
      'Certificate',
    ]).toContain(kind);
  }
  for (const step of ['auth', 'proxy'] as const) {
    const set = b.set(step);
    if (set !== undefined) expectRestricted(set, `main-${step}`);
  }
  for (const service of b.kube.all(SERVICES)) {
    const { type, externalName, externalIPs, selector } = service['spec'] as Spec;
    expect([externalName, externalIPs]).toEqual([undefined, undefined]);
    expect(['ClusterIP', 'LoadBalancer', 'NodePort']).toContain(type);
    expect(selector).toMatchObject({ 'app.kubernetes.io/instance': 'main' });
  }
}

/** What Kubernetes calls `restricted`, and the account that is its own. */
function expectRestricted(set: KubeObject, account: string): void {
  const { template } = set['spec'] as { template: { spec: Record<string, unknown> } };
  const { spec } = template;
  for (const field of [
    'hostNetwork',
    'hostPID',
    'hostIPC',
    'hostUsers',
    'nodeName',
    'initContainers',
    'runtimeClassName',
    'shareProcessNamespace',
    'hostAliases',
  ]) {
    expect([field, spec[field]]).toEqual([field, undefined]);
  }
  expect(spec['serviceAccountName']).toBe(account);
  expect(spec['securityContext']).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  const containers = spec['containers'] as { ports: Record<string, unknown>[]; [field: string]: unknown }[];
  expect(containers).toHaveLength(1);
  expect(containers[0]?.['command']).toBeUndefined();
  expect(containers[0]?.['securityContext']).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  for (const port of containers[0]?.ports ?? []) expect(port['hostPort']).toBeUndefined();
  for (const volume of spec['volumes'] as Record<string, unknown>[]) {
    expect(Object.keys(volume).join()).not.toMatch(
      /hostPath|nfs|iscsi|rbd|cephfs|flexVolume|gitRepo|local|image/,
    );
  }
}

const both = (knobs: Spec): Spec => ({ auth: knobs, proxy: knobs });
const refusedSpecs: readonly [string, string, Spec][] = [
  ['a file of the node', 'InvalidVolumes', both({ extraVolumes: [{ name: 'x', hostPath: { path: '/' } }] })],
  [
    'two sources, one good',
    'InvalidVolumes',
    both({ extraVolumes: [{ name: 'x', emptyDir: {}, hostPath: { path: '/' } }] }),
  ],
  [
    'a share of somebody',
    'InvalidVolumes',
    both({ extraVolumes: [{ name: 'x', nfs: { server: 'a', path: '/' } }] }),
  ],
  [
    'the volume of the configuration',
    'InvalidVolumes',
    both({ extraVolumes: [{ name: 'config', secret: { secretName: 'x' } }] }),
  ],
  [
    'a mount over the configuration',
    'InvalidVolumes',
    both({ extraVolumeMounts: [{ name: 'x', mountPath: '/etc/./gatehouse/' }] }),
  ],
  [
    'a mount over the token',
    'InvalidVolumes',
    both({ extraVolumeMounts: [{ name: 'x', mountPath: '//var//run' }] }),
  ],
  [
    'a mount by dots',
    'InvalidVolumes',
    both({ extraVolumeMounts: [{ name: 'x', mountPath: '/opt/../etc' }] }),
  ],
  ['another ServiceAccount', 'InvalidSpec', both({ serviceAccountName: 'admin' })],
  ['another ServiceAccount, below', 'InvalidSpec', both({ serviceAccount: { name: 'admin' } })],
  ['the network of the node', 'InvalidSpec', both({ hostNetwork: true })],
  ['a container of his own', 'InvalidSpec', both({ initContainers: [{ name: 'x', image: 'x' }] })],
  ['rights of the container', 'InvalidSpec', both({ securityContext: { privileged: true } })],
  ['a template', 'InvalidSpec', { podTemplate: {} }],
  ['a storage elsewhere', 'InvalidSpec', { storageRef: { name: 'state', namespace: 'prod' } }],
  ['a storage by a path', 'InvalidSpec', { storageRef: { name: '../prod/state' } }],
  ['a certificate elsewhere', 'InvalidSpec', { proxy: { tls: { secretName: 'prod/web' } } }],
  ['a pull secret elsewhere', 'InvalidSpec', { image: { pullSecrets: [{ name: 'x', namespace: 'prod' }] } }],
  [
    'a Service that is a name',
    'InvalidSpec',
    { proxy: { service: { type: 'ExternalName', externalName: 'x' } } },
  ],
  ['addresses of others', 'InvalidSpec', { proxy: { service: { externalIPs: ['10.0.0.1'] } } }],
  ['an address with a path', 'InvalidAddress', { publicAddress: 'gate.example.com:443/../x' }],
  ['an address with lines', 'InvalidAddress', { publicAddress: 'gate.example.com\nevil: true' }],
  ['a cluster name with lines', 'InvalidSpec', { clusterName: 'x\n---\nkind: user' }],
  [
    'the auth service of others',
    'InvalidConfig',
    { proxy: { config: { gatehouse: { auth_server: 'evil:3025' } } } },
  ],
  ['pins of others', 'InvalidConfig', { proxy: { config: { gatehouse: { ca_pin: ['sha256:0'] } } } }],
  ['another way to join', 'InvalidConfig', { proxy: { config: { gatehouse: { join_params: null } } } }],
  ['a section by another name', 'InvalidConfig', { auth: { config: { __proto__x: {}, ssh_service: {} } } }],
];

const tame: readonly [string, Spec][] = [
  [
    'labels that are ours',
    both({ podLabels: { 'app.kubernetes.io/instance': 'prod', 'gatehouse.dev/revision': 'x' } }),
  ],
  [
    'Secrets and claims of its namespace',
    both({ extraVolumes: [{ name: 'x', secret: { secretName: 'any' } }] }),
  ],
  ['variables', both({ env: [{ name: 'NODE_OPTIONS', value: '--inspect=0.0.0.0' }] })],
  ['the highest priority', both({ priorityClassName: 'system-node-critical' })],
  ['another image', { image: { repository: 'evil.example.com/x', tag: 'latest' } }],
  [
    'keys of objects',
    { auth: { config: JSON.parse('{"gatehouse":{"__proto__":{"auth_server":"evil"}}}') as object } },
  ],
  ['the name of another cluster', { clusterName: 'gate.of.prod' }],
];

describe('S37 hostile GatehouseClusters', () => {
  it.each(refusedSpecs)('S37 refuses: %s (%s), and makes no pod', async (_, reason, spec) => {
    const b = await bench();
    await b.put(spec);
    expect(b.says('Stalled')).toBe(`True ${reason}`);
    expect(b.kube.all(STATEFUL_SETS)).toEqual([]);
    expectContained(b);
  });

  it.each(tame)('S37 ok: %s lead to nothing that a StatefulSet of his own would not', async (_, spec) => {
    const b = await bench();
    await b.put(spec);
    await b.ready('auth');
    expect(b.set('proxy')).toBeDefined();
    expectContained(b);
    expect(JSON.stringify(b.kube.all(CONFIG_MAPS))).not.toContain('auth_server: evil');
    // What auth is told to let in: this cluster's own proxies, and the operator for this object alone.
    const tokens = JSON.stringify(b.kube.all(CONFIG_MAPS));
    expect(tokens).toContain(`gatehouse.dev/${NAMESPACE}/main`);
    expect([...tokens.matchAll(/service_account: ([-\w:]+)/g)].map(([, account]) => account).sort()).toEqual(
      expect.arrayContaining(['gatehouse-system:gatehouse-operator', `${NAMESPACE}:main-proxy`]),
    );
  });

  it('S37 refuses: names that lead to other objects, or out of the namespace', async () => {
    const b = await bench();
    for (const name of ['main-auth.prod', 'a.b.c.d.e', '1main', 'm'.repeat(60), 'main.']) {
      b.kube.seed({
        apiVersion: 'gatehouse.dev/v1',
        kind: 'GatehouseCluster',
        metadata: named(name),
        spec: { clusterName: 'x', publicAddress: 'x' },
      });
    }
    await b.settle();
    const reasons = b.kube.all(CLUSTER).map((object) => JSON.stringify(object['status']));
    for (const said of reasons) expect(said).toContain('InvalidName');
    expect(written(b)).toEqual([]);
  });

  it('S37 refuses: a remembered revision that somebody who may write ConfigMaps put there', async () => {
    const b = await bench();
    await b.put();
    await b.ready('auth');
    await b.ready('proxy');
    const memory = b.kube.find(CONFIG_MAPS, named('main-good')) as KubeObject;
    const text = (memory['data'] as Record<string, string>)['memory.json'] ?? '';
    const image = b.image('proxy') ?? '';
    const evil = (edit: (json: string) => string) =>
      b.kube.seed({
        ...memory,
        data: { 'memory.json': edit(text.replaceAll(image, 'evil.example.com/x:1')) },
      });
    for (const edit of [
      (json: string) => json,
      (json: string) => json.replaceAll(b.revision('proxy') ?? '', 'f'.repeat(20)),
    ]) {
      evil(edit);
      await b.settle();
      // Held, so that what runs is what is aimed at; and failing, so that what was good is gone back to.
      await b.put({ version: '9.9.9' });
      await b.put({ image: { tag: 'broken' } });
      await b.pod('auth', { state: { waiting: { reason: 'ErrImageNeverPull', message: 'no' } } });
      expect(JSON.stringify(written(b).filter(({ kind }) => kind === 'StatefulSet'))).not.toContain('evil.');
    }
  });

  it('S37 refuses: what others made under its names, whatever labels it has', async () => {
    const b = await bench();
    const labels = {
      'app.kubernetes.io/managed-by': 'gatehouse-operator',
      'app.kubernetes.io/instance': 'main',
    };
    const theirs = (apiVersion: string, kind: string, name: string): KubeObject => ({
      apiVersion,
      kind,
      metadata: {
        ...named(name),
        labels,
        ownerReferences: [
          {
            apiVersion: 'gatehouse.dev/v1',
            kind: 'GatehouseCluster',
            name: 'main',
            uid: 'of-an-earlier-one',
          },
        ],
      },
      data: { theirs: 'yes' },
    });
    b.kube.seed(theirs('v1', 'Service', 'main-auth'));
    b.kube.seed(theirs('v1', 'ServiceAccount', 'main-proxy'));
    b.kube.seed(theirs('v1', 'ConfigMap', 'main-good'));
    await b.put();
    expect(b.says('Stalled')).toBe('True NameTaken');
    for (const [type, name] of [
      [SERVICES, 'main-auth'],
      [SERVICE_ACCOUNTS, 'main-proxy'],
      [CONFIG_MAPS, 'main-good'],
    ] as const) {
      expect(b.kube.find(type, named(name))?.['data']).toEqual({ theirs: 'yes' });
    }
    expect(b.kube.all(STATEFUL_SETS)).toEqual([]);
  });

  it('S37 refuses: a binding of the whole cluster that somebody else made under its name', async () => {
    const b = await bench();
    const name = `gatehouse:${NAMESPACE}:main:auth-delegator`;
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
    b.kube.seed({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef,
    });
    await b.put();
    expect(b.says('Stalled')).toBe('True NameTaken');
    expect(b.kube.find(CLUSTER_ROLE_BINDINGS, { name })).toMatchObject({ roleRef });
    expect(b.kube.find(CLUSTER_ROLE_BINDINGS, { name })?.['subjects']).toBeUndefined();
    await b.kube.delete(CLUSTER, named('main'));
    await b.settle();
    expect([b.cluster(), b.kube.all(CLUSTER_ROLE_BINDINGS).length]).toEqual([undefined, 1]);
  });

  it('S37 refuses: words of pods and of specs that would move a terminal or forge a line', async () => {
    const b = await bench();
    await b.put({ auth: { config: { 'x\n\u001b[2JReady=True\u202e': {} } } });
    await b.put({});
    await b.pod('auth', { lastState: { terminated: { exitCode: 1, message: 'a\u001b]0;x\u0007b\nReady' } } });
    const said = JSON.stringify([b.cluster()?.['status'], b.kube.all(EVENTS)]);
    expect(said).toContain('Ready');
    expect(said).not.toMatch(/\\u001b|\\u0007|\u202e|\\n/);
  });

  it('S33 S37 ok: specs that are deep, or larger than Kubernetes stores, end in a condition and stop no other', async () => {
    const b = await bench();
    const deep = (levels: number): KubeObject => {
      let config: object = {};
      for (let level = 0; level < levels; level += 1) config = { a: config };
      return clusterObject({ auth: { config: { auth_service: config } } });
    };
    const [problem] = problemsOf({
      object: deep(9000),
      spec: parseClusterSpec(deep(9000)['spec']),
      storage: 'default',
      operatorVersion: '0.2.0',
    });
    expect(problem).toMatchObject({
      reason: 'InvalidSpec',
      message: 'spec.auth.config.auth_service: must not be nested deeper than 64 levels',
    });
    b.kube.seed(deep(100));
    b.kube.seed({ ...clusterObject(), metadata: named('good') });
    await b.settle();
    expect(b.kube.find(STATEFUL_SETS, named('good-auth'))).toBeDefined();
    expect(b.says('Stalled')).toBe('True InvalidSpec');
    b.kube.inject(({ verb, type, key }) =>
      verb === 'apply' && type === CONFIG_MAPS && key?.name.startsWith('main-') === true
        ? { before: new GatehouseError('TOO_LARGE', 'etcdserver: request is too large') }
        : undefined,
    );
    await b.put({ auth: { config: { auth_service: { big: 'x'.repeat(1_000_000) } } } });
    expect(b.says('Stalled')).toBe('True Refused');
  });
});
