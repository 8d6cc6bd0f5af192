// The operator as a process, as in a pod: its ServiceAccount's files, exactly the rights of rbac.ts, and a real API
// server. Missing definitions, leadership, and what it costs when nothing happens.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startKubeApi, type KubeApi } from '#test/kit/kube-api.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { until } from '#test/kit/until.ts';
import { OWN_SERVICE_ACCOUNT, rulesOf } from './rbac.ts';

const NAMESPACE = 'gatehouse';
const ACCOUNT = 'gatehouse-operator';
const PATIENCE_MS = 120_000;
const ROOT = join(import.meta.dirname, '..');
/** The files of a ServiceAccount where a pod has them, seen by this process alone. */
const AS_POD = `
  mount -t tmpfs none /run && mkdir -p /var/run/secrets/kubernetes.io/serviceaccount &&
  cp "$0"/token "$0"/ca.crt /var/run/secrets/kubernetes.io/serviceaccount && exec "$@"`;

let api: KubeApi;
let folder: string;
beforeAll(async () => {
  api = await startKubeApi();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-operator-'));
  await api.kubectl(['create', 'namespace', NAMESPACE]);
  await api.kubectl(['create', 'serviceaccount', ACCOUNT, '-n', NAMESPACE]);
  await api.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: roles() }));
  const token = await api.kubectl(['create', 'token', ACCOUNT, '-n', NAMESPACE, '--duration=3h']);
  writeFileSync(join(folder, 'token'), token.trim());
  writeFileSync(join(folder, 'ca.crt'), api.caPem);
}, KUBE_START_MS);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await api.close();
});

interface Process {
  readonly child: ChildProcess;
  ready(): Promise<{ status?: string; reasons?: readonly string[] }>;
  metric(name: string): Promise<number>;
  log(): string;
}
const open: ChildProcess[] = [];
afterEach(async () => {
  for (const child of open.splice(0)) await end(child, 'SIGKILL');
});

