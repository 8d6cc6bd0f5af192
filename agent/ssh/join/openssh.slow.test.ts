// Joining with a stock OpenSSH client, which knows nothing of it: a subsystem, a variable and a terminal. Needs
// openssh-client.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JOIN_LOGIN } from '#core/access/ssh-access.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { knownHostsCertAuthorityLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { openJoinHouse, type JoinHouse } from '#test/kit/join-house.ts';
import { NODE_ID } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import { joinSubsystem } from '#wire/join-request.ts';

let house: JoinHouse;
let folder: string;
let port: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-join-'));
  house = openJoinHouse();
  house.node.view.putRole('helper', {
    allow: { join_sessions: [{ name: 'h', roles: ['access'], kinds: ['ssh'], modes: ['*'] }] },
  });
  port = (await house.node.service.listen({ host: '127.0.0.1', port: 0 })).split(':')[1] ?? '';
  const hosts = knownHostsCertAuthorityLine([NODE_ID], house.node.view.hostAuthority.publicKey);
  writeFileSync(join(folder, 'known_hosts'), `${hosts}\n`);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await house.close();
  rmSync(folder, { recursive: true });
});

interface Client {
  out: string;
  code: number | null | undefined;
  type(text: string): void;
}

function client(name: string, roles: readonly string[], sid: string, mode: string): Client {
  const { privateKey, certificate } = house.node.userKey(name, { roles });
  const file = join(folder, name);
  writeFileSync(file, openSshPrivateKey(privateKey).reveal(), { mode: 0o600 });
  writeFileSync(
    `${file}-cert.pub`,
    `${sshCertificateLine(parseSshCertificate(certificate ?? new Uint8Array()))}\n`,
  );
  const options = {
    IdentityFile: file,
    CertificateFile: `${file}-cert.pub`,
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    HostKeyAlias: NODE_ID,
    GlobalKnownHostsFile: 'none',
    UserKnownHostsFile: join(folder, 'known_hosts'),
    StrictHostKeyChecking: 'yes',
    SendEnv: 'GATEHOUSE_JOIN_MODE',
  };
  const flags = Object.entries(options).flatMap(([option, value]) => ['-o', `${option}=${value}`]);
  const where = ['-tt', '-s', '-l', JOIN_LOGIN, '127.0.0.1', joinSubsystem(sid)];
  const child = spawn('ssh', ['-F', 'none', '-p', port, ...flags, ...where], {
    env: { PATH: '/usr/bin:/bin', HOME: folder, GATEHOUSE_JOIN_MODE: mode },
    stdio: 'pipe',
  });
  children.push(child);
  const seen: Client = { out: '', code: undefined, type: (text) => void child.stdin.write(text) };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => void (seen.out += String(data)));
  child.once('close', (code) => (seen.code = code));
  return seen;
}

it('ok: a peer types, an observer leaves, a moderator ends it, and a stranger reads a denial id', async () => {
  const owner = await house.start('joe', 'stty -echo; echo ready; while read -r x; do echo "got $x"; done');
  await until('the program', () => owner.shown.out.includes('ready'));
  const sid = house.sessionIds()[0] ?? '';
  const peer = client('ann', ['helper'], sid, 'peer');
  await until('the peer', () => peer.out.includes('ann joined as peer'));
  peer.type('hello\n');
  await until('the answer', () => owner.shown.out.includes('got hello') && peer.out.includes('got hello'));
  const observer = client('eve', ['helper'], sid, 'observer');
  await until('the observer', () => observer.out.includes('got hello'));
  observer.type('\x03');
  await until('the end of the observer', () => observer.code !== undefined);
  expect(observer.code).toBe(0);
  const stranger = client('mal', ['access'], sid, 'peer');
  await until('the refusal', () => stranger.code !== undefined);
  expect(stranger.code).toBe(254);
  expect(stranger.out).toMatch(/access denied \(denial [0-9a-f-]{36}\)/);
  const moderator = client('bob', ['helper'], sid, 'moderator');
  await until('the moderator', () => moderator.out.includes('bob joined as moderator'));
  moderator.type('\x14t');
  await until(
    'the end',
    () => owner.shown.isClosed && peer.code !== undefined && moderator.code !== undefined,
  );
  expect(peer).toMatchObject({ code: 0, out: expect.stringContaining('ended by the moderator bob') });
});
