import { expect, it } from 'vitest';
import { clusterObject } from '#test/kit/cluster-bench.ts';
import { samplePlan } from '#test/kit/cluster-plan.ts';
import { parseClusterSpec } from '../crds/cluster.ts';
import { parseStorageSpec } from '../crds/storage.ts';
import { problemsOf, type Gathered } from './checks.ts';
import { mergeTrees, overlayProblems } from './overlay.ts';
import { wantedRevisions } from './resources/revision.ts';
import { statefulSet } from './resources/stateful-set.ts';
import { versionProblem } from './versions.ts';
import { volumeProblems } from './volumes.ts';

function gathered(spec: Readonly<Record<string, unknown>> = {}, more: Partial<Gathered> = {}): Gathered {
  const object = clusterObject(spec);
  return {
    object,
    spec: parseClusterSpec(object['spec']),
    storage: 'default',
    operatorVersion: '0.4.2',
    ...more,
  };
}
const plan = samplePlan();
const authSet = statefulSet(plan, 'auth', wantedRevisions(plan).auth);
const longName = { ...clusterObject(), metadata: { name: 'a'.repeat(41), namespace: 'n' } };

it('ok: a small spec and one with a volume that stayed have no problems', () => {
  expect(problemsOf(gathered())).toEqual([]);
  expect(problemsOf(gathered({}, { authSet, storage: parseStorageSpec({}) }))).toEqual([]);
});

const table: readonly [reason: string, words: string, scope: 'spec' | 'rollout', Gathered][] = [
  ['InvalidSpec', 'spec.publicAdress: ', 'spec', gathered({ publicAdress: 'x' })],
  ['InvalidName', 'at most 40', 'spec', gathered({}, { object: longName })],
  ['InvalidAddress', 'without a scheme', 'spec', gathered({ publicAddress: 'https://gate.example.com' })],
  ['InvalidAddress', 'host:port', 'spec', gathered({ publicAddress: 'gate.example.com:99999' })],
  [
    'InvalidConfig',
    'spec.auth.config.auth_service.tokens: would keep a secret',
    'spec',
    gathered({ auth: { config: { auth_service: { tokens: ['node:x'] } } } }),
  ],
  [
    'InvalidVolumes',
    'spec.proxy.extraVolumes[0].hostPath',
    'spec',
    gathered({ proxy: { extraVolumes: [{ name: 'x', hostPath: { path: '/' } }] } }),
  ],
  ['StorageNotFound', '"main"', 'spec', gathered({ storageRef: { name: 'main' } }, { storage: 'missing' })],
  [
    'UnsupportedStorage',
    'not part of this release',
    'spec',
    gathered({ storageRef: { name: 'main' } }, { storage: parseStorageSpec({ type: 'postgresql' }) }),
  ],
  [
    'InvalidStorage',
    'spec.sqlite.sync',
    'spec',
    gathered(
      { storageRef: { name: 'main' } },
      { storage: parseStorageSpec({ sqlite: { sync: 'SOMETIMES' } }) },
    ),
  ],
  ['SharedStoreNeeded', 'spec.auth.replicas: 2', 'spec', gathered({ auth: { replicas: 2 } })],
  [
    'VolumeCannotChange',
    '10Gi, ReadWriteOnce, and the storage asks for 20Gi',
    'rollout',
    gathered({}, { authSet, storage: parseStorageSpec({ sqlite: { volume: { size: '20Gi' } } }) }),
  ],
  ['VersionNotSupported', 'upgrade the operator first', 'rollout', gathered({ version: '0.5.0' })],
  [
    'DowngradeHeld',
    'older than 0.4.0',
    'rollout',
    gathered({ version: '0.3.9' }, { runningVersion: '0.4.0' }),
  ],
  [
    'TlsSecretNotFound',
    'no Secret "web"',
    'rollout',
    gathered({ proxy: { tls: { secretName: 'web' } } }, { tls: { name: 'web', keys: 'missing' } }),
  ],
  [
    'CertificateNotReady',
    'waiting for cert-manager',
    'rollout',
    gathered(
      { proxy: { tls: { certManager: { issuerRef: { name: 'x' } } } } },
      { tls: { name: 'main-proxy-tls', keys: 'missing' } },
    ),
  ],
  [
    'TlsSecretInvalid',
    'no tls.key',
    'rollout',
    gathered({ proxy: { tls: { secretName: 'web' } } }, { tls: { name: 'web', keys: ['tls.crt'] } }),
  ],
  [
    'InvalidSpec',
    'not both',
    'spec',
    gathered({ proxy: { tls: { secretName: 'web', certManager: { issuerRef: { name: 'x' } } } } }),
  ],
];
it.each(table)('refuses: %s, %s', (reason, words, scope, what) => {
  const found = problemsOf(what);
  expect(found).toMatchObject([{ reason, scope }]);
  expect(found[0]?.message).toContain(words);
});

