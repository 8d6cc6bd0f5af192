// The real OpenSSH as judge: ssh-keygen reads what we write, sshd and ssh log in with it, and refuse what they should.
// Needs openssh-client, openssh-server and root (sshd); slow because each login is a process.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKeys, makeSshKey } from '#test/kit/certs.ts';
import { parseSshCertificate, parseSshCertificateLine } from './certificate.ts';
import type { SshSignatureAlgorithm } from './algorithms.ts';
import { issueSshCertificate, sshAuthority, type SshAuthority, type SshCertificateRequest } from './issue.ts';
import { knownHostsCertAuthorityLine, publicKeyLine, sshCertificateLine } from './lines.ts';
import { openSshPrivateKey, parseOpenSshPrivateKey } from './private-key.ts';
import { fingerprint, publicKeyFromKeyObject } from './public-key.ts';
import { verifySshCertificate } from './verify.ts';
import { Secret } from '#core/secret.ts';

const run = promisify(execFile);
const HOUR = 3_600_000;
const login = userInfo().username;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-openssh-'));
const path = (name: string): string => join(folder, name);
const write = (name: string, text: string): string => {
  writeFileSync(path(name), text, { mode: 0o600 });
  return path(name);
};

const keys = makeKeys();
const subjects = { ed25519: keys.ed25519, ecdsa: keys.p256, rsa: keys.rsa };
const authorityOf = (key: KeyObject, algorithm?: SshSignatureAlgorithm): SshAuthority =>
  sshAuthority(key, algorithm);
const caKeys = makeKeys();
const authorities: Readonly<Record<string, SshAuthority>> = {
  ed25519: authorityOf(caKeys.ed25519),
  ecdsa256: authorityOf(caKeys.p256),
  ecdsa384: authorityOf(caKeys.p384),
  ecdsa521: authorityOf(caKeys.p521),
  'rsa-sha2-256': authorityOf(caKeys.rsa, 'rsa-sha2-256'),
  'rsa-sha2-512': authorityOf(caKeys.rsa, 'rsa-sha2-512'),
};

const request = (change: Partial<SshCertificateRequest> = {}): SshCertificateRequest => ({
  subject: makeSshKey(),
  type: 'user',
  keyId: 'joe@example.com',
  principals: [login],
  validAfter: Date.now() - 60_000,
  validBefore: Date.now() + HOUR,
  extensions: { 'permit-pty': '', 'roles@gatehouse.dev': '["dev"]' },
  authority: authorities['ed25519']!,
  ...change,
});

let sshd: ChildProcess;
let port = 0;

