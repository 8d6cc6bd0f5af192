// Ansible with 50 forks on a cluster of real processes: servers with an agent and servers with a plain sshd, one connection
// to the proxy for all, the inventory of `gate ls`. All succeed, storage and memory stay small. Needs root, sshd, python3, PyPI.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAccount } from '#test/kit/account.ts';
import { ansibleFolder } from '#test/kit/ansible.ts';
import { CLUSTER, must, NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { startPlainSshd, type PlainSshd } from '#test/kit/plain-sshd.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const PLAIN = 20;
const AGENT_NAMES = 30;
const HOSTS = PLAIN + AGENT_NAMES;
const ROUNDS = 2;
const MIB = 1024 ** 2;

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const plainName = (i: number): string => `legacy-${String(i).padStart(2, '0')}`;

const account = makeAccount();
let bin: string;
let cluster: TestCluster;
let alice: Person;
let sshd: PlainSshd;

beforeAll(async () => {
  bin = ansibleFolder();
  cluster = await startCluster();
  alice = await cluster.person('alice', ['access'], [account.name]);
  // One sshd that has the names of twenty servers.
  sshd = await startPlainSshd(cluster, {
    names: Array.from({ length: PLAIN }, (_, i) => plainName(i)),
    at,
    labels: { os: 'old' },
    more: ['MaxStartups 200', 'MaxSessions 100'],
  });
  writeFiles();
}, 240_000);
afterAll(async () => {
  sshd?.stop();
  await cluster?.stop();
  account.remove();
});

/** As in docs/guide/ansible.md, for many servers at once: all of them through one connection to the proxy. */
function writeFiles(): void {
  const common = `  IdentityFile ${alice.key}
  CertificateFile ${alice.key}-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${alice.knownHosts}
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
`;
  writeFileSync(
    at('ssh.conf'),
    `Host gate
  HostName 127.0.0.1
  HostKeyAlias ${NODE}.${CLUSTER}
  Port ${cluster.sshPort}
  User alice
  ControlMaster auto
  ControlPath ${at('gate.sock')}
  ControlPersist 60
${common}Host *.${CLUSTER}
  ProxyCommand ssh -F ${at('ssh.conf')} -W %h:%p gate
${common}`,
  );
  writeFileSync(
    at('ansible.cfg'),
    `[defaults]
forks = 50
remote_user = ${account.name}
host_key_checking = True
timeout = 60
interpreter_python = /usr/bin/python3
local_tmp = ${at('local')}
[ssh_connection]
pipelining = True
ssh_args = -F ${at('ssh.conf')} -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = ${at('cp')}
`,
  );
  writeFileSync(
    at('play.yaml'),
    `- hosts: all
  gather_facts: false
  tasks:
    - raw: /usr/bin/id -un
      register: who
    - assert: {that: who.stdout | trim == '${account.name}'}
    - command: /usr/bin/id -un
`,
  );
}

async function inventory(): Promise<void> {
  const nodes = JSON.parse(must(await alice.gate('ls', '-f', 'json'))) as { spec: { hostname: string } }[];
  const names = nodes.map(({ spec }) => spec.hostname);
  expect(names.filter((name) => name.startsWith('legacy-'))).toHaveLength(PLAIN);
  expect(names).toContain(NODE);
  const plain = names.filter((name) => name !== NODE).map((name) => [name, name]);
  const aliases = Array.from({ length: AGENT_NAMES }, (_, i) => [`web-${i}`, NODE]);
  const lines = [...plain, ...aliases].map(([name, host]) => `${name} ansible_host=${host}.${CLUSTER}`);
  writeFileSync(at('hosts'), `${lines.join('\n')}\n`);
}

function play(): { readonly text: string; readonly seconds: number } {
  const start = performance.now();
  const { stdout, stderr } = spawnSync(join(bin, 'ansible-playbook'), ['-i', at('hosts'), at('play.yaml')], {
    encoding: 'utf8',
    timeout: 200_000,
    env: {
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      HOME: alice.home,
      ANSIBLE_CONFIG: at('ansible.cfg'),
      LANG: 'C.UTF-8',
    },
  });
  return { text: stdout + stderr, seconds: (performance.now() - start) / 1000 };
}

const rssMiB = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${cluster.daemon.pid}/status`, 'utf8'))?.[1]) / 1024;

function sizeOf(dir: string): { files: number; bytes: number } {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(dir, name)))
    .filter((found) => found.isFile());
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}

const uploads = (): number => {
  const dir = join(cluster.daemon.dataDir, 'log');
  return readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .map((name) => readFileSync(join(dir, name), 'utf8').split('"session.upload"').length - 1)
    .reduce((sum, count) => sum + count, 0);
};

test('R34 ok: 50 forks on servers of both sorts, again and again, with little storage and flat memory', async () => {
  await inventory();
  const rss: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const { text, seconds } = play();
    const good = text.match(/ok=3 .*unreachable=0 +failed=0/g) ?? [];
    const [, ...bad] = text.split(/^(?=.*(?:UNREACHABLE|fatal))/m);
    expect(
      good.length,
      bad
        .map((part) => part.slice(0, 1500))
        .slice(0, 3)
        .join(''),
    ).toBe(HOSTS);
    rss.push(Math.round(rssMiB()));
    console.info(`round ${round}: ${seconds.toFixed(1)} s, RSS of all services ${rss.at(-1)} MiB`);
  }
  // Each task is a session at least.
  const sessions = await until('all recordings', () => {
    const count = uploads();
    return count >= HOSTS * ROUNDS * 2 && count;
  });
  const { files, bytes } = sizeOf(join(cluster.daemon.dataDir, 'log', 'sessions'));
  console.info(`${sessions} recordings, ${files} files, ${Math.round(bytes / sessions)} bytes each`);
  expect(bytes / sessions).toBeLessThan(8 * 1024);
  expect(files).toBeLessThan(sessions * 2);
  expect(rss[ROUNDS - 1]! - rss[0]!).toBeLessThan(60);
  expect(bytes).toBeLessThan(20 * MIB);
}, 300_000);