it.each([
  ['0.4.2', undefined, undefined],
  ['v0.4.9', '0.4.2', undefined],
  ['0.4.0', '0.4.2', undefined],
  ['0.2.0', undefined, undefined],
  ['0.3.0', '0.2.9', undefined],
  ['0.4.0-rc.1+build', '0.3.9', undefined],
  ['0.1.9', undefined, 'VersionNotSupported'],
  ['0.5.0', '0.4.0', 'VersionNotSupported'],
  ['1.0.0', '0.4.0', 'VersionNotSupported'],
  ['0.4.0', '0.2.0', 'VersionSkipped'],
  ['0.3.0', '0.4.0', 'DowngradeHeld'],
  ['0.4', undefined, 'InvalidVersion'],
  ['latest', '0.4.0', 'InvalidVersion'],
] as const)('R26 ok: %s after %s: %s', (wanted, running, reason) => {
  expect(versionProblem(wanted, '0.4.2', running)?.reason).toBe(reason);
});

it('R26 ok: across major versions, from any minor to the first of the next', () => {
  expect(versionProblem('1.0.0', '1.0.0', '0.9.0')).toBeUndefined();
  expect(versionProblem('1.1.0', '1.1.0', '0.9.0')?.reason).toBe('VersionSkipped');
  expect(versionProblem('0.9.0', '1.1.0', '1.0.0')?.reason).toBe('VersionNotSupported');
});

it('ok: maps of an overlay are merged, lists and values replaced, null takes away', () => {
  const base = { a: { b: 1, c: [1, 2] }, d: 'x', e: true };
  expect(mergeTrees(base, { a: { c: [3], f: { g: 1 } }, d: { h: 1 }, e: null })).toEqual({
    a: { b: 1, c: [3], f: { g: 1 } },
    d: { h: 1 },
  });
  const hostile = JSON.parse('{"__proto__": {"polluted": true}, "a": {"constructor": {"x": 1}}}') as object;
  expect(mergeTrees(base, hostile as Record<string, unknown>)).toEqual(base);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

it.each([
  ['auth', { gatehouse: { storage: { type: 'memory' } } }, 'spec.auth.config.gatehouse.storage'],
  ['auth', { gatehouse: { join_params: {} } }, 'spec.auth.config.gatehouse.join_params'],
  ['auth', { auth_service: { cluster_name: 'x' } }, 'spec.auth.config.auth_service.cluster_name'],
  ['auth', { proxy_service: {} }, 'spec.auth.config.proxy_service'],
  ['auth', { gatehouse: 'x' }, 'spec.auth.config.gatehouse'],
  ['auth', { auth_service: null }, 'spec.auth.config.auth_service'],
  ['proxy', { version: 'v1' }, 'spec.proxy.config.version'],
  ['proxy', { gatehouse: { auth_servers: ['evil:1'] } }, 'spec.proxy.config.gatehouse.auth_servers'],
  ['proxy', { gatehouse: { proxy_server: 'evil:1' } }, 'spec.proxy.config.gatehouse.proxy_server'],
  ['proxy', { teleport: {} }, 'spec.proxy.config.teleport'],
] as const)('S37 refuses: overlay of %s: %j', (step, overlay, path) => {
  expect(overlayProblems(step, overlay).map((problem) => problem.path)).toEqual([path]);
});

it.each([
  [{ name: 'x', hostPath: { path: '/' } }, 'hostPath: is not allowed'],
  [{ name: 'x', emptyDir: {}, hostPath: { path: '/' } }, 'hostPath: is not allowed'],
  [{ name: 'x', nfs: { server: 's', path: '/' } }, 'nfs: is not allowed'],
  [{ name: 'data', emptyDir: {} }, "volume of Gatehouse's own"],
] as const)('S37 refuses: volume %j', (volume, words) => {
  expect(volumeProblems('spec.auth', [volume], [])).toEqual([expect.stringContaining(words)]);
});

it.each([
  ['/', 'would hide'],
  ['/etc', 'would hide /etc/gatehouse'],
  ['/etc/gatehouse/', 'would hide /etc/gatehouse'],
  ['/etc/gatehouse/gatehouse.yaml', 'would hide'],
  ['//var/./lib//gatehouse', 'would hide /var/lib'],
  ['/var', 'would hide'],
  ['/tmp', 'would hide /tmp'],
  ['/opt/../etc/gatehouse', 'must not have ".."'],
  ['relative', 'absolute path'],
  [undefined, 'absolute path'],
] as const)('S37 refuses: a mount at %s', (mountPath, words) => {
  expect(volumeProblems('spec.auth', [], [{ name: 'x', mountPath }])).toEqual([
    expect.stringContaining(words),
  ]);
});

it('ok: volumes of the namespace, mounted where nothing of ours is', () => {
  const volumes = ['configMap', 'secret', 'emptyDir', 'projected', 'csi'].map((source) => ({
    name: 'x',
    [source]: {},
  }));
  const mounts = ['/etc/ssl/corporate', '/opt/x', '/tmp/cache', '/etc/gatehouse-extra'].map((mountPath) => ({
    name: 'x',
    mountPath,
  }));
  expect(volumeProblems('spec.auth', volumes, mounts)).toEqual([]);
});
