// The auth service: opens its parts in order, connects them, and closes them in reverse. No logic.
import type { Writable } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { ListeningSockets } from '#core/listening.ts';
import type { Log } from '#core/log.ts';
import type { AuditLog } from '#events/audit-log.ts';
import type { AuthConfig } from '#config/config.ts';
import type { StaticToken } from '#join/method.ts';
import { KINDS } from '#kinds/all.ts';
import { openStorage, type StorageConfig } from '#storage/all.ts';
import { observeBackend } from '#storage/wrap/observe.ts';
import { startAdminIdentity } from './admin-identity.ts';
import type { CertificateAuthorities } from './authority/authority.ts';
import { openAuthorities, type AuthoritiesOptions } from './authority/open.ts';
import { Passwords } from './accounts/password.ts';
import { applyAtStart } from './bootstrap/apply-at-start.ts';
import { establishCluster } from './bootstrap/establish.ts';
import { openGuard } from './guard/guard.ts';
import type { OwnHost } from './joining/join.ts';
import { openKubernetesReviews } from './joining/kubernetes/open.ts';
import type { ApiServer } from './joining/kubernetes/token-review.ts';
import { openHostId, openTempDir } from './data-dir.ts';
import { openAudit } from './open-audit.ts';
import { openRecordings } from './open-recordings.ts';
import { prepareCluster } from './presets/start.ts';
import { routesOf } from './routes/all.ts';
import type { ServerLimits } from './server-app.ts';
import { namesOf } from './server-certificate.ts';
import { startServer, type MountedRoute } from './server.ts';
import { observeAudit, type AuthObserver } from './observer.ts';
import { openState } from './state/open.ts';
import type { ClusterState } from './state/state.ts';

export interface AuthOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where the audit sink `stdout://` writes. */
  readonly stdout: Writable;
  /** Made when missing, mode 0700. */
  readonly dataDir: string;
  readonly storage: StorageConfig;
  /** In order; empty takes `<data_dir>/log`. */
  readonly auditEventsUris: readonly string[];
  /** Where recordings are kept; unset takes `<data_dir>/log/sessions`. */
  readonly auditSessionsUri?: string | undefined;
  readonly listen: { readonly host: string; readonly port: number };
  /** Names and addresses under which clients dial, besides those of the listener. */
  readonly names: readonly string[];
  readonly nodeName: string;
  /** Unset: the name in the store, or in the bootstrap file, or the host id of the first auth server. */
  readonly clusterName?: string | undefined;
  /** Documents to begin with; looked at by the first start of a cluster only. */
  readonly bootstrapFile?: string | undefined;
  /** Resources that are brought to what this file says at every start. */
  readonly applyFile?: string | undefined;
  /** Cluster settings that the configuration file sets, by kind. */
  readonly settings?: AuthConfig['settings'] | undefined;
  readonly caSignatureAlgorithm?: AuthoritiesOptions['signatureAlgorithm'];
  /** `host:port` for links in invites. */
  readonly publicAddress: string;
  readonly version: string;
  /** Join tokens of the configuration file. */
  readonly staticTokens?: readonly StaticToken[] | undefined;
  /** When this process runs other services of the machine as well: they join with a token of their own. */
  readonly ownHost?: OwnHost | undefined;
  /** Of the Kubernetes cluster that this process runs in, if it does: it is asked about tokens of pods that join. */
  readonly apiServer?: ApiServer | undefined;
  readonly limits?: Partial<ServerLimits> | undefined;
  readonly observer?: AuthObserver | undefined;
  /** Left out: its port is bound anew. */
  readonly sockets?: ListeningSockets | undefined;
}

export interface Auth {
  /** `host:port`, as bound. */
  readonly address: string;
  readonly port: number;
  readonly hostId: string;
  readonly clusterName: string;
  readonly state: ClusterState;
  readonly authorities: CertificateAuthorities;
  readonly audit: AuditLog;
  /** Every call, with who may make it. */
  readonly routes: readonly MountedRoute[];
  /** For /readyz: the store answers and the local copy is up to date. */
  isReady(): boolean;
  /** Takes no more connections and lets calls that begin now end; to be closed then. */
  drain(): Promise<void>;
  /** Ends calls, then the log, then the store. Safe to call twice. */
  close(): Promise<void>;
}

