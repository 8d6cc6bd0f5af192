// Servers with an agent in a cluster that records at proxies: with real processes, the daemon and stock OpenSSH. What the
// node tells and what the proxy records is one session. Needs `ssh` and root.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
let web: number;
let daemon: TestDaemon;

async function gatectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${daemon.configPath}`, ...args]);
  if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const config = (dataDir: string): string => `version: v3
gatehouse:
  nodename: web-1
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
auth_service:
  listen_addr: 127.0.0.1:0
  cluster_name: test.example.com
  proxy_listener_mode: multiplex
  session_recording: proxy-sync
  disconnect_expired_cert: yes
proxy_service:
  web_listen_addr: 127.0.0.1:${web}
  public_addr: 127.0.0.1:${web}
ssh_service:
  listen_addr: 127.0.0.1:0
  labels: {env: prod}
`;

const RESOURCES = `kind: role
version: v5
metadata: {name: ops}
spec:
  allow: {logins: [root], node_labels: {env: prod}}
  options: {forward_agent: true}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [ops]}
`;

beforeAll(async () => {
  web = await freePort();
  daemon = startDaemon({ makeConfig: config });
  await daemon.ready();
  writeFileSync(at('resources.yaml'), RESOURCES);
  await gatectl('create', '-f', at('resources.yaml'));
  await gatectl('auth', 'sign', '--user=joe', '--format=openssh', `--out=${at('joe')}`);
  writeFileSync(at('known'), await gatectl('auth', 'export', '--type=host'));
  await until('the node', async () => (await gatectl('get', 'nodes', '--format=json')).includes('web-1'));
  writeFileSync(
    at('config'),
    `Host *
  IdentityFile ${at('joe')}
  CertificateFile ${at('joe')}-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  LogLevel INFO
  GlobalKnownHostsFile none
  UserKnownHostsFile ${at('known')}
  StrictHostKeyChecking yes
Host gate
  HostName 127.0.0.1
  HostKeyAlias web-1.test.example.com
  Port ${web}
Host web-1
  HostKeyAlias web-1.test.example.com
  User root
  ProxyJump gate
`,
  );
}, 60_000);
afterAll(async () => {
  await daemon?.stop();
});

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly said: string;
}

function run(program: string, args: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['-F', at('config'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let said = '';
    child.stdout.on('data', (data: Buffer) => (out += data));
    child.stderr.on('data', (data: Buffer) => (said += data));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, said }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

type Event = Readonly<Record<string, unknown>> & { readonly event: string };

function events(): Event[] {
  const dir = join(daemon.dataDir, 'log');
  return readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event);
}

describe('mode proxy-sync', () => {
  it('ok: a shell is recorded once, at the proxy, under the id that the node tells of', async () => {
    const { out } = await run('ssh', ['-tt', 'web-1'], 'echo "in the $((40+2)) shell"; exit\n');
    expect(out).toContain('in the 42 shell');
    const end = await until('its end', () => events().find(({ event }) => event === 'session.end'));
    const upload = await until('its upload', () => events().find(({ event }) => event === 'session.upload'));
    expect(upload['sid']).toBe(end['sid']);
    expect(upload).toMatchObject({ user: 'joe', login: 'root', server_id: end['server_id'] });
    for (const name of ['session.start', 'session.end', 'session.upload'])
      expect(events().filter(({ event }) => event === name)).toHaveLength(1);
    expect(await gatectl('recordings', 'verify', String(end['sid']))).toContain('is whole');
  });

  it('ok: exec, files, and a large output', async () => {
    expect(await run('ssh', ['web-1', 'cat; exit 7'], 'hello')).toMatchObject({ code: 7, out: 'hello' });
    const { out } = await run('ssh', ['web-1', 'head -c 20000000 /dev/zero']);
    expect(out.length).toBe(20_000_000);
    writeFileSync(at('up'), 'x'.repeat(100_000));
    expect(await run('scp', [at('up'), `web-1:${at('down')}`])).toMatchObject({ code: 0 });
    expect(readFileSync(at('down'), 'utf8').length).toBe(100_000);
  });

  it('S10 refuses: what the roles do not permit, with the id of the denial', async () => {
    const { code, said } = await run('ssh', ['-l', 'nobody', 'web-1', 'id']);
    expect(code).toBe(255);
    const denial = await until('the denial', () => events().find(({ event }) => event === 'access.denied'));
    expect(said).toContain(String(denial['denial_id']));
  });

  it('refuses: joining, which needs the node', async () => {
    const { code, said } = await run('ssh', ['-l', '.gatehouse-join', 'web-1', 'id']);
    expect(code).toBe(255);
    expect(said).toContain('cannot be joined');
  });
});
