// The authority of a person's local AWS proxy: made for one login, good for no longer, kept beside its certificate in
// ~/.gate, and for names of AWS endpoints alone. Programs are told to trust it by AWS_CA_BUNDLE; nobody else ever is.
import { X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { PARTITIONS } from '#core/aws/partitions.ts';
import { generateKeyPair, privateKeyFromPem, privateKeyPem } from '#core/certs/x509/keys.ts';
import { localAuthority, localIssuer, localServer } from '#core/certs/x509/local-authority.ts';
import { certificateToPem, derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type { Io } from '../io.ts';
import { readPrivateFile, writePrivateFile } from '../private-files.ts';
import { whileLocked } from '../profile/lock.ts';
import { profilePaths, type Profile } from '../profile/profile.ts';
import { targetPaths } from '../profile/target-files.ts';

export interface LocalAuthority {
  /** PEM of its certificate. */
  readonly certificate: string;
  readonly key: KeyObject;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const SECOND_MS = 1000;
const BACKDATE_MS = 3_600_000;
const MOST_NAMES = 256;

/** All of them: an application's partition is the agent's matter. */
const DOMAINS = [...new Set(Object.values(PARTITIONS).flatMap(({ suffixes }) => suffixes))];

/** Where AWS_CA_BUNDLE points to. */
export function authorityPaths(
  io: Pick<Io, 'home'>,
  cluster: string,
  app: string,
): { readonly certificate: string; readonly key: string } {
  const base = targetPaths(io, cluster, 'app', app).certificate.slice(0, -'-x509.pem'.length);
  return { certificate: `${base}.aws-ca.pem`, key: `${base}.aws-ca.key` };
}

/** The one of this login, made when there is none yet. The folder of the application's certificate must be there. */
export async function openLocalAuthority(
  io: Pick<Io, 'home' | 'uid' | 'clock' | 'hostname'>,
  profile: Pick<Profile, 'cluster' | 'expires'>,
  app: string,
): Promise<LocalAuthority> {
  const kept = await read(io, profile, app);
  if (kept !== undefined) return kept;
  const { folder } = profilePaths(io, profile.cluster);
  return whileLocked(folder, io.clock, async () => (await read(io, profile, app)) ?? make(io, profile, app));
}

async function read(
  io: Pick<Io, 'home' | 'uid'>,
  profile: Pick<Profile, 'cluster' | 'expires'>,
  app: string,
): Promise<LocalAuthority | undefined> {
  const paths = authorityPaths(io, profile.cluster, app);
  const [certificate, key] = await Promise.all([
    readPrivateFile(paths.certificate, io.uid),
    readPrivateFile(paths.key, io.uid),
  ]);
  if (certificate === undefined || key === undefined) return undefined;
  try {
    const x509 = new X509Certificate(derFromPem(certificate));
    const privateKey = privateKeyFromPem(new Secret(key));
    const notAfter = x509.validToDate.getTime();
    if (!x509.checkPrivateKey(privateKey) || notAfter !== endOf(profile)) return undefined;
    return { certificate, key: privateKey, notAfter, notBefore: x509.validFromDate.getTime() };
  } catch {
    return undefined;
  }
}

async function make(
  io: Pick<Io, 'home' | 'uid' | 'clock' | 'hostname'>,
  profile: Pick<Profile, 'cluster' | 'expires'>,
  app: string,
): Promise<LocalAuthority> {
  const paths = authorityPaths(io, profile.cluster, app);
  const { privateKey: key } = generateKeyPair('ecdsa-p256');
  const [notBefore, notAfter] = [wholeSeconds(io.clock.now() - BACKDATE_MS), endOf(profile)];
  const der = localAuthority({
    privateKey: key,
    commonName: `gate on ${io.hostname}`.slice(0, 64),
    domains: DOMAINS,
    notBefore,
    notAfter,
  });
  const certificate = certificateToPem(der);
  // Without the old certificate, a key is taken for none.
  await writePrivateFile(paths.key, privateKeyPem(key).reveal(), { overwrite: true });
  await writePrivateFile(paths.certificate, certificate, { overwrite: true });
  return { certificate, key, notBefore, notAfter };
}

const wholeSeconds = (ms: number): number => Math.floor(ms / SECOND_MS) * SECOND_MS;
const endOf = ({ expires }: Pick<Profile, 'expires'>): number => wholeSeconds(Date.parse(expires));

export interface ServerContexts {
  /** What a listener shows to a client that wants this host. BAD_REQUEST for a name that is none. */
  contextFor(authority: LocalAuthority, host: string): SecureContext;
}

/** Server certificates are made as they are asked for; a new authority makes them anew. */
export function openServerContexts(): ServerContexts {
  const serverKey = generateKeyPair('ecdsa-p256').privateKey;
  const keyText = privateKeyPem(serverKey).reveal();
  const contexts = new Map<string, SecureContext>();
  let current: LocalAuthority | undefined;
  return {
    contextFor(authority, host) {
      if (current?.certificate !== authority.certificate) contexts.clear();
      current = authority;
      const known = contexts.get(host);
      if (known !== undefined) return known;
      if (contexts.size >= MOST_NAMES) contexts.clear();
      const { notBefore, notAfter } = authority;
      const certificate = localServer({
        issuer: localIssuer(derFromPem(authority.certificate), authority.key),
        privateKey: serverKey,
        dnsName: requireName(host),
        notBefore,
        notAfter,
      });
      const context = createSecureContext({
        cert: certificateToPem(certificate),
        key: keyText,
        minVersion: 'TLSv1.2',
      });
      contexts.set(host, context);
      return context;
    },
  };
}

function requireName(host: string): string {
  if (host.length <= 253) return host;
  throw new GatehouseError('BAD_REQUEST', 'the name of the host is too long');
}
