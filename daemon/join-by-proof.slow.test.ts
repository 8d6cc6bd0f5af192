// Two real daemons and no secret between them: the auth service applies a token for pods at its start, a node joins with
// the ServiceAccount token in its file. Keys are given; auth/joining/kubernetes has a real API server.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loopbackConfig, startDaemon, type DaemonSetup, type TestDaemon } from '#test/kit/daemon.ts';
import { makePodTokenKey, podTokenJwks, signPodToken } from '#test/kit/pod-tokens.ts';

const key = makePodTokenKey();
let folder: string;
let daemons: TestDaemon[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-proof-'));
  daemons = [];
});
afterEach(async () => {
  for (const daemon of daemons.toReversed()) await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

function start(setup: DaemonSetup): TestDaemon {
  const daemon = startDaemon(setup);
  daemons.push(daemon);
  return daemon;
}

const resources = (account: string): string => `kind: token
version: v2
metadata: {name: agents}
spec:
  roles: [node]
  join_method: kubernetes
  kubernetes:
    type: static_jwks
    static_jwks: {jwks: '${podTokenJwks(key)}'}
    allow: [{service_account: "${account}"}]
`;

const nodeConfig =
  (address: string) =>
  (dataDir: string): string =>
    `version: v3
gatehouse:
  nodename: agent-0
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  auth_server: ${address}
  join_params: {method: kubernetes, token_name: agents}
  log: {format: {output: json}}
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {listen_addr: 127.0.0.1:0}
`;

test('ok: a node waits for a file, and for rules, and is a member then and after a restart', async () => {
  const file = join(folder, 'resources.yaml');
  writeFileSync(file, resources('apps:other'));
  const authFolder = mkdtempSync(join(folder, 'auth-'));
  const authSetup = { folder: authFolder, args: [`--apply-on-startup=${file}`] };
  const auth = start(authSetup);
  expect(await auth.logged('the resources of the start are applied')).toMatchObject({ changed: 1 });
  const address = await auth.authAddress();

  const path = join(folder, 'join-sa-token');
  const nodeFolder = mkdtempSync(join(folder, 'node-'));
  const env = { KUBERNETES_TOKEN_PATH: path };
  const node = start({ folder: nodeFolder, makeConfig: nodeConfig(address), env });
  await node.logged('cannot join the cluster yet');
  writeFileSync(path, signPodToken(key, { issuedAt: Math.floor(Date.now() / 1000) - 5 }));
  await auth.stop();
  writeFileSync(file, resources('apps:agent'));
  const port = Number(address.split(':')[1]);
  start({ ...authSetup, makeConfig: (dataDir) => loopbackConfig(dataDir, '', port) });
  await node.ready();
  expect(await node.logged('joined the cluster')).toMatchObject({ cluster: 'test.example.com' });
  await node.stop();

  rmSync(path);
  const again = start({ folder: nodeFolder, env });
  await again.ready();
  expect(again.log.map(({ message }) => message)).not.toContain('joined the cluster');
}, 120_000);

test.each([
  [
    'a file with a mistake, with its line',
    'kind: token\nmetadata: {name: x}\nspec: {roles: [nod]}\n',
    'line ',
  ],
  ['no file', undefined, 'cannot be read'],
])(
  'refuses to start: %s',
  async (_title, text, message) => {
    const file = join(folder, 'resources.yaml');
    if (text !== undefined) writeFileSync(file, text);
    const auth = start({ args: [`--apply-on-startup=${file}`] });
    expect(await auth.ended).toMatchObject({ code: 1 });
    expect(auth.stderr).toContain(message);
    expect(auth.stderr).toContain(file);
  },
  60_000,
);

test('refuses to start: resources without an auth service', async () => {
  const node = start({ makeConfig: nodeConfig('127.0.0.1:1'), args: ['--apply-on-startup=/dev/null'] });
  await node.ended;
  expect(node.stderr).toContain('--apply-on-startup is for the auth service');
}, 60_000);