beforeAll(async () => {
  port = await freePort();
  mkdirSync('/run/sshd', { recursive: true });
  chmodSync(folder, 0o700);
  const hostKey = caKeys.p256;
  const host = issueSshCertificate(
    request({
      type: 'host',
      principals: ['node-1'],
      extensions: {},
      subject: publicKeyFromKeyObject(hostKey),
    }),
  );
  write('host', openSshPrivateKey(hostKey).reveal());
  write('host-cert.pub', `${sshCertificateLine(parseSshCertificate(host))}\n`);
  write(
    'ca.pub',
    Object.values(authorities)
      .map((ca) => `${publicKeyLine(ca.publicKey)}\n`)
      .join(''),
  );
  write('known_hosts', `${knownHostsCertAuthorityLine(['node-*'], authorities['ed25519']!.publicKey)}\n`);
  write('known_hosts_other', `${knownHostsCertAuthorityLine(['*'], makeSshKey())}\n`);
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${path('host')}`,
    `HostCertificate ${path('host-cert.pub')}`,
    `TrustedUserCAKeys ${path('ca.pub')}`,
    'AuthorizedKeysFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100:30:200',
    `PidFile ${path('sshd.pid')}`,
  ];
  const config = write('sshd_config', `${settings.join('\n')}\n`);
  sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  await listening(sshd);
});

afterAll(() => {
  sshd?.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs `ssh` with a key and certificate; the outcome holds what it printed. */
async function ssh(
  name: string,
  key: KeyObject,
  blob: Uint8Array | null,
  host = 'node-1',
  knownHosts = 'known_hosts',
): Promise<Outcome> {
  const identity = write(name, openSshPrivateKey(key).reveal());
  const certificate = path(`${name}-cert.pub`);
  if (blob !== null) writeFileSync(certificate, `${sshCertificateLine(parseSshCertificate(blob))}\n`);
  const options = [
    '-F',
    'none',
    '-i',
    identity,
    ...(blob === null ? [] : ['-o', `CertificateFile=${certificate}`]),
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'IdentityAgent=none',
    '-o',
    'BatchMode=yes',
    '-o',
    `HostKeyAlias=${host}`,
    '-o',
    'HostKeyAlgorithms=ecdsa-sha2-nistp256-cert-v01@openssh.com',
    '-o',
    'GlobalKnownHostsFile=none',
    '-o',
    'StrictHostKeyChecking=yes',
    '-o',
    `UserKnownHostsFile=${path(knownHosts)}`,
    '-p',
    String(port),
    `${login}@127.0.0.1`,
    'echo logged-in',
  ];
  try {
    const { stdout } = await run('ssh', options, { timeout: 30_000 });
    return { ok: stdout.includes('logged-in'), output: stdout };
  } catch (error) {
    return { ok: false, output: String((error as { stderr?: string }).stderr) };
  }
}

const bind = (key: KeyObject, change: Partial<SshCertificateRequest> = {}): Uint8Array =>
  issueSshCertificate(request({ subject: publicKeyFromKeyObject(key), ...change }));

describe('ssh-keygen', () => {
  test('ok: -L prints what we put in', async () => {
    const blob = issueSshCertificate(
      request({
        principals: ['root', 'joe'],
        serial: 4711n,
        validAfter: Date.parse('2026-03-01T12:00:00Z'),
        validBefore: Date.parse('2026-03-01T20:00:00Z'),
        criticalOptions: { 'force-command': 'uptime -p', 'source-address': '10.0.0.0/8' },
      }),
    );
    const file = write('list-cert.pub', `${sshCertificateLine(parseSshCertificate(blob))}\n`);
    const { stdout } = await run('ssh-keygen', ['-L', '-f', file], { env: { ...process.env, TZ: 'UTC' } });
    const lines = stdout.split('\n').map((line) => line.trim());
    const ca = authorities['ed25519']!;
    for (const line of [
      'Type: ssh-ed25519-cert-v01@openssh.com user certificate',
      `Signing CA: ED25519 ${fingerprint(ca.publicKey)} (using ssh-ed25519)`,
      'Key ID: "joe@example.com"',
      'Serial: 4711',
      'Valid: from 2026-03-01T12:00:00 to 2026-03-01T20:00:00',
      'root',
      'joe',
      'force-command uptime -p',
      'source-address 10.0.0.0/8',
      'permit-pty',
    ]) {
      expect(lines).toContain(line);
    }
    expect(stdout).toContain('roles@gatehouse.dev');
  });

  test.each(Object.entries(keys))(
    'ok: reads our %s private key and finds the same public key',
    async (name, key) => {
      const file = write(`id-${name}`, openSshPrivateKey(key, 'joe').reveal());
      const { stdout } = await run('ssh-keygen', ['-y', '-f', file]);
      expect(stdout.trim()).toBe(publicKeyLine(publicKeyFromKeyObject(key), 'joe'));
    },
  );

  test.each(['ed25519', 'ecdsa', 'rsa'])('ok: we read its %s keys and certificates', async (type) => {
    const ca = path(`kg-ca-${type}`);
    const user = path(`kg-${type}`);
    for (const file of [ca, user])
      await run('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file]);
    const made = [
      '-q',
      '-s',
      ca,
      '-I',
      'joe',
      '-n',
      'root,joe',
      '-V',
      '-1m:+1h',
      '-z',
      '5',
      '-O',
      'force-command=id',
    ];
    await run('ssh-keygen', [...made, '-O', 'extension:roles@gatehouse.dev=dev', `${user}.pub`]);
    const text = (file: string): string => readFileSync(file, 'utf8');
    const read = parseSshCertificateLine(text(`${user}-cert.pub`));
    expect(read).toMatchObject({ keyId: 'joe', principals: ['root', 'joe'], serial: 5n, type: 'user' });
    expect(read.extensions.get('roles@gatehouse.dev')).toBe('dev');
    const now = Date.now();
    const grant = verifySshCertificate(read.blob, {
      type: 'user',
      authorities: [read.authority],
      principal: 'joe',
      now,
    });
    expect(grant.forceCommand).toBe('id');
    const key = parseOpenSshPrivateKey(new Secret(text(user)));
    expect(publicKeyFromKeyObject(key).blob).toEqual(read.subject.blob);
  });
});

describe('sshd', () => {
  const matrix = Object.keys(subjects).flatMap((subject) =>
    Object.keys(authorities).map((ca) => [subject, ca] as const),
  );
  test.each(matrix)('ok: a %s key certified by %s logs in', async (subject, ca) => {
    const key = subjects[subject as keyof typeof subjects];
    const outcome = await ssh(`user-${subject}-${ca}`, key, bind(key, { authority: authorities[ca]! }));
    expect(outcome.output).toContain('logged-in');
  });

  test('ok: force-command runs instead', async () => {
    const blob = bind(keys.ed25519, { criticalOptions: { 'force-command': 'echo forced' } });
    const outcome = await ssh('forced', keys.ed25519, blob);
    expect(outcome.output.trim()).toBe('forced');
  });

  test('ok: source-address that holds the client', async () => {
    const blob = bind(keys.ed25519, { criticalOptions: { 'source-address': '127.0.0.0/8' } });
    expect((await ssh('source', keys.ed25519, blob)).ok).toBe(true);
  });

  const past = { validAfter: Date.now() - 2 * HOUR, validBefore: Date.now() - HOUR };
  const future = { validAfter: Date.now() + HOUR, validBefore: Date.now() + 2 * HOUR };
  test.each<[string, Partial<SshCertificateRequest>]>([
    ['another principal', { principals: ['somebody-else'] }],
    ['an expired certificate', past],
    ['one that is not yet valid', future],
    ['another authority', { authority: sshAuthority(makeKeys().ed25519) }],
    ['a host certificate', { type: 'host', extensions: {} }],
    ['an address outside source-address', { criticalOptions: { 'source-address': '192.0.2.0/24' } }],
  ])('refuses: %s', async (what, change) => {
    const blob = bind(keys.ed25519, change);
    const outcome = await ssh(`refused-${what.replaceAll(/\W/g, '')}`, keys.ed25519, blob);
    expect(outcome.output).toContain('Permission denied');
    const now = Date.now();
    const cas = Object.values(authorities).map((ca) => ca.publicKey);
    const at = { type: 'user', authorities: cas, principal: login, now, sourceAddress: '127.0.0.1' } as const;
    // Our own check agrees with sshd.
    expect(() => verifySshCertificate(blob, at)).toThrow();
  });

  test('refuses: the key without its certificate', async () => {
    const outcome = await ssh('plain', keys.ed25519, null);
    expect(outcome.output).toContain('Permission denied');
  });

  test('refuses: ssh does not take our host for another name, nor from another authority', async () => {
    const blob = bind(keys.ed25519);
    const otherName = await ssh('alias', keys.ed25519, blob, 'node-2');
    const otherAuthority = await ssh('ca', keys.ed25519, blob, 'node-1', 'known_hosts_other');
    for (const outcome of [otherName, otherAuthority])
      expect(outcome.output).toContain('Host key verification failed');
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (part: Buffer) => {
      text += part.toString();
      if (text.includes('Server listening')) resolve();
    });
    child.once('exit', () => reject(new Error(`sshd ended: ${text}`)));
  });
}
