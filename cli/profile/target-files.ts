// Certificates for one database or one application, beside the login they were made from: ~/.gate/<cluster>/<db|app>/.
// They are files because other programs read them. Each target keeps its key while the login is the same, so that a renewal
// replaces one file and no reader finds a key beside the certificate of another.
import { createPublicKey, X509Certificate } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { generateKeyPair, privateKeyFromPem, privateKeyPem, publicKeyPem } from '#core/certs/x509/keys.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { isCode } from '#core/errors/error.ts';
import { parseIdentity, type UserIdentity } from '#core/identity.ts';
import { Secret } from '#core/secret.ts';
import type { Io } from '../io.ts';
import { readPrivateFile, requirePrivateFolder, writePrivateFile } from '../private-files.ts';
import { whileLocked } from './lock.ts';
import { profilePaths, type Profile } from './profile.ts';

export const TARGET_SORTS = ['db', 'app'] as const;
export type TargetSort = (typeof TARGET_SORTS)[number];

export interface TargetPaths {
  readonly folder: string;
  /** PEM, 0600. */
  readonly key: string;
  readonly certificate: string;
  /** Who vouches for the proxy, PEM. */
  readonly authorities: string;
}

/** A certificate for a target that is good now. */
export interface TargetLogin {
  readonly name: string;
  readonly identity: UserIdentity;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly certificate: string;
  readonly privateKey: string;
  readonly paths: TargetPaths;
}

type FileIo = Pick<Io, 'home' | 'uid' | 'clock'>;
type Login = Pick<Profile, 'cluster' | 'user' | 'tls_authorities'>;

const CERTIFICATE_END = '-x509.pem';

export function targetPaths(
  io: Pick<Io, 'home'>,
  cluster: string,
  sort: TargetSort,
  name: string,
): TargetPaths {
  const folder = join(profilePaths(io, cluster).folder, sort);
  // Names come from servers: whatever they hold, they are one part of a path.
  const base = join(folder, encodeURIComponent(name));
  return {
    folder,
    key: `${base}-key.pem`,
    certificate: `${base}${CERTIFICATE_END}`,
    authorities: join(folder, 'authorities.pem'),
  };
}

/** Undefined when there is none, or none that is good for this user now. INVALID_CONFIG when others could have written it. */
export async function readTargetLogin(
  io: FileIo,
  login: Login,
  sort: TargetSort,
  name: string,
): Promise<TargetLogin | undefined> {
  const paths = targetPaths(io, login.cluster, sort, name);
  const [certificate, privateKey] = await Promise.all([
    readPrivateFile(paths.certificate, io.uid),
    readPrivateFile(paths.key, io.uid),
  ]);
  if (certificate === undefined || privateKey === undefined) return undefined;
  const read = readCertificate(certificate, privateKey);
  if (read === undefined || read.identity.name !== login.user || routeName(read.identity, sort) !== name)
    return undefined;
  return read.expires > io.clock.now() ? { ...read, name, certificate, privateKey, paths } : undefined;
}

/** All that are good now, in the order of their names. */
export async function listTargetLogins(
  io: FileIo,
  login: Login,
  sort: TargetSort,
): Promise<readonly TargetLogin[]> {
  const names = await readdir(targetPaths(io, login.cluster, sort, 'any').folder).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith(CERTIFICATE_END))
      .sort()
      .map((name) => readTargetLogin(io, login, sort, decoded(name.slice(0, -CERTIFICATE_END.length)))),
  );
  return found.flatMap((one) => (one === undefined ? [] : [one]));
}

/** The public key (PEM) to ask a certificate for; its private half is made when there is none, and stays in its file. */
export async function targetKey(io: FileIo, login: Login, sort: TargetSort, name: string): Promise<string> {
  const paths = targetPaths(io, login.cluster, sort, name);
  await requirePrivateFolder(paths.folder, io.uid);
  const kept = await readPublicKey(paths.key, io.uid);
  if (kept !== undefined) return kept;
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  try {
    await writePrivateFile(paths.key, privateKeyPem(privateKey).reveal(), { overwrite: false });
    return publicKeyPem(publicKey);
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
  }
  // Another gate was faster; or what is there is no key.
  const theirs = await readPublicKey(paths.key, io.uid);
  if (theirs !== undefined) return theirs;
  await writePrivateFile(paths.key, privateKeyPem(privateKey).reveal(), { overwrite: true });
  return publicKeyPem(publicKey);
}

/** Keeps a certificate for the key of `targetKey`. CONDITION_FAILED when another gate does not end to change the login. */
export async function saveTargetCertificate(
  io: FileIo,
  login: Login,
  {
    sort,
    name,
    certificate,
  }: { readonly sort: TargetSort; readonly name: string; readonly certificate: string },
): Promise<TargetPaths> {
  const paths = targetPaths(io, login.cluster, sort, name);
  await whileLocked(profilePaths(io, login.cluster).folder, io.clock, async () => {
    await writePrivateFile(paths.authorities, joinPem(login.tls_authorities), { overwrite: true });
    await writePrivateFile(paths.certificate, joinPem([certificate]), { overwrite: true });
  });
  return paths;
}

/** True when there was one, good or not. */
export async function removeTarget(
  io: FileIo,
  { cluster }: Pick<Profile, 'cluster'>,
  sort: TargetSort,
  name: string,
): Promise<boolean> {
  const { folder, certificate } = targetPaths(io, cluster, sort, name);
  const base = certificate.slice(folder.length + 1, -CERTIFICATE_END.length);
  const ours = (await readdir(folder).catch(() => [])).filter((file) =>
    [CERTIFICATE_END, ...TARGET_FILE_ENDS].some((end) => file === `${base}${end}`),
  );
  await Promise.all(ours.map((file) => rm(join(folder, file), { force: true })));
  return ours.includes(`${base}${CERTIFICATE_END}`);
}

/** What else may stand beside a certificate. */
const TARGET_FILE_ENDS = ['-key.pem', '.aws-ca.pem', '.aws-ca.key'] as const;

function readCertificate(
  certificate: string,
  privateKey: string,
): { readonly identity: UserIdentity; readonly expires: number } | undefined {
  try {
    const der = derFromPem(certificate);
    const identity = parseIdentity(identityOfCertificate(der));
    const x509 = new X509Certificate(der);
    const isPair = x509.checkPrivateKey(privateKeyFromPem(new Secret(privateKey)));
    if (identity.kind !== 'user' || !isPair) return undefined;
    return { identity, expires: x509.validToDate.getTime() };
  } catch {
    return undefined;
  }
}

function routeName(identity: UserIdentity, sort: TargetSort): string | undefined {
  return sort === 'db' ? identity.route_to_database?.service : identity.route_to_app?.name;
}

async function readPublicKey(path: string, uid: number | undefined): Promise<string | undefined> {
  const pem = await readPrivateFile(path, uid);
  if (pem === undefined) return undefined;
  try {
    return publicKeyPem(createPublicKey(privateKeyFromPem(new Secret(pem))));
  } catch {
    return undefined;
  }
}

const joinPem = (all: readonly string[]): string => all.map((pem) => `${pem.trim()}\n`).join('');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
