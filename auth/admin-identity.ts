// The local admin's credentials on the auth host: one file in the data directory that gatectl reads, made at start and
// renewed while the service runs. Whoever can read the data directory is admin; nobody else is.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { ADMIN_TTL_MS, issueAdmin } from './issue/admin.ts';
import type { IssueContext } from './issue/context.ts';

export interface AdminIdentityOptions {
  readonly context: IssueContext;
  readonly dataDir: string;
  /** `host:port` pairs under which gatectl on this machine reaches the service. */
  readonly authServers: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export interface AdminIdentityFile {
  readonly path: string;
  /** Stops the renewal; waits for one under way. The file stays until it expires. */
  close(): Promise<void>;
}

/** The content of the file: JSON, one version. */
export interface AdminCredentials {
  readonly version: 1;
  readonly cluster_name: string;
  readonly auth_servers: readonly string[];
  readonly tls_private_key: string;
  readonly tls_certificate: string;
  readonly tls_authorities: readonly string[];
  /** RFC 3339. */
  readonly expires: string;
}

export const ADMIN_FILE = 'admin-identity.json';
const RETRY_MS = 60_000;

/**
 * Writes `<dataDir>/admin-identity.json` (0600, in a folder of 0700) and renews it, with a new key, when half its time
 * is over. STORAGE_FAILED when it cannot be written at start; later failures are logged and tried again.
 */
export async function startAdminIdentity(options: AdminIdentityOptions): Promise<AdminIdentityFile> {
  const { clock, log } = options;
  const path = join(options.dataDir, ADMIN_FILE);
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  let isClosed = false;
  const schedule = (delayMs: number): void => {
    if (!isClosed) timer = clock.after(delayMs, () => (running = renew()));
  };
  const renew = async (): Promise<void> => {
    try {
      await writeIdentity(path, options);
      schedule(ADMIN_TTL_MS / 2);
    } catch (error) {
      log.error({ path, err: error }, 'the identity of the local admin could not be renewed');
      schedule(RETRY_MS);
    }
  };
  await writeIdentity(path, options);
  schedule(ADMIN_TTL_MS / 2);
  return {
    path,
    async close() {
      isClosed = true;
      timer?.cancel();
      await running;
    },
  };
}

async function writeIdentity(path: string, { context, authServers }: AdminIdentityOptions): Promise<void> {
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  const issued = await issueAdmin(context, publicKey);
  const credentials: AdminCredentials = {
    version: 1,
    cluster_name: context.clusterName,
    auth_servers: authServers,
    tls_private_key: privateKeyPem(privateKey).reveal(),
    tls_certificate: issued.tls_certificate,
    tls_authorities: issued.tls_authorities,
    expires: new Date(issued.expires).toISOString(),
  };
  try {
    await writePrivately(path, `${JSON.stringify(credentials, null, 1)}\n`);
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    throw new GatehouseError('STORAGE_FAILED', `${path} cannot be written`, { cause });
  }
}

/** Replaced in one step, and never through a link that somebody else left there. */
async function writePrivately(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(draft, 0o600);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
