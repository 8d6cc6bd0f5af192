// How fast the pair of certificates of one login (SSH and X.509) is issued, alone and beside the command line tools
// that make the same pair as processes. Prints one line per case; compare only numbers of one run.
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

const ROUNDS = 5;
const HOUR_MS = 3_600_000;
const SECONDS_PER_ROUND = 0.5;

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

/** Calls per second of wall time, and microseconds of CPU of this process per call. */
function measure(call: () => void): { perSecond: number; cpuUs: number } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < SECONDS_PER_ROUND * 1000) {
    call();
    calls += 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (calls * 1000) / (performance.now() - start), cpuUs: (user + system) / calls };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'));
try {
  const usual = pairIssuer('ed25519', 'ecdsa-p256');
  const edwards = pairIssuer('ed25519', 'ed25519');
  const rsa = pairIssuer('rsa-2048', 'rsa-2048');
  const made = usual.issue();
  const cases: Readonly<Record<string, () => void>> = {
    'issue pair, CAs ed25519 + ecdsa-p256': usual.issue,
    'issue pair, CAs ed25519 + ed25519': edwards.issue,
    'issue pair, CAs rsa-2048 + rsa-2048': rsa.issue,
    'verify pair, CAs ed25519 + ecdsa-p256': () => usual.verify(made),
    'ssh-keygen -s and openssl x509 -req': toolIssuer(folder),
  };
  const results = new Map<string, { perSecond: number; cpuUs: number }[]>();
  // Rounds go through all cases, so that noise of the machine falls on each alike. The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, call] of Object.entries(cases)) {
      const result = measure(call);
      if (round > 0) results.set(name, [...(results.get(name) ?? []), result]);
    }
  }
  const rate = (name: string): number => median((results.get(name) ?? []).map(({ perSecond }) => perSecond));
  const [first = '', , , , tools = ''] = Object.keys(cases);
  for (const [name, rounds] of results) {
    const cpu = name === tools ? '' : `, ${median(rounds.map(({ cpuUs }) => cpuUs)).toFixed(0)} us CPU each`;
    console.log(`${name}: ${rate(name).toFixed(0)} pairs/s${cpu} (median of ${rounds.length})`);
  }
  console.log(`issuing in process against the tools: ${(rate(first) / rate(tools)).toFixed(0)} times`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
