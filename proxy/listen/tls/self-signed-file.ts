// The pair of the web port where none is configured: made at the first start and kept in the data folder, so that what a
// browser was told to accept stays the same. Key and certificate are one file, so that they always fit.
import { randomBytes, X509Certificate } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';

export interface SelfSignedOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** Host names and IP addresses; those that a certificate cannot hold are left out. The first is its subject. */
  readonly names: readonly string[];
}

export const SELF_SIGNED_FILE = 'web-selfsigned.pem';
const DAY_MS = 86_400_000;
/** Browsers refuse what is good for longer than 398 days. */
const LIFE_MS = 390 * DAY_MS;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

/** Key and certificate (PEM) of the kept pair, or of a new one when it ends soon or lacks a name. STORAGE_FAILED when it cannot be kept. */
export async function openSelfSigned(options: SelfSignedOptions): Promise<string> {
  const path = join(options.dataDir, SELF_SIGNED_FILE);
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined && isGood(kept, options)) return kept;
  const made = make(options);
  await write(path, made);
  return made;
}

function isGood(pem: string, { clock, names }: SelfSignedOptions): boolean {
  try {
    const certificate = new X509Certificate(pem);
    const { dnsNames, ipAddresses } = sorted(names);
    return (
      Date.parse(certificate.validTo) - clock.now() > RENEW_BEFORE_MS &&
      dnsNames.every((name) => certificate.checkHost(name, { wildcards: false }) !== undefined) &&
      ipAddresses.every((address) => certificate.checkIP(address) !== undefined)
    );
  } catch {
    return false;
  }
}

function make({ clock, names }: SelfSignedOptions): string {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const alternative = sorted(names);
  const der = selfSignedServer({
    privateKey,
    commonName: names[0] ?? 'localhost',
    ...alternative,
    notBefore: clock.now() - DAY_MS,
    notAfter: clock.now() + LIFE_MS,
  });
  return `${privateKeyPem(privateKey).reveal()}${certificateToPem(der)}`;
}

function sorted(names: readonly string[]): { dnsNames: string[]; ipAddresses: string[] } {
  const ips = names.map(parseIp).filter((ip) => ip !== undefined);
  return {
    dnsNames: [...new Set(names.map((name) => name.toLowerCase()))].filter(
      (name) => parseIp(name) === undefined && DNS_NAME.test(name),
    ),
    ipAddresses: [...new Set(ips.map(formatIp))],
  };
}

async function write(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new GatehouseError('STORAGE_FAILED', `${path} cannot be written (${code})`, { cause });
  }
}
