// The way to a server where something in front of the proxy ends TLS: a raw stream by HTTP upgrade, SSH with the proxy in
// it as `ssh -J` would speak, and a channel of that to the server. Loaded only then.
import type { Duplex } from 'node:stream';
import { UPGRADE_TO_SSH } from '#core/api/web.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { readSshIdentity } from '#core/ssh-identity.ts';
import { dialUpgraded } from '#client/outbound/web-port.ts';
import { openChannelStream } from '#wire/ssh/channel-stream.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import { directTcpip } from '#wire/ssh/payloads.ts';
import { HOST_CERTIFICATE_ALGORITHMS } from './host-certificate.ts';
import type { SshIdentity } from './identity.ts';
import type { ReachOptions } from './reach.ts';

const ENDED = 11;

/** As reachServer; what the proxy says of a server that cannot be reached is the message of NOT_FOUND. */
export async function reachBySsh(options: ReachOptions): Promise<Duplex> {
  const { profile, clock, request, environment } = options;
  const identity = await options.identity();
  const socket = await dialUpgraded(profile.proxy.web, UPGRADE_TO_SSH, { environment });
  const connection = await connectSsh({
    socket,
    clock,
    log: silentLog,
    user: profile.user,
    keys: [identity.key],
    hostAlgorithms: HOST_CERTIFICATE_ALGORITHMS,
    verifyHost: ({ blob }) => requireProxy(blob, identity, clock.now()),
  });
  try {
    const payload = directTcpip.encode({
      host: request.target,
      port: request.port ?? 0,
      originHost: '127.0.0.1',
      originPort: 0,
    });
    const stream = await openChannelStream(connection, 'direct-tcpip', payload);
    stream.once('close', () => connection.disconnect(ENDED, 'done'));
    return stream;
  } catch (error) {
    connection.disconnect(ENDED, 'done');
    if (!isCode(error, 'ACCESS_DENIED')) throw error;
    throw new GatehouseError('NOT_FOUND', error.message, { cause: error });
  }
}

/** Addresses move and names change: what counts is that the cluster made this machine a proxy. */
function requireProxy(blob: Uint8Array, { authorities }: SshIdentity, now: number): void {
  const { certificate } = verifySshCertificate(blob, { type: 'host', authorities, principal: null, now });
  const holder = readSshIdentity(certificate.extensions);
  if (holder.kind === 'host' && holder.roles.includes('proxy')) return;
  throw new GatehouseError('CERTIFICATE_INVALID', 'what answers is a member of the cluster and not a proxy');
}
