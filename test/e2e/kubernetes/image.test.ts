// The product's image as pods run it: not root, nothing to write to but what is mounted, and soon ready.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Image, type KubeCluster, useCluster, whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';

const whyNot = whyNoCluster();
const READY_MS = 180_000;
let cluster: KubeCluster;
let image: Image;
let namespace: string;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  cluster = await useCluster();
  image = await cluster.image();
  namespace = await cluster.namespace('image');
}, KUBE_START_MS);

afterAll(async () => {
  if (whyNot === undefined) await cluster.close();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(await cluster.explain(namespace));
});

const CONFIG = `version: v3
gatehouse:
  nodename: pod
  # The volume's own root belongs to root, as Kubernetes makes it; the folder in it belongs to the pod's user.
  data_dir: /var/lib/gatehouse/data
  diag_addr: 0.0.0.0:3000
auth_service:
  cluster_name: image.example.com
proxy_service: {enabled: no}
ssh_service: {enabled: no}
`;

/** With the least rights that Kubernetes can give a pod, and its data on a volume. */
function pod(name: string, { repository, tag }: Image): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 5,
      securityContext: {
        runAsNonRoot: true,
        fsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'gatehouse',
          image: `${repository}:${tag}`,
          args: ['start', '--config=/etc/gatehouse/gatehouse.yaml'],
          readinessProbe: { httpGet: { path: '/readyz', port: 3000 }, periodSeconds: 1 },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'config', mountPath: '/etc/gatehouse' },
            { name: 'data', mountPath: '/var/lib/gatehouse' },
          ],
        },
      ],
      volumes: [
        { name: 'config', configMap: { name: 'config' } },
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      ],
    },
  };
}

const objects = (): unknown[] => [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config' }, data: { 'gatehouse.yaml': CONFIG } },
  {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
];

const kubectl = (...args: string[]): Promise<string> => cluster.kubectl(['-n', namespace, ...args]);
const apply = (items: readonly unknown[]): Promise<string> =>
  cluster.kubectl(
    ['-n', namespace, 'apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  );

test('ok: it starts without root on a read-only file system, its data on a volume, and is ready', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  await apply([...objects(), pod('auth', image)]);
  await kubectl('wait', '--for=condition=Ready', 'pod/auth', `--timeout=${READY_MS / 1000}s`);
  expect(await kubectl('exec', 'auth', '--', 'id', '-un')).toBe('gatehouse\n');
  expect(await kubectl('exec', 'auth', '--', 'gatehouse', 'version', '--format=json')).toContain(
    `"version": "${image.version}"`,
  );
  const healthz = ['node', '-e', "fetch('http://127.0.0.1:3000/healthz').then((a) => console.log(a.status))"];
  expect(await kubectl('exec', 'auth', '--', ...healthz)).toBe('200\n');
  const write = kubectl('exec', 'auth', '--', 'sh', '-c', 'echo > /opt/gatehouse/bin/gate');
  await expect(write).rejects.toThrow('Read-only file system');
});

test('ok: init of the container reaps what sessions leave behind', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  // Its parent ends at once, so that init inherits it.
  await kubectl('exec', 'auth', '--', 'sh', '-c', '(sh -c "exit 3" &) ; :');
  const states = 'cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f3';
  await until(
    'no zombie',
    async () => !(await kubectl('exec', 'auth', '--', 'sh', '-c', states)).includes('Z'),
  );
  expect(await kubectl('exec', 'auth', '--', 'cat', '/proc/1/comm')).toBe('tini\n');
});

test('ok: it holds what sessions need, and nothing that installs or gives rights', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const which = (program: string): Promise<string> =>
    kubectl('exec', 'auth', '--', 'sh', '-c', `command -v ${program} || echo none`);
  for (const program of ['bash', 'setsid', 'setpriv', 'stty', 'env', 'getent']) {
    expect(await which(program), program).not.toBe('none\n');
  }
  for (const program of ['apt-get', 'npm', 'perl', 'mount.nfs']) expect(await which(program)).toBe('none\n');
  const privileged = 'find / -xdev -type f -perm /6000 2>/dev/null || true';
  expect(await kubectl('exec', 'auth', '--', 'sh', '-c', privileged)).toBe('');
});

test('ok: the next version says so, and the broken one ends with an error', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const [next, broken] = [await cluster.image('next'), await cluster.image('broken')];
  expect(next.version).not.toBe(image.version);
  await kubectl('delete', 'pod', 'auth', '--wait=true');
  await apply([pod('next', next), pod('broken', broken)]);
  await kubectl('wait', '--for=condition=Ready', 'pod/next', `--timeout=${READY_MS / 1000}s`);
  expect(await kubectl('exec', 'next', '--', 'gatehouse', 'version')).toContain(next.version);
  await kubectl(
    'wait',
    '--for=jsonpath={.status.phase}=Failed',
    'pod/broken',
    `--timeout=${READY_MS / 1000}s`,
  );
  expect(await kubectl('logs', 'broken')).toContain('this image is broken');
});
