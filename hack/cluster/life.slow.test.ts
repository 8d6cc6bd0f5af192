// The life of a cluster beside others: up, up again, and down to nothing when the process that it was for has ended.
import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS, kubePrograms, run } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const NAME = 'gatelife';
const env = { GATEHOUSE_TEST_CLUSTER: NAME, GATEHOUSE_TEST_CLUSTER_NET: '10.239' };
const STATE = `/var/lib/${NAME}-cluster`;
const GONE_MS = 120_000;

const whyNot = process.getuid?.() === 0 ? undefined : whyNoCluster();
const user = spawn('sleep', ['3600'], { stdio: 'ignore' });
const up = (): Promise<string> => run(`${HERE}up.sh`, ['--while', String(user.pid)], { env });
let bin = '';

beforeAll(async () => {
  if (whyNot === undefined) bin = await kubePrograms();
}, KUBE_START_MS);
afterAll(async () => {
  user.kill('SIGKILL');
  if (whyNot === undefined) await run(`${HERE}down.sh`, [], { env });
});

/** What of a cluster this machine can see. */
async function remains(): Promise<string[]> {
  const [links, routes, mounts, processes] = await Promise.all([
    run('ip', ['-brief', 'link']),
    run('ip', ['route']),
    readFileSync('/proc/self/mounts', 'utf8'),
    run('ps', ['-eo', 'args']),
  ]);
  const lines = [links, routes, mounts, processes].flatMap((text) => text.split('\n'));
  const seen = lines.filter((line) => line.includes(NAME) || line.includes('10.239.'));
  return [...seen, ...globSync([`/sys/fs/cgroup/*/${NAME}*`, `/sys/fs/cgroup/${NAME}*`, `${STATE}/*`])];
}

test('ok: a cluster comes up with a node that is ready, DNS and a storage class; a second up changes nothing', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const kubeconfig = (await up()).trim();
  const kubectl = (...args: string[]): Promise<string> =>
    run(`${bin}/kubectl`, args, { env: { KUBECONFIG: kubeconfig } });
  const ready = '-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
  expect(await kubectl('get', 'nodes', ready)).toBe('True');
  expect(await kubectl('-n', 'kube-system', 'get', 'pods', ready)).toBe('True');
  expect(await kubectl('get', 'storageclass', '-o=jsonpath={.items[*].provisioner}')).toBe(
    'gatehouse.dev/localpv',
  );

  const before = readFileSync(`${STATE}/node.pid`, 'utf8');
  expect((await up()).trim()).toBe(kubeconfig);
  expect(readFileSync(`${STATE}/node.pid`, 'utf8')).toBe(before);
});

test('ok: keys of the service account issuer are public, and nothing else is', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const ask = (path: string): Promise<string> =>
    run('curl', ['-sS', '--cacert', `${STATE}/pki/ca.crt`, `https://10.239.0.2:6443${path}`]);
  expect(JSON.parse(await ask('/openid/v1/jwks'))).toMatchObject({ keys: [{ kty: 'RSA', alg: 'RS256' }] });
  expect(JSON.parse(await ask('/api/v1/secrets'))).toMatchObject({ code: 403 });
});

test('ok: the issuer is given another key; tokens of before and after are good', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  const kubectl = (...args: string[]): Promise<string> =>
    run(`${bin}/kubectl`, args, { env: { KUBECONFIG: `${STATE}/admin.kubeconfig` } });
  const token = async (): Promise<string> => (await kubectl('create', 'token', 'default')).trim();
  const whoIs = (bearer: string): Promise<string> => {
    const flags = ['--server=https://10.239.0.2:6443', `--certificate-authority=${STATE}/pki/ca.crt`];
    return run(`${bin}/kubectl`, ['auth', 'whoami', `--token=${bearer}`, ...flags], {
      env: { KUBECONFIG: '/dev/null' },
    });
  };
  const kidOf = (bearer: string): unknown =>
    JSON.parse(Buffer.from(bearer.split('.')[0] ?? '', 'base64url').toString());
  const before = await token();
  await run(`${HERE}rotate-issuer.sh`, [], { env });
  const after = await token();
  expect(kidOf(after)).not.toEqual(kidOf(before));
  for (const bearer of [before, after]) {
    expect(await whoIs(bearer)).toContain('system:serviceaccount:default:default');
  }
  const jwks = ['-sS', '--cacert', `${STATE}/pki/ca.crt`, 'https://10.239.0.2:6443/openid/v1/jwks'];
  expect((JSON.parse(await run('curl', jwks)) as { keys: unknown[] }).keys).toHaveLength(2);
  expect(readFileSync(`${STATE}/logs/node.log`, 'utf8')).not.toContain('DIED');
});

test('ok: it goes with the process that it was for, and leaves nothing', async (context) => {
  if (whyNot !== undefined) context.skip(whyNot);
  expect(await remains()).not.toEqual([]);
  user.kill('SIGKILL');
  await until('the cluster to be gone', () => !existsSync(STATE), GONE_MS);
  await until('its processes to be gone', async () => (await remains()).length === 0, GONE_MS);
  expect(await remains()).toEqual([]);
});
