// Where this host keeps its identity: in a Secret when it runs as a pod with a name of its own, else in the data
// directory. An identity that a data directory holds already, as on a volume of before, moves into the Secret once.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { IDENTITY_FILE, openCredentialDir } from '#client/credentials-dir.ts';
import { openCredentialSecret } from '#client/credentials-secret.ts';
import type { CredentialStore, HostRecord } from '#client/credentials.ts';
import { openKubeSecrets } from '#client/kube-secrets.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { apiServerOf } from '#core/pod.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface IdentityStoreOptions {
  readonly environment: Environment;
  readonly dataDir: string;
  readonly log: Log;
}

/** The file after its identity moved into the Secret; nothing reads it. */
export const MOVED_FILE = `${IDENTITY_FILE}.moved`;

const NAME = /^[a-z0-9]([-a-z0-9.]{0,245}[a-z0-9])?$/;

/** INVALID_CONFIG when the environment of the pod names nothing that could be a Secret. */
export function openIdentityStore({ environment, dataDir, log }: IdentityStoreOptions): CredentialStore {
  const dir = openCredentialDir(dataDir);
  const server = apiServerOf(environment);
  const replica = environment['GATEHOUSE_REPLICA_NAME'] ?? environment['TELEPORT_REPLICA_NAME'];
  const namespace = environment['KUBE_NAMESPACE'];
  if (server === undefined || !replica || !namespace) {
    log.info({ place: dir.place }, 'the identity of this host is kept in its data directory');
    return dir;
  }
  requireNames({ replica, namespace });
  const secrets = openKubeSecrets({ ...server, namespace });
  const secret = openCredentialSecret({ secrets, name: `${replica}-state`, log });
  log.info({ place: secret.place }, 'the identity of this host is kept in a Secret');
  return withMove(secret, { dir, dataDir, log });
}

interface Moved {
  readonly dir: CredentialStore;
  readonly dataDir: string;
  readonly log: Log;
}

/** `secret`, where claiming looks for an identity in the data directory when there is none in the Secret. */
export function withMove(secret: CredentialStore, { dir, dataDir, log }: Moved): CredentialStore {
  const claim = async (): Promise<HostRecord | undefined> => {
    const stored = await secret.claim?.();
    const left = await dir.load();
    if (left === undefined) return stored;
    if (stored === undefined) await createOnce(secret, left);
    const held = stored ?? (await secret.claim?.());
    const hostId = left.certificates.host_id;
    if (held?.certificates.host_id !== hostId) {
      log.warn({ place: dir.place, hostId }, 'the data directory has another identity, which is not used');
      return held;
    }
    await rename(join(dataDir, IDENTITY_FILE), join(dataDir, MOVED_FILE));
    log.info({ place: secret.place, hostId }, 'the identity of the data directory moved into the Secret');
    return held;
  };
  return {
    place: secret.place,
    load: () => secret.load(),
    create: (record) => secret.create(record),
    replace: (record) => secret.replace(record),
    check: (hostId) => (secret.check === undefined ? Promise.resolve('held') : secret.check(hostId)),
    claim,
  };
}

/** Another pod may have stored one at the same moment: then that one is in force. */
async function createOnce(secret: CredentialStore, record: HostRecord): Promise<void> {
  try {
    await secret.create(record);
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
  }
}

function requireNames({ replica, namespace }: { replica: string; namespace: string }): void {
  const wrong =
    (NAME.test(replica) ? undefined : `GATEHOUSE_REPLICA_NAME (${replica.slice(0, 80)})`) ??
    (NAME.test(namespace) ? undefined : `KUBE_NAMESPACE (${namespace.slice(0, 80)})`);
  if (wrong === undefined) return;
  throw new GatehouseError('INVALID_CONFIG', `${wrong} is no name as Kubernetes has them; correct the pod`);
}
