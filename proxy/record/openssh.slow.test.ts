// Servers with a plain sshd, reached, decided on and recorded at the proxy, with real processes: the daemon, sshd and stock
// OpenSSH clients. Needs `ssh`, `sshd`, `scp`, `sftp` and root.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const NAME = 'legacy';
const SFTP_SERVER = '/usr/lib/openssh/sftp-server';

let web: number;
let daemon: TestDaemon;
let sshd: ChildProcess;
let other: ChildProcess;
let sshdPort: number;
let otherPort: number;

async function gatectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${daemon.configPath}`, ...args]);
  if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const config = (dataDir: string): string => `version: v3
gatehouse:
  nodename: door
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
auth_service:
  listen_addr: 127.0.0.1:0
  cluster_name: test.example.com
  proxy_listener_mode: multiplex
ssh_service: {enabled: no}
proxy_service:
  web_listen_addr: 127.0.0.1:${web}
  public_addr: 127.0.0.1:${web}
`;

const RESOURCES = (): string => `kind: role
version: v5
metadata: {name: ops}
spec:
  allow: {logins: [root], node_labels: {env: prod}}
  options: {forward_agent: true}
---
kind: role
version: v5
metadata: {name: plain}
spec:
  allow: {logins: [root], node_labels: {env: prod}}
  options: {port_forwarding: false, ssh_file_copy: false}
---
kind: role
version: v5
metadata: {name: elsewhere}
spec: {allow: {logins: [root], node_labels: {env: test}}}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [ops]}
---
kind: user
version: v2
metadata: {name: eve}
spec: {roles: [plain]}
---
kind: user
version: v2
metadata: {name: mallory}
spec: {roles: [elsewhere]}
---
kind: node
version: v2
sub_kind: openssh
metadata: {name: legacy-1, labels: {env: prod}}
spec: {hostname: ${NAME}, addr: "127.0.0.1:${sshdPort}"}
---
kind: node
version: v2
sub_kind: openssh
metadata: {name: wrong-1, labels: {env: prod}}
spec: {hostname: wrong, addr: "127.0.0.1:${otherPort}"}
`;

function startSshd(port: number, hostKey: string, more: string): ChildProcess {
  const file = at(`sshd-${port}.conf`);
  writeFileSync(
    file,
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${hostKey}
HostCertificate ${hostKey}-cert.pub
TrustedUserCAKeys ${at('user-ca.pub')}
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
StrictModes no
PermitRootLogin yes
MaxStartups 100:30:200
Subsystem sftp ${SFTP_SERVER}
${more}`,
  );
  mkdirSync('/run/sshd', { recursive: true });
  return spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
}

const listens = (port: number) => (): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

beforeAll(async () => {
  [web, sshdPort, otherPort] = [await freePort(), await freePort(), await freePort()];
  daemon = startDaemon({ makeConfig: config });
  await daemon.ready();
  writeFileSync(at('resources.yaml'), RESOURCES());
  await gatectl('create', '-f', at('resources.yaml'));
  for (const user of ['joe', 'eve', 'mallory'])
    await gatectl('auth', 'sign', `--user=${user}`, '--format=openssh', `--out=${at(user)}`);
  await gatectl('auth', 'sign', '--format=openssh', `--host=${NAME}`, `--out=${at('host')}`);
  await gatectl('auth', 'sign', '--format=openssh', '--host=stranger', `--out=${at('stranger')}`);
  const line = (await gatectl('auth', 'export', '--type=user')).trim();
  // authorized_keys form; sshd wants the bare keys.
  writeFileSync(at('user-ca.pub'), `${line.replace(/^cert-authority(?:,\S+)? /gm, '')}\n`);
  writeFileSync(at('known'), await gatectl('auth', 'export', '--type=host'));
  // Nobody but who comes through the proxy, and for this very server.
  sshd = startSshd(
    sshdPort,
    at('host'),
    'AuthorizedPrincipalsCommand /usr/bin/echo gatehouse:legacy-1:%u\nAuthorizedPrincipalsCommandUser nobody\n',
  );
  other = startSshd(otherPort, at('stranger'), '');
  await until('sshd', listens(sshdPort));
  await until('the other sshd', listens(otherPort));
  const ofUser = (user: string): string => `Host ${user}
  HostName ${NAME}
  HostKeyAlias ${NAME}.test.example.com
  User root
  ProxyJump gate-${user}
  IdentityFile ${at(user)}
  CertificateFile ${at(user)}-cert.pub
Host wrong-${user}
  HostName wrong
  HostKeyAlias wrong.test.example.com
  User root
  ProxyJump gate-${user}
  IdentityFile ${at(user)}
  CertificateFile ${at(user)}-cert.pub
Host gate-${user}
  HostName 127.0.0.1
  HostKeyAlias door.test.example.com
  Port ${web}
  User ${user}
  IdentityFile ${at(user)}
  CertificateFile ${at(user)}-cert.pub
Host direct-${user}
  HostName 127.0.0.1
  HostKeyAlias ${NAME}.test.example.com
  Port ${sshdPort}
  User root
  IdentityFile ${at(user)}
  CertificateFile ${at(user)}-cert.pub
`;
  writeFileSync(
    at('config'),
    `${['joe', 'eve', 'mallory'].map(ofUser).join('')}Host *
  IdentitiesOnly yes
  IdentityAgent none
  BatchMode yes
  LogLevel ERROR
  GlobalKnownHostsFile none
  UserKnownHostsFile ${at('known')}
  StrictHostKeyChecking yes
`,
  );
}, 60_000);
afterAll(async () => {
  sshd?.kill();
  other?.kill();
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

const ssh = (...args: string[]): Promise<Outcome> => run('ssh', args);

type Event = Readonly<Record<string, unknown>> & { readonly event: string };

/** Audit events on the disk of auth, once one fits. */
function audited(what: string, fits: (event: Event) => boolean): Promise<Event> {
  return until(what, () => {
    const text = execFileSync('sh', ['-c', 'cat "$1"/*.log', 'sh', join(daemon.dataDir, 'log')], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 ** 2,
    });
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event)
      .find(fits);
  });
}

