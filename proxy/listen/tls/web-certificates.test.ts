// Certificates of the web port on a real disk: pairs by name, changes without a restart, and the pair made at first start.
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import type { Log } from '#core/log.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { SELF_SIGNED_FILE } from './self-signed-file.ts';
import {
  openWebCertificates,
  type WebCertificates,
  type WebCertificatesOptions,
} from './web-certificates.ts';

const DAY_MS = 86_400_000;
let folder: string;
let clock: FakeClock;
const opened: WebCertificates[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-web-'));
  clock = new FakeClock();
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a pair; the hash of its certificate tells which one is in use. */
function pair(name: string, dnsNames: readonly string[], days = 90) {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const der = selfSignedServer({
    privateKey,
    commonName: dnsNames[0] ?? name,
    dnsNames,
    ipAddresses: [],
    notBefore: clock.now() - DAY_MS,
    notAfter: clock.now() + days * DAY_MS,
  });
  const files = { keyFile: join(folder, `${name}.key`), certFile: join(folder, `${name}.pem`) };
  writeFileSync(files.keyFile, privateKeyPem(privateKey).reveal());
  writeFileSync(files.certFile, certificateToPem(der));
  return { files, hash: createHash('sha256').update(der).digest('hex') };
}

function logInto(lines: string[]): Log {
  const add = (_fields: object, message: string): void => void lines.push(message);
  return { ...silentLog, info: add, warn: add, error: add };
}

async function open(about: Partial<WebCertificatesOptions> = {}): Promise<WebCertificates> {
  const one = await openWebCertificates({
    clock,
    log: silentLog,
    dataDir: folder,
    files: [],
    reloadMs: 60_000,
    names: ['proxy.example.com', 'localhost', '127.0.0.1'],
    ...about,
  });
  opened.push(one);
  return one;
}

/** The certificate inside, which node:tls keeps to itself. */
function hashOf(context: SecureContext | undefined): string {
  const der = (context?.context as { getCertificate(): Buffer } | undefined)?.getCertificate();
  return createHash('sha256')
    .update(der ?? '')
    .digest('hex');
}

describe('configured pairs', () => {
  it('ok: by exact name, by wildcard, else the first', async () => {
    const [first, second, wild] = [
      pair('a', ['a.example.com']),
      pair('b', ['b.example.com']),
      pair('w', ['*.apps.example.com', 'apps.example.com']),
    ];
    const certificates = await open({ files: [first.files, second.files, wild.files] });
    const picked = (name: string): string => hashOf(certificates.pick(name));
    expect(picked('b.example.com')).toBe(second.hash);
    expect(picked('B.Example.Com')).toBe(second.hash);
    expect(picked('grafana.apps.example.com')).toBe(wild.hash);
    expect(picked('a.b.apps.example.com')).toBe(first.hash);
    expect(picked('elsewhere.example.com')).toBe(first.hash);
    expect(picked('')).toBe(first.hash);
  });

  it('ok: a change is in force within the interval, without a restart', async () => {
    const before = pair('a', ['a.example.com']);
    const certificates = await open({ files: [before.files] });
    const after = pair('a', ['a.example.com']);
    expect(hashOf(certificates.pick(''))).toBe(before.hash);
    await clock.advance(60_000);
    await certificates.reload();
    expect(hashOf(certificates.pick(''))).toBe(after.hash);
  });

  it('ok: a broken change leaves the old pair, is told once, and a good one is taken later', async () => {
    const lines: string[] = [];
    const before = pair('a', ['a.example.com']);
    const certificates = await open({ files: [before.files], log: logInto(lines) });
    for (const text of ['', 'not PEM', readFileSync(before.files.certFile, 'utf8')]) {
      writeFileSync(before.files.keyFile, text);
      await certificates.reload();
      await certificates.reload();
      expect(hashOf(certificates.pick(''))).toBe(before.hash);
    }
    rmSync(before.files.keyFile);
    await certificates.reload();
    const stay = 'the new certificates of the web port cannot be used; the old ones stay in force';
    expect(lines.filter((line) => line === stay)).toHaveLength(4);
    const after = pair('a', ['a.example.com']);
    await certificates.reload();
    expect(hashOf(certificates.pick(''))).toBe(after.hash);
  });

  it('ok: one that ends soon, or has ended, is told', async () => {
    const lines: string[] = [];
    await open({ files: [pair('a', ['a'], 3).files, pair('b', ['b'], -0.5).files], log: logInto(lines) });
    expect(lines).toEqual([
      'a certificate of the web port ends soon',
      'a certificate of the web port has expired',
    ]);
  });

  it('refuses: at the start, files that are missing, are none, or do not fit, by name and without their content', async () => {
    const [one, other] = [pair('a', ['a']), pair('b', ['b'])];
    const mixed = { keyFile: one.files.keyFile, certFile: other.files.certFile };
    await expect(open({ files: [mixed] })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    await expect(open({ files: [mixed] })).rejects.toThrow('do not fit');
    await expect(open({ files: [{ ...mixed, keyFile: '/nowhere' }] })).rejects.toThrow(
      '/nowhere cannot be read',
    );
    writeFileSync(one.files.keyFile, 'hunter2');
    const error = await open({ files: [one.files] }).catch((cause: unknown) => cause as Error);
    expect(String(error)).toContain('holds no unencrypted key');
    expect(String(error)).not.toContain('hunter2');
  });
});

describe('a pair of its own', () => {
  const kept = (): X509Certificate => new X509Certificate(readFileSync(join(folder, SELF_SIGNED_FILE)));

  it('ok: made once with a warning, for the names of the proxy, readable by its user alone', async () => {
    const lines: string[] = [];
    const certificates = await open({ log: logInto(lines) });
    expect(certificates.isSelfSigned).toBe(true);
    expect(lines).toEqual([expect.stringContaining('set proxy_service.https_keypairs')]);
    expect(kept().checkHost('proxy.example.com')).toBe('proxy.example.com');
    expect(kept().checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(statSync(join(folder, SELF_SIGNED_FILE)).mode & 0o777).toBe(0o600);
    const { fingerprint256 } = kept();
    await open();
    expect(kept().fingerprint256).toBe(fingerprint256);
  });

  it('ok: made anew for another name, near its end, and when it is damaged', async () => {
    await open();
    const seen = new Set([kept().fingerprint256]);
    await open({ names: ['other.example.com'] });
    seen.add(kept().fingerprint256);
    await clock.advance(370 * DAY_MS);
    await open({ names: ['other.example.com'] });
    seen.add(kept().fingerprint256);
    writeFileSync(join(folder, SELF_SIGNED_FILE), 'damaged');
    await open({ names: ['other.example.com'] });
    seen.add(kept().fingerprint256);
    expect(seen.size).toBe(4);
  });

  it('ok: names that a certificate cannot hold are left out', async () => {
    await open({ names: ['ok.example.com', 'not a name', '*.x', ''] });
    expect(kept().subjectAltName).toBe('DNS:ok.example.com');
  });
});
