// The SSH side of a proxy for tests: a real door on a loopback port, with a view and certificates that the test makes.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { HostRecord } from '#client/credentials.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { publicKeyLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { privateKeyPem } from '#core/certs/x509/keys.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole, UserIdentity } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import { formatIpPort } from '#core/ip-port.ts';
import { openSshDoor, type ProvenPerson, type SshDoor, type SshDoorOptions } from '#proxy/ssh/door.ts';
import type { ProxyEvent } from '#proxy/ssh/refusals.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { ConnectionHandlers, SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import type { TestView } from './cluster-view.ts';

export interface TestProxyOptions extends Partial<SshDoorOptions> {
  readonly clock: Clock;
  readonly view: TestView;
  readonly hostId: string;
  readonly key: SshKey;
  /** Default: the loopback addresses of nodes are dialed. */
  readonly allowsLoopback?: boolean;
}

export interface TestProxy {
  readonly door: SshDoor;
  readonly events: ProxyEvent[];
  readonly port: number;
  readonly address: string;
  readonly hostId: string;
  /** Sockets that came in. */
  readonly sockets: ReadonlySet<Socket>;
  /** As its certificate says; rejects as connectSsh. */
  connect(user: string, key: SshKey, options?: ConnectToProxy): Promise<SshConnection>;
  /** A TCP connection whose other end the door takes as TLS of this user; without a time the certificate never ends. */
  openRequest(identity: UserIdentity, validBefore?: number): Promise<Socket>;
  /** While true, connections are not taken any more. */
  refuse(isRefusing: boolean): void;
  close(): Promise<void>;
}

export interface ConnectToProxy {
  readonly handlers?: ConnectionHandlers;
  readonly onBanner?: (text: string) => void;
}

/** The caller closes it. */
export async function startTestProxy(options: TestProxyOptions): Promise<TestProxy> {
  const { clock, view, hostId, key } = options;
  const record = hostRecord(hostId, key, view, ['proxy']);
  const events: ProxyEvent[] = [];
  const door = openSshDoor({
    maxUsers: 2,
    log: silentLog,
    membership: {
      record: () => record,
      api() {
        throw new GatehouseError('UNAVAILABLE', 'this proxy has no auth service');
      },
    },
    audit: { emit: (event) => void events.push(event) },
    allowsLoopback: true,
    ...options,
  });
  const sockets = new Set<Socket>();
  let isRefusing = false;
  let proven: ProvenPerson | undefined;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const origin = { remoteAddress: peerOf(socket), localAddress: '192.0.2.80:3080' };
    if (isRefusing) socket.destroy();
    else if (proven === undefined) door.accept(socket, origin);
    else door.proxySsh(socket, proven, origin);
  });
  const port = await listen(server);
  return {
    door,
    events,
    port,
    hostId,
    address: `127.0.0.1:${port}`,
    sockets,
    connect(user, own, { handlers, onBanner } = {}) {
      return connectSsh({
        socket: connect({ port, host: '127.0.0.1', noDelay: true }),
        clock,
        log: silentLog,
        user,
        keys: [own],
        verifyHost: () => {},
        ...(handlers === undefined ? {} : { handlers }),
        ...(onBanner === undefined ? {} : { onBanner }),
      });
    },
    async openRequest(identity, validBefore = Infinity) {
      const taken = new Promise((resolve) => server.once('connection', resolve));
      proven = { identity, validBefore };
      const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
      await taken;
      proven = undefined;
      return socket;
    },
    refuse(on) {
      isRefusing = on;
    },
    async close() {
      door.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a member remembers, as far as SSH needs it. */
export function hostRecord(
  hostId: string,
  key: SshKey,
  view: TestView,
  roles: readonly SystemRole[],
): HostRecord {
  return {
    format: 1,
    generation: 1,
    roles,
    node_name: 'host',
    auth_servers: [],
    ssh_private_key: privateKeyPem(key.privateKey).reveal(),
    tls_private_key: '',
    certificates: {
      host_id: hostId,
      cluster_name: view.name,
      ssh_certificate: sshCertificateLine(parseSshCertificate(key.certificate ?? new Uint8Array())),
      tls_certificate: '',
      tls_authorities: { host: [], user: [] },
      ssh_authorities: {
        host: [publicKeyLine(view.hostAuthority.publicKey)],
        user: [publicKeyLine(view.userAuthority.publicKey)],
      },
    },
  };
}

const peerOf = (socket: Socket): string =>
  formatIpPort(socket.remoteAddress ?? '', socket.remotePort ?? 0) ?? '0.0.0.0:0';

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
}