function roles(): readonly object[] {
  const rules = (where: Parameters<typeof rulesOf>[0]): readonly object[] =>
    rulesOf(where).map((rule) => ({
      ...rule,
      ...(rule.resourceNames === undefined
        ? {}
        : {
            resourceNames: rule.resourceNames.map((name) => (name === OWN_SERVICE_ACCOUNT ? ACCOUNT : name)),
          }),
    }));
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const subjects = [{ kind: 'ServiceAccount', name: ACCOUNT, namespace: NAMESPACE }];
  const metadata = { name: ACCOUNT };
  const own = { name: ACCOUNT, namespace: NAMESPACE };
  const apiGroup = 'rbac.authorization.k8s.io';
  return [
    { apiVersion, kind: 'ClusterRole', metadata, rules: [...rules('cluster'), ...rules('watched')] },
    {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata,
      subjects,
      roleRef: { apiGroup, kind: 'ClusterRole', name: ACCOUNT },
    },
    { apiVersion, kind: 'Role', metadata: own, rules: rules('own') },
    {
      apiVersion,
      kind: 'RoleBinding',
      metadata: own,
      subjects,
      roleRef: { apiGroup, kind: 'Role', name: ACCOUNT },
    },
  ];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(name: string): Promise<Process> {
  const port = await freePort();
  const program = [
    join(ROOT, 'bin', 'gatehouse'),
    'operator',
    `--diag-addr=127.0.0.1:${port}`,
    '--log-format=json',
  ];
  const child = spawn('unshare', ['--mount', 'sh', '-c', AS_POD, folder, ...program], {
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(api.port),
      KUBE_NAMESPACE: NAMESPACE,
      SERVICE_ACCOUNT: ACCOUNT,
      POD_NAME: name,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  open.push(child);
  let log = '';
  child.stderr.on('data', (part: Buffer) => (log += part.toString()));
  const fetchText = async (path: string): Promise<string> =>
    fetch(`http://127.0.0.1:${port}${path}`).then(
      (answer) => answer.text(),
      () => '',
    );
  return {
    child,
    ready: async () => JSON.parse((await fetchText('/readyz')) || '{}') as object,
    async metric(wanted) {
      const lines = (await fetchText('/metrics')).split('\n').filter((line) => line.startsWith(wanted));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
    log: () => log,
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

const isLeading = async ({ metric }: Process): Promise<boolean> =>
  (await metric('gatehouse_operator_leader')) === 1;

it('ok: without its definitions it says which are missing, and goes on when they come', async () => {
  const operator = await start('first');
  await until(
    'told',
    async () =>
      (await operator.ready()).reasons?.some((reason) => reason.includes('gatehouseroles.gatehouse.dev')),
    PATIENCE_MS,
  );
  const definitions = readdirSync(join(ROOT, 'crds')).filter((file) => file.endsWith('.yaml'));
  const text = definitions.map((file) => readFileSync(join(ROOT, 'crds', file), 'utf8')).join('\n---\n');
  await api.kubectl(['apply', '--server-side', '-f', '-'], text);
  await until('ready', async () => (await operator.ready()).status === 'ok', PATIENCE_MS);
  expect(operator.log()).not.toContain('forbidden');
});

it('ok: one of two leads; the other is ready and takes over after its end, and after its death', async () => {
  const first = await start('first');
  await until('first leads', () => isLeading(first), PATIENCE_MS);
  const second = await start('second');
  await until('second is ready', async () => (await second.ready()).status === 'ok', PATIENCE_MS);
  expect(await isLeading(second)).toBe(false);
  await end(first.child, 'SIGTERM');
  expect(first.child.exitCode).toBe(0);
  await until('second leads', () => isLeading(second), PATIENCE_MS);
  const third = await start('third');
  await until('third is ready', async () => (await third.ready()).status === 'ok', PATIENCE_MS);
  await end(second.child, 'SIGKILL');
  await until('third leads', () => isLeading(third), PATIENCE_MS);
});

it('ok: when nothing happens it costs less than a call a second, and 120 MB', async () => {
  const operator = await start('idle');
  await until('leads', () => isLeading(operator), PATIENCE_MS);
  await until('ready', async () => (await operator.ready()).status === 'ok', PATIENCE_MS);
  const name = 'gatehouse_operator_kube_requests_total{';
  const began = performance.now();
  const before = await operator.metric(name);
  const seconds = (): number => (performance.now() - began) / 1000;
  await until('30 s', () => seconds() > 30, 60_000);
  const after = await until('calls are told', () => operator.metric(name));
  const rate = (after - before) / seconds();
  const bytes = await until('memory is told', () => operator.metric('process_resident_memory_bytes'));
  const rss = bytes / 1024 / 1024;
  process.stdout.write(`idle operator: ${rate.toFixed(2)} API calls/s, ${rss.toFixed(0)} MB resident\n`);
  expect(rate).toBeLessThan(1);
  expect(rss).toBeLessThan(120);
});

it('S37 refuses: rights beyond the table', async () => {
  const may = (words: readonly string[]): Promise<string> =>
    api.kubectl(['auth', 'can-i', ...words, `--as=system:serviceaccount:${NAMESPACE}:${ACCOUNT}`]).then(
      (text) => text.trim(),
      () => 'no',
    );
  expect(await may(['get', 'secrets', '-n', 'default'])).toBe('yes');
  for (const words of [
    ['create', 'secrets', '-n', 'default'],
    ['create', 'pods', '-n', 'default'],
    ['create', 'pods', '--subresource=exec', '-n', 'default'],
    ['create', 'roles.rbac.authorization.k8s.io', '-n', 'default'],
    ['escalate', 'clusterroles'],
    ['bind', 'clusterroles/cluster-admin'],
    ['impersonate', 'users'],
    ['create', 'serviceaccounts/default', '--subresource=token', '-n', NAMESPACE],
    ['create', `serviceaccounts/${ACCOUNT}`, '--subresource=token', '-n', 'kube-system'],
    ['get', 'namespaces/default'],
    ['get', 'leases', '-n', 'kube-system'],
    ['update', 'customresourcedefinitions'],
  ]) {
    expect([words.join(' '), await may(words)]).toEqual([words.join(' '), 'no']);
  }
});
