// The real OpenSSH for tests: keys, certificates and known_hosts in a folder, arguments for `ssh`, and an `sshd` that
// trusts our certificates. Needs openssh-client, and openssh-server and root for sshd.
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { issueSshCertificate, type SshAuthority } from '#core/certs/ssh/issue.ts';
import { knownHostsCertAuthorityLine, publicKeyLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { makeSshAuthority } from './certs.ts';

const HOUR = 3_600_000;
/** What sshd lets in: the account the tests run as. */
export const LOGIN = userInfo().username;
/** The name in the certificate of every host. */
export const HOST = 'node-1';

export interface KeyWithCertificate {
  readonly privateKey: KeyObject;
  readonly certificate: Uint8Array;
}

export interface OpenSshFiles {
  readonly folder: string;
  readonly userAuthority: SshAuthority;
  readonly hostAuthority: SshAuthority;
  /** For LOGIN; also in the file `user`, with `user-cert.pub`. */
  readonly user: KeyWithCertificate;
  /** For HOST; also in the file `host`. */
  readonly host: KeyWithCertificate;
  path(name: string): string;
  write(name: string, text: string): string;
  /** `ssh` or `sftp` arguments up to the destination: batch mode, our keys and nothing of the machine's own settings. */
  clientOptions(port: number, ...more: readonly string[]): string[];
}

export function openSshFiles(folder: string): OpenSshFiles {
  chmodSync(folder, 0o700);
  const path = (name: string): string => join(folder, name);
  const write = (name: string, text: string): string => {
    writeFileSync(path(name), text, { mode: 0o600 });
    return path(name);
  };
  const userAuthority = makeSshAuthority();
  const hostAuthority = makeSshAuthority();
  const user = certified(generateKeyPair('ed25519').privateKey, 'user', [LOGIN], userAuthority);
  const host = certified(generateKeyPair('ed25519').privateKey, 'host', [HOST], hostAuthority);
  for (const [name, key] of Object.entries({ user, host })) {
    write(name, openSshPrivateKey(key.privateKey).reveal());
    write(`${name}-cert.pub`, `${sshCertificateLine(parseSshCertificate(key.certificate))}\n`);
  }
  write('known_hosts', `${knownHostsCertAuthorityLine([HOST], hostAuthority.publicKey)}\n`);
  write('user-ca.pub', `${publicKeyLine(userAuthority.publicKey)}\n`);
  const settings = {
    IdentityFile: path('user'),
    CertificateFile: path('user-cert.pub'),
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    BatchMode: 'yes',
    HostKeyAlias: HOST,
    GlobalKnownHostsFile: 'none',
    UserKnownHostsFile: path('known_hosts'),
    StrictHostKeyChecking: 'yes',
    LogLevel: 'ERROR',
  };
  const clientOptions = (port: number, ...more: readonly string[]): string[] => [
    '-F',
    'none',
    '-o',
    `Port=${port}`,
    ...more,
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
  return { folder, userAuthority, hostAuthority, user, host, path, write, clientOptions };
}

/** A certificate of an hour for a key. */
export function certified(
  privateKey: KeyObject,
  type: 'user' | 'host',
  principals: readonly string[],
  authority: SshAuthority,
): KeyWithCertificate {
  const extensions: Record<string, string> =
    type === 'user' ? { 'permit-pty': '', 'permit-port-forwarding': '', 'permit-agent-forwarding': '' } : {};
  const certificate = issueSshCertificate({
    subject: publicKeyFromKeyObject(privateKey),
    type,
    keyId: principals.join('-'),
    principals,
    validAfter: Date.now() - 60_000,
    validBefore: Date.now() + HOUR,
    extensions,
    authority,
  });
  return { privateKey, certificate };
}

/** Starts sshd on a free port of 127.0.0.1; stop it with `process.kill()`. */
export async function startSshd(
  files: OpenSshFiles,
  settings: readonly string[] = [],
): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  const lines = [
    ...settings,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${files.path('host')}`,
    `HostCertificate ${files.path('host-cert.pub')}`,
    `TrustedUserCAKeys ${files.path('user-ca.pub')}`,
    'AuthorizedKeysFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100:30:200',
    'Subsystem sftp internal-sftp',
    // Shells of the account read nothing of what its owner keeps in the real one.
    `SetEnv HOME=${files.folder}`,
    `PidFile ${files.path(`sshd-${port}.pid`)}`,
  ];
  const config = files.write(`sshd-${port}.conf`, `${lines.join('\n')}\n`);
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    sshd.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < 8192) said += chunk.toString();
      if (said.includes('Server listening')) resolve();
    });
    sshd.once('error', reject);
    sshd.once('exit', (code) => reject(new Error(`sshd ended with ${code}: ${said}`)));
  });
  return { port, process: sshd };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
