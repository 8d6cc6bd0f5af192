// What `gate login` leaves behind: one folder per cluster under ~/.gate, with one record for Gatehouse's own commands
// and the files that plain OpenSSH reads. The record is replaced in one step, so its key always fits its certificate.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { check } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import type { Io } from '../io.ts';
import {
  readPrivateFile,
  requireOwnFolder,
  requirePrivateFolder,
  writePrivateFile,
} from '../private-files.ts';
import { whileLocked } from './lock.ts';

const proxyRecord = s.object({
  /** `host:port` of the web port. */
  web: s.string({ minLength: 1, maxLength: 512 }),
  /** `host:port` of SSH, for plain OpenSSH. */
  ssh: s.string({ minLength: 1, maxLength: 512 }),
  /** False: something in front of the proxy ends TLS, so only HTTP and its upgrades get through. */
  ends_tls: s.boolean(),
});

const record = s.object({
  version: s.integer({ min: 1, max: 1 }),
  cluster: s.string({ format: clusterNameFormat }),
  user: s.string({ minLength: 1, maxLength: 253 }),
  /** Where the auth API answers: the auth service itself, or the web port of a proxy. */
  auth_servers: s.list(s.string({ maxLength: 512 }), { max: 64 }),
  /** How sessions are reached; left out after a login at the auth service itself. */
  proxy: s.optional(proxyRecord),
  roles: s.list(s.string()),
  logins: s.list(s.string()),
  expires: s.timestamp(),
  tls_private_key: s.string({ secret: true }),
  tls_certificate: s.string(),
  tls_authorities: s.list(s.string(), { max: 64 }),
});

export type Profile = s.Infer<typeof record>;
export type ProfileProxy = s.Infer<typeof proxyRecord>;

/** What OpenSSH needs besides; texts of files. */
export interface SshFiles {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly certificate: string;
  readonly knownHosts: string;
}

/** No cluster can have this name: labels of a DNS name begin with a letter or digit. */
const CURRENT = '_current';
const RECORD = 'profile.json';

export interface ProfilePaths {
  readonly folder: string;
  readonly record: string;
  /** For `ssh -i`; its certificate is beside it, as OpenSSH expects. */
  readonly key: string;
  readonly knownHosts: string;
}

/** INVALID_CONFIG when the user has no home folder. */
export function profileRoot({ home }: Pick<Io, 'home'>): string {
  if (home !== undefined) return join(home, '.gate');
  throw new GatehouseError('INVALID_CONFIG', 'there is no home folder to keep a login in', {
    details: { remedy: 'Set HOME.' },
  });
}

export function profilePaths(io: Pick<Io, 'home'>, cluster: string): ProfilePaths {
  requireClusterName(cluster);
  const folder = join(profileRoot(io), cluster);
  return {
    folder,
    record: join(folder, RECORD),
    key: join(folder, 'key'),
    knownHosts: join(folder, 'known_hosts'),
  };
}

/** Writes the profile and makes it the active one. CONDITION_FAILED when another login to the cluster does not end. */
export async function saveProfile(
  io: Pick<Io, 'home' | 'uid' | 'clock'>,
  profile: Profile,
  ssh: SshFiles,
): Promise<ProfilePaths> {
  const paths = profilePaths(io, profile.cluster);
  await requirePrivateFolder(profileRoot(io), io.uid);
  await requirePrivateFolder(paths.folder, io.uid);
  await whileLocked(paths.folder, io.clock, () => writeFiles(paths, profile, ssh));
  const current = join(profileRoot(io), CURRENT);
  await writePrivateFile(current, `${profile.cluster}\n`, { overwrite: true });
  return paths;
}

async function writeFiles(paths: ProfilePaths, profile: Profile, ssh: SshFiles): Promise<void> {
  const write = (path: string, text: string): Promise<void> =>
    writePrivateFile(path, text, { overwrite: true });
  // Certificates for targets stay with the person they were made for.
  const before = await readRecord(paths.record);
  if (before?.user !== profile.user) await removeTargets(paths.folder);
  // The old certificate goes first: ssh must never find a key beside the certificate of another.
  await rm(`${paths.key}-cert.pub`, { force: true });
  await write(paths.key, ssh.privateKey);
  await write(`${paths.key}.pub`, ssh.publicKey);
  await write(`${paths.key}-cert.pub`, ssh.certificate);
  await write(paths.knownHosts, ssh.knownHosts);
  await write(paths.record, `${JSON.stringify(profile, null, 1)}\n`);
}

/**
 * The active profile; undefined when nobody is logged in. INVALID_CONFIG when ~/.gate is not this user's alone,
 * CORRUPT when the record is damaged.
 */
export async function activeProfile(io: Pick<Io, 'home' | 'uid'>): Promise<Profile | undefined> {
  if (io.home === undefined) return undefined;
  const root = profileRoot(io);
  const current = await readPrivateFile(join(root, CURRENT), io.uid);
  if (current === undefined) return undefined;
  await requireOwnFolder(root, io.uid);
  return readProfile(io, current.trim());
}

/** Undefined when there is none of this cluster. */
export async function readProfile(
  io: Pick<Io, 'home' | 'uid'>,
  cluster: string,
): Promise<Profile | undefined> {
  const { folder, record: path } = profilePaths(io, cluster);
  const text = await readPrivateFile(path, io.uid);
  if (text === undefined) return undefined;
  await requireOwnFolder(folder, io.uid);
  const result = check(record, parse(text));
  if (result.ok) return result.value;
  throw new GatehouseError('CORRUPT', `${path} is damaged`, {
    details: { remedy: 'Log in again with `gate login`; it replaces the file.' },
  });
}

/** All profiles, in the order of cluster names; damaged ones are left out. */
export async function listProfiles(io: Pick<Io, 'home' | 'uid'>): Promise<readonly Profile[]> {
  if (io.home === undefined) return [];
  const names = await readdir(profileRoot(io)).catch(() => []);
  const profiles = await Promise.all(
    names
      .filter((name) => clusterNameFormat.accepts(name))
      .sort()
      .map((name) => readProfile(io, name).catch(() => undefined)),
  );
  return profiles.flatMap((profile) => (profile === undefined ? [] : [profile]));
}

async function readRecord(path: string): Promise<Profile | undefined> {
  const result = check(record, parse(await readFile(path, 'utf8').catch(() => '')));
  return result.ok ? result.value : undefined;
}

async function removeTargets(folder: string): Promise<void> {
  for (const sort of ['db', 'app']) await rm(join(folder, sort), { recursive: true, force: true });
}

/** Removes keys and certificates of a cluster from this machine. */
export async function removeProfile(io: Pick<Io, 'home' | 'uid'>, cluster: string): Promise<void> {
  const root = profileRoot(io);
  await requireOwnFolder(root, io.uid);
  await rm(profilePaths(io, cluster).folder, { recursive: true, force: true });
  const current = await readPrivateFile(join(root, CURRENT), io.uid);
  if (current?.trim() === cluster) await rm(join(root, CURRENT), { force: true });
}

/** A cluster's name becomes the name of a folder, and it comes from a server. */
function requireClusterName(cluster: string): void {
  if (clusterNameFormat.accepts(cluster)) return;
  throw new GatehouseError('BAD_REQUEST', `the cluster name must be ${clusterNameFormat.says}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