describe('a plain sshd behind the proxy', () => {
  it('ok: exec with input, output, errors and exit status', async () => {
    const { code, out, said } = await run('ssh', ['joe', 'cat; echo oops >&2; exit 7'], 'hello');
    expect({ code, out, said }).toEqual({ code: 7, out: 'hello', said: 'oops\n' });
    const event = await audited('exec', (one) => one.event === 'exec' && one['exitCode'] === 7);
    expect(event).toMatchObject({ user: 'joe', login: 'root', server_id: 'legacy-1', server_hostname: NAME });
  });

  it('ok: a shell with a terminal is recorded, and can be played', async () => {
    const { out } = await run('ssh', ['-tt', 'joe'], 'echo "in the $((40+2)) shell"; exit\n');
    expect(out).toContain('in the 42 shell');
    const end = await audited('its end', (one) => one.event === 'session.end' && one['interactive'] === true);
    const sid = String(end['sid']);
    await audited('its upload', (one) => one.event === 'session.upload' && one['sid'] === sid);
    expect(await gatectl('recordings', 'ls')).toContain(sid);
    expect(await gatectl('recordings', 'verify', sid)).toContain('is whole');
  });

  it('ok: sftp and scp, with what they did on record', async () => {
    writeFileSync(at('up'), 'x'.repeat(300_000));
    expect(await run('sftp', ['-b', '-', 'joe'], `put ${at('up')} ${at('by-sftp')}\n`)).toMatchObject({
      code: 0,
    });
    expect(readFileSync(at('by-sftp'), 'utf8').length).toBe(300_000);
    await audited('sftp', (one) => one.event === 'sftp' && one['path'] === at('by-sftp'));
    for (const [flag, to] of [
      ['-O', 'old'],
      ['-s', 'new'],
    ] as const) {
      expect(await run('scp', [flag, at('up'), `joe:${at(to)}`])).toMatchObject({ code: 0 });
      expect(readFileSync(at(to), 'utf8').length).toBe(300_000);
    }
    await audited('scp', (one) => one.event === 'scp' && one['path'] === at('old'));
  });

  it('S10 ok: forwards that roles permit; refuses: those they do not, and files', async () => {
    const echo = createServer((socket) => socket.pipe(socket));
    const port = await new Promise<number>((resolve) =>
      echo.listen(0, '127.0.0.1', () => resolve((echo.address() as { port: number }).port)),
    );
    try {
      expect(await run('ssh', ['-W', `127.0.0.1:${port}`, 'joe'], 'there and back')).toMatchObject({
        out: 'there and back',
      });
      expect(await run('ssh', ['-W', `127.0.0.1:${port}`, 'eve'], 'x')).toMatchObject({ out: '' });
      await audited(
        'port',
        (one) => one.event === 'port' && one['user'] === 'eve' && one['success'] === false,
      );
      expect(
        (await ssh('-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', 'eve', 'true')).code,
      ).not.toBe(0);
      expect((await ssh('-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', 'joe', 'true')).code).toBe(
        0,
      );
      expect((await run('sftp', ['-b', '-', 'eve'], 'ls\n')).code).not.toBe(0);
      expect((await run('scp', ['-O', at('up'), `eve:${at('never')}`])).code).not.toBe(0);
      expect(await ssh('eve', 'echo fine')).toMatchObject({ code: 0, out: 'fine\n' });
    } finally {
      echo.close();
    }
  });

  it('S13 refuses: who has no role for it, logins that are not theirs, and whoever comes past the proxy', async () => {
    expect((await ssh('mallory', 'id')).code).toBe(255);
    const nobody = await ssh('-o', 'LogLevel=INFO', '-l', 'nobody', 'joe', 'id');
    expect(nobody).toMatchObject({ code: 255, out: '' });
    const denial = await audited(
      'the denial',
      (one) => one.event === 'access.denied' && one['user'] === 'joe',
    );
    expect(nobody.said).toContain(String(denial['denial_id']));
    // The certificate is good, and the login too: but sshd takes only those for this very server.
    expect((await ssh('direct-joe', 'id')).code).toBe(255);
  });

  it('S30 refuses: a server that shows a certificate of another name, unless nothing is to be checked', async () => {
    expect(await ssh('wrong-joe', 'echo in')).toMatchObject({ code: 255, out: '' });
    await daemon.logged('a server could not be reached for a relayed session');
  });

  it('S16 a lock cuts what is open within a second', async () => {
    const child = spawn('ssh', ['-F', at('config'), 'joe', 'echo up; sleep 600'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await gatectl('lock', '--user=joe', '--message=stop', '--ttl=1h');
    const start = performance.now();
    expect(await ended).toBe(255);
    expect(performance.now() - start).toBeLessThan(1000);
    expect((await ssh('joe', 'true')).code).toBe(255);
  });
});
