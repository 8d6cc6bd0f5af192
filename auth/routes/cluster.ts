// Calls about the cluster as a whole: what anyone may know, what members may, and the backup of the local admin.
import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { backup, hostAuthority, ping, status, whoami } from '#core/api/cluster.ts';
import { effectiveSecondFactor } from '#core/cluster-settings.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { AuthPreferenceSpec } from '#kinds/cluster-auth-preference/kind.ts';
import type { BackupInfo } from '#storage/backend.ts';
import { actorOf, type Caller } from '../guard/caller.ts';
import type { Hold } from '../guard/hold.ts';
import { handler, type StreamHandler } from './handler.ts';
import type { Route, ServerContext } from './server-context.ts';

const pingRoute: Route = handler({
  endpoint: ping,
  access: { to: 'anyone', why: 'a client must know how to sign in before it can' },
  async handle(context: ServerContext) {
    const found = context.state.get('cluster_auth_preference', 'cluster-auth-preference');
    const { type = 'local', second_factor = 'otp' } =
      (found as Resource<AuthPreferenceSpec> | undefined)?.spec ?? {};
    return {
      cluster_name: context.clusterName,
      server_version: context.serverVersion,
      min_client_version: context.serverVersion,
      auth: { type, second_factor: effectiveSecondFactor(second_factor) ?? second_factor },
    };
  },
});

const hostAuthorityRoute: Route = handler({
  endpoint: hostAuthority,
  access: { to: 'anyone', why: 'public certificates, which a joining machine compares with its pin' },
  async handle(context: ServerContext) {
    return { tls_certificates: context.authorities.publicPart('host').tlsCertificates };
  },
});

const statusRoute: Route = handler({
  endpoint: status,
  access: { to: 'members' },
  async handle(context: ServerContext) {
    const authorities = [...context.state.list('cert_authority')] as Resource<CertAuthoritySpec>[];
    return {
      cluster_name: context.clusterName,
      server_version: context.serverVersion,
      authorities: authorities.map(({ spec }) => ({
        type: spec.type,
        rotation: spec.rotation?.phase ?? spec.rotation?.state ?? 'standby',
        ...(spec.rotation?.last_rotated === undefined ? {} : { last_rotated: spec.rotation.last_rotated }),
      })),
      ca_pins: context.authorities.caPins(),
    };
  },
});

const whoamiRoute: Route = handler({
  endpoint: whoami,
  access: { to: 'members' },
  async handle(_context: ServerContext, caller) {
    return { identity: caller.identity ?? null };
  },
});

const backupRoute: StreamHandler<object, ServerContext> = {
  endpoint: backup,
  access: { to: 'local-admin' },
  contentType: 'application/octet-stream',
  async stream(context, caller) {
    if (context.backup === undefined) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        'this storage backend has no file to copy; use the backup of the database it keeps its data in',
      );
    }
    return openBackup(context, caller, context.backup);
  },
};

/** The copy has no name any more when it is sent: however the call ends, nothing of it is left on the disk. */
async function openBackup(
  context: ServerContext,
  caller: Caller,
  makeBackup: (path: string) => Promise<BackupInfo>,
): Promise<Readable> {
  const path = join(context.tempDir, `backup-${randomUUID()}`);
  const about = actorOf(caller);
  try {
    const { bytes } = await makeBackup(path);
    // A copy of every key of the cluster must not leave before it is known who took it.
    await context.audit.emitDurably({ event: 'backup.create', success: true, len: bytes, ...about });
    const file = await open(path, 'r');
    return cutWith(context, caller, file.createReadStream());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.audit.emit({ event: 'backup.create', success: false, error: reason, ...about });
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

function cutWith({ guard }: ServerContext, caller: Caller, stream: Readable): Readable {
  let hold: Hold;
  try {
    hold = guard.hold(caller);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  hold.signal.addEventListener('abort', () => stream.destroy(hold.signal.reason as Error), { once: true });
  return stream.once('close', () => hold.release());
}

export const CLUSTER_ROUTES: readonly Route[] = [
  pingRoute,
  hostAuthorityRoute,
  statusRoute,
  whoamiRoute,
  backupRoute,
];