/** Resolves when calls are answered. Whatever was opened is closed again when a part fails to. */
export async function startAuth(options: AuthOptions): Promise<Auth> {
  const closers: (() => unknown)[] = [];
  const opened = <T>(part: T, close: (part: T) => unknown): T => {
    closers.unshift(() => close(part));
    return part;
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closers, options.log));
  try {
    const auth = await open(options, opened);
    return { ...auth, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Opened = <T>(part: T, close: (part: T) => unknown) => T;

async function open(options: AuthOptions, opened: Opened): Promise<Omit<Auth, 'close'>> {
  const { clock, log, dataDir, version, publicAddress } = options;
  const hostId = await openHostId(dataDir);
  const { backup, ...parts } = await openParts(options, hostId, opened);
  // Emptied only now, when the store is held: another service may be running on the same folder.
  const tempDir = await openTempDir(dataDir);
  const { state, authorities, audit, clusterName } = parts;
  const recordings = opened(await openRecordings(options), (part) => part.close());
  const guard = opened(openGuard({ ...parts, clock }), (part) => part.close());
  const context = {
    clock,
    log,
    ...parts,
    guard,
    recordings,
    hostId,
    publicAddress,
    names: namesOf(options.listen.host, options.names, options.nodeName),
    tempDir,
    serverVersion: version,
    backup,
    passwords: new Passwords(),
  };
  if (options.applyFile !== undefined) await applyAtStart(context, options.applyFile);
  const server = opened(
    await startServer({
      ...options.listen,
      context,
      names: options.names,
      machine: options.nodeName,
      limits: options.limits,
      observer: options.observer,
      sockets: options.sockets,
      routes: routesOf({
        staticTokens: options.staticTokens ?? [],
        ownHost: options.ownHost,
        kubernetes: openKubernetesReviews(options),
        clock,
      }),
    }),
    (part) => part.close(),
  );
  const { address, port, routes } = server;
  const authServers = [server.localAddress];
  opened(await startAdminIdentity({ context, dataDir, authServers, clock, log }), (part) => part.close());
  const isReady = (): boolean => state.isReady();
  const drain = (): Promise<void> => server.drain();
  return { address, port, hostId, clusterName, state, authorities, audit, routes, isReady, drain };
}

/** What stands below the server: store, state, authorities and log of an established cluster. */
async function openParts(options: AuthOptions, hostId: string, opened: Opened) {
  const { clock, log, observer } = options;
  const store = opened(await openStorage(options.storage, options), (part) => part.close());
  const backend = observer === undefined ? store : observeBackend(store, { observe: observer.stored });
  const state = opened(openState({ backend, kinds: KINDS, clock, log }), (part) => part.close());
  await state.ready;
  const cluster = await establishCluster({ ...options, state, fallbackName: hostId });
  const clusterName = cluster.name;
  const signatureAlgorithm = options.caSignatureAlgorithm;
  const authorities = opened(
    await openAuthorities({ ...options, clusterName, state, signatureAlgorithm }),
    (part) => part.close(),
  );
  const { verifyAudit, ...opening } = await openAudit({ ...options, clusterName, state, writer: hostId });
  const audit = opened(observeAudit(opening.audit, observer), (part) => part.close());
  await prepareCluster({ ...options, state, audit, cluster });
  return { state, authorities, audit, verifyAudit, clusterName, backup: backend.backup?.bind(backend) };
}

async function closeAll(closers: readonly (() => unknown)[], log: Log): Promise<void> {
  for (const close of closers) {
    try {
      await close();
    } catch (error) {
      log.error({ err: error }, 'a part of the auth service did not close well');
    }
  }
}
