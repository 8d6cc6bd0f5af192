// How fast the pair of certificates of one login (SSH and X.509) is issued, alone and beside the command line tools
// that make the same pair as processes. Run it: node test/bench/certificates.bench.ts
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueSshCertificate, sshAuthority } from '#core/certs/ssh/issue.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { parsePublicKey, publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { issueSelfSignedCa, issueX509, x509Issuer } from '#core/certs/x509/issue.ts';
import { identityExtension } from '#core/certs/x509/identity.ts';
import {
  generateKeyPair,
  privateKeyPem,
  publicKeyFromPem,
  publicKeyPem,
  type KeyAlgorithm,
} from '#core/certs/x509/keys.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import { compare, median, printHeading } from './kit.ts';

const ROUNDS = 5;
const HOUR_MS = 3_600_000;
const CALLS = 1000;
const PAIRS_COMPARED = 20;

interface Pair {
  readonly ssh: Uint8Array;
  readonly x509: Uint8Array;
}

/** Issues as a login does: keys come as text, both certificates go out. */
function pairIssuer(
  sshCa: KeyAlgorithm,
  tlsCa: KeyAlgorithm,
): { issue: () => Pair; verify: (pair: Pair) => void } {
  const now = Date.now();
  const authority = sshAuthority(generateKeyPair(sshCa).privateKey);
  const caKey = generateKeyPair(tlsCa).privateKey;
  const validity = { notBefore: now - HOUR_MS, notAfter: now + 1000 * HOUR_MS };
  const ca = parseX509(
    issueSelfSignedCa({ subject: { commonName: 'bench' }, privateKey: caKey, ...validity }),
  );
  const issuer = x509Issuer(ca, caKey);
  const sshBlob = publicKeyFromKeyObject(generateKeyPair('ed25519').publicKey).blob;
  const tlsPem = publicKeyPem(generateKeyPair('ecdsa-p256').publicKey);
  const identity = {
    kind: 'user',
    cluster: 'bench',
    name: 'joe',
    roles: ['dev', 'ops'],
    logins: ['joe', 'root'],
  };
  return {
    issue: () => ({
      ssh: issueSshCertificate({
        subject: parsePublicKey(sshBlob),
        type: 'user',
        keyId: 'joe',
        principals: ['joe', 'root'],
        validAfter: now,
        validBefore: now + HOUR_MS,
        extensions: {
          'permit-pty': '',
          'permit-port-forwarding': '',
          'roles@gatehouse.dev': '["dev","ops"]',
        },
        authority,
      }),
      x509: issueX509({
        subject: { commonName: 'joe', organization: ['dev', 'ops'] },
        publicKey: publicKeyFromPem(tlsPem),
        notBefore: now,
        notAfter: now + HOUR_MS,
        extKeyUsage: ['clientAuth'],
        extensions: [identityExtension(identity)],
        issuer,
      }),
    }),
    verify: ({ ssh, x509 }) => {
      verifySshCertificate(ssh, { type: 'user', authorities: [authority.publicKey], principal: 'joe', now });
      verifyX509(x509, { authorities: [ca], purpose: 'clientAuth', now });
    },
  };
}

/** The same pair by ssh-keygen and openssl, each a process, keys and request made before. */
function toolIssuer(folder: string): () => void {
  const path = (name: string): string => join(folder, name);
  const now = Date.now();
  const caKey = generateKeyPair('ecdsa-p256').privateKey;
  const leafKey = generateKeyPair('ecdsa-p256').privateKey;
  const validity = { notBefore: now - HOUR_MS, notAfter: now + 1000 * HOUR_MS };
  const write = (name: string, text: string): void => writeFileSync(path(name), text, { mode: 0o600 });
  write('ssh-ca', openSshPrivateKey(generateKeyPair('ed25519').privateKey).reveal());
  write('user.pub', publicKeyLine(publicKeyFromKeyObject(generateKeyPair('ed25519').publicKey)));
  write('ca.key', privateKeyPem(caKey).reveal());
  write(
    'ca.pem',
    certificateToPem(issueSelfSignedCa({ subject: { commonName: 'bench' }, privateKey: caKey, ...validity })),
  );
  write('leaf.key', privateKeyPem(leafKey).reveal());
  write(
    'ext.cnf',
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n',
  );
  const run = (program: string, args: readonly string[]): void => {
    execFileSync(program, args, { stdio: 'ignore' });
  };
  run('openssl', [
    'req',
    '-new',
    '-key',
    path('leaf.key'),
    '-subj',
    '/O=dev/O=ops/CN=joe',
    '-out',
    path('leaf.csr'),
  ]);
  const sign = [
    'x509',
    '-req',
    '-in',
    path('leaf.csr'),
    '-CA',
    path('ca.pem'),
    '-CAkey',
    path('ca.key'),
    '-days',
    '1',
  ];
  return () => {
    run('ssh-keygen', [
      '-q',
      '-s',
      path('ssh-ca'),
      '-I',
      'joe',
      '-n',
      'joe,root',
      '-V',
      '+1h',
      path('user.pub'),
    ]);
    run('openssl', [...sign, '-set_serial', '4711', '-extfile', path('ext.cnf'), '-out', path('leaf.pem')]);
  };
}

/** CPU time of this process, which the load of the machine moves less than wall time. */
function report(name: string, call: () => void): void {
  const rates: number[] = [];
  const cpu: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    const started = performance.now();
    for (let i = 0; i < CALLS; i++) call();
    const spent = performance.now() - started;
    const { user, system } = process.cpuUsage(before);
    if (round < 0) continue;
    rates.push((CALLS * 1000) / spent);
    cpu.push((user + system) / CALLS);
  }
  const rate = Math.round(median(rates)).toLocaleString('en-US').padStart(10);
  console.log(`${name.padEnd(44)} ${rate} pairs/s   ${median(cpu).toFixed(0)} us CPU each`);
}

printHeading('certificates of one login, SSH and X.509');
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
try {
  const usual = pairIssuer('ed25519', 'ecdsa-p256');
  const made = usual.issue();
  report('issue, CAs ed25519 + ecdsa-p256', usual.issue);
  report('issue, CAs ed25519 + ed25519', pairIssuer('ed25519', 'ed25519').issue);
  report('issue, CAs rsa-2048 + rsa-2048', pairIssuer('rsa-2048', 'rsa-2048').issue);
  report('verify, CAs ed25519 + ecdsa-p256', () => usual.verify(made));
  const runTools = toolIssuer(folder);
  await compare({
    name: 'issue, beside ssh-keygen + openssl x509',
    ours: () => {
      for (let i = 0; i < PAIRS_COMPARED; i++) usual.issue();
    },
    reference: () => {
      for (let i = 0; i < PAIRS_COMPARED; i++) runTools();
    },
    operations: PAIRS_COMPARED,
    unit: 'pairs',
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
