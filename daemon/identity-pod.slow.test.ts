// Real daemons as pods: with the environment and the ServiceAccount folder of a pod, and an API server on loopback that
// keeps their Secret. They are killed at each write, and doubled.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, type TestContext } from 'vitest';
import { POD, startSecretServer, tokenOf, type SecretServer } from '#client/conformance/secret-server.ts';
import { NAMESPACE } from '#client/conformance/secret-world.ts';
import { decodeRecord, type HostRecord } from '#client/credentials.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

const TOKEN = 'e94d68a8a1e5821dbd79d03a960644f0';
const ACCOUNT_DIR = '/run/secrets/kubernetes.io/serviceaccount';
const NOTICE_MS = 300_000;

let house: TestAuth;
let kube: SecretServer;
let folders: string[];
let daemons: TestDaemon[];
beforeEach(async () => {
  [folders, daemons] = [[], []];
  kube = await startSecretServer();
  house = await startHouse();
});
afterEach(async () => {
  for (const daemon of daemons) await daemon.stop();
  await house.close();
  await kube.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function startHouse(): Promise<TestAuth> {
  const started = await startTestAuth();
  const expires = new Date(started.clock.now() + 3_600_000).toISOString();
  await started.put('token', TOKEN, { roles: ['node'] }, { expires });
  return started;
}

function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('only root gives a process a /run of its own');
}

/** A folder that the process sees where the kubelet puts it. */
function accountOf(podUid: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pod-'));
  folders.push(folder);
  writeFileSync(join(folder, 'token'), tokenOf({ ...POD, podUid }));
  return folder;
}

function startPod(podUid = POD.podUid, more = ''): TestDaemon {
  const setUp = `mount -t tmpfs tmpfs /run && mkdir -p ${ACCOUNT_DIR} && cp "$1/token" "$2/ca.crt" ${ACCOUNT_DIR} && shift 2 && exec "$@"`;
  const daemon = startDaemon({
    within: ['unshare', '--mount', '--', 'sh', '-c', setUp, 'sh', accountOf(podUid), kube.accountDir],
    env: {
      KUBERNETES_SERVICE_HOST: kube.host,
      KUBERNETES_SERVICE_PORT: String(kube.port),
      GATEHOUSE_REPLICA_NAME: POD.podName,
      KUBE_NAMESPACE: NAMESPACE,
    },
    makeConfig: (dataDir) => `gatehouse:
  nodename: ${POD.podName}
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
  auth_servers: ["127.0.0.1:${house.auth.port}"]
  join_params: {method: token, token_name: ${TOKEN}${more}}
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {listen_addr: 127.0.0.1:0}
`,
  });
  daemons.push(daemon);
  return daemon;
}

const stored = (): HostRecord | undefined => {
  const text = kube.world.get(`${POD.podName}-state`)?.data['record'];
  return text === undefined
    ? undefined
    : decodeRecord(Buffer.from(text, 'base64').toString('utf8'), 'Secret');
};
const reasons = async (daemon: TestDaemon): Promise<string> =>
  (await (await fetch(`${await daemon.diagnostics()}/readyz`)).text()) || '';

test('R1 ok: killed before and after each write, a pod comes back as the host that the Secret holds', async (context) => {
  needsRoot(context);
  let acknowledged: string | undefined;
  for (const [call, when] of [
    ['POST', 'cut before'],
    ['POST', 'cut after'],
    ['PUT', 'cut before'],
    ['PUT', 'cut after'],
  ] as const) {
    let isKilled = false;
    // Another pod uid each time, so that a stored identity is claimed by a PUT.
    const daemon = startPod(`pod-${call}-${when}`);
    kube.trouble = (seen) => {
      if (!seen.startsWith(call) || isKilled) return 'none';
      isKilled = true;
      daemon.kill('SIGKILL');
      return when;
    };
    await Promise.race([daemon.ended, daemon.ready()]);
    expect(isKilled).toBe(true);
    kube.trouble = () => 'none';
    await daemon.stop();
    const again = startPod(`pod-${call}-${when}`);
    await again.ready();
    const hostId = stored()?.certificates.host_id;
    expect(hostId).toBeDefined();
    expect(hostId).toBe(acknowledged ?? hostId);
    acknowledged = hostId;
    await again.stop();
    // The second kind of POST needs a Secret that is not there.
    if (call === 'POST' && when === 'cut before') {
      kube.world.remove(`${POD.podName}-state`);
      acknowledged = undefined;
    }
  }
});

test('R1 R11 refuses: the earlier of two pods of one name is not ready, says why, and stays up', async (context) => {
  needsRoot(context);
  const old = startPod('pod-1');
  await old.ready();
  const young = startPod('pod-2');
  await young.ready();
  await until(
    'the earlier one to notice',
    async () => (await reasons(old)).includes('another pod'),
    NOTICE_MS,
  );
  expect(old.isRunning).toBe(true);
  const said = 'another process uses the identity of this host';
  expect(old.log.filter(({ message }) => message.startsWith(said)).length).toBe(1);
  expect(await reasons(young)).toContain('ok');
  expect(stored()?.generation).toBe(1);
});

test('R11 ok: a replaced cluster: not ready with the reason; where rejoining is allowed, a member again', async (context) => {
  needsRoot(context);
  const first = startPod();
  await first.ready();
  const before = stored()?.certificates.host_id;
  await first.stop();
  await house.close();
  house = await startHouse();
  const refused = startPod();
  await until('the reason', async () => (await reasons(refused)).includes('another cluster'));
  expect(stored()?.certificates.host_id).toBe(before);
  await refused.stop();
  const again = startPod(POD.podUid, ', rejoin: true');
  await again.ready();
  expect(stored()).toMatchObject({ generation: 2 });
  expect(stored()?.certificates.host_id).not.toBe(before);
});
