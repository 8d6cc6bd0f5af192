// Logins that are written by several processes at once, and read meanwhile: what is found is always of one login.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { issueSshCertificate } from '#core/certs/ssh/issue.ts';
import { knownHostsCertAuthorityLine, publicKeyLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { systemClock } from '#core/clock.ts';
import { processName } from '#recordings/spool/process-name.ts';
import { HOUR, makeSshAuthority, NOW } from '#test/kit/certs.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { readSshIdentity } from '../ssh/identity.ts';
import { profilePaths, saveProfile, type Profile, type SshFiles } from './profile.ts';

const CLUSTER = 'test.example.com';
const authority = makeSshAuthority();
let io: { readonly home: string; readonly uid: number | undefined; readonly clock: typeof systemClock };
beforeEach(() => {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-profile-'));
  io = { home, uid: process.getuid?.(), clock: systemClock };
});
afterEach(() => rmSync(io.home, { recursive: true, force: true }));

const profile = (user: string): Profile => ({
  version: 1,
  cluster: CLUSTER,
  user,
  auth_servers: ['127.0.0.1:1'],
  roles: [],
  logins: [],
  expires: '2026-03-02T00:00:00Z',
  tls_private_key: 'k',
  tls_certificate: 'c',
  tls_authorities: [],
});

function sshFiles(): SshFiles {
  const { publicKey, privateKey } = generateKeyPair('ed25519');
  const subject = publicKeyFromKeyObject(publicKey);
  const certificate = issueSshCertificate({
    subject,
    type: 'user',
    keyId: 'k',
    principals: ['root'],
    validAfter: NOW - HOUR,
    validBefore: NOW + HOUR,
    extensions: {},
    authority,
  });
  return {
    privateKey: openSshPrivateKey(privateKey).reveal(),
    publicKey: `${publicKeyLine(subject)}\n`,
    certificate: `ssh-ed25519-cert-v01@openssh.com ${Buffer.from(certificate).toString('base64')}\n`,
    knownHosts: `${knownHostsCertAuthorityLine(['*'], authority.publicKey)}\n`,
  };
}

test('ok: logins at once leave the files of one, and whoever reads meanwhile finds no others', async () => {
  await saveProfile(io, profile('first'), sshFiles());
  const left = new Set(Array.from({ length: 8 }, (_, n) => `user-${n}`));
  const writing = Promise.all(
    Array.from(left, (user) => saveProfile(io, profile(user), sshFiles()).finally(() => left.delete(user))),
  );
  while (left.size > 0) await readSshIdentity(io, CLUSTER);
  await writing;
  await readSshIdentity(io, CLUSTER);
});

test('ok: a login that was killed half-way holds up no other; what it left is replaced', async () => {
  const { folder, record } = profilePaths(io, CLUSTER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, '.lock'), `p${process.pid}-0123456789ab1`);
  await saveProfile({ ...io, clock: new FakeClock() }, profile('next'), sshFiles());
  expect(readFileSync(record, 'utf8')).toContain('next');
});

test('refuses: to wait for another login without end', async () => {
  const { folder } = profilePaths(io, CLUSTER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, '.lock'), processName());
  const clock = new FakeClock();
  const saving = saveProfile({ ...io, clock }, profile('late'), sshFiles()).then(
    () => 'saved',
    (error: { code: string }) => error.code,
  );
  let isOver = false;
  void saving.finally(() => (isOver = true));
  await until('the end of its patience', async () => {
    await clock.advance(50);
    return isOver;
  });
  expect(await saving).toBe('CONDITION_FAILED');
});
