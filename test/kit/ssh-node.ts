// A node's SSH service for tests, without accounts, sessions or an auth service: certificates are issued here, sessions
// are answered by a stand-in that echoes, and clients of wire/ssh connect in memory.
import { randomUUID } from 'node:crypto';
import { duplexPair, type Duplex } from 'node:stream';
import type { HostRecord } from '#client/credentials.ts';
import { issueSshCertificate, type SshAuthority } from '#core/certs/ssh/issue.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Identity, SystemRole, UserIdentity } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from '#core/ssh-identity.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { ConnectionHandlers, SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import type { AgentEvent } from '#agent/ssh/context.ts';
import {
  startSshService,
  type SshOrigin,
  type SshService,
  type SshServiceOptions,
} from '#agent/ssh/service.ts';
import { FakeClock } from './clock.ts';
import { makeTestView, type TestView } from './cluster-view.ts';

export const NODE_ID = '2f1f6d1e-3c0a-4a4e-9d5e-6f3f0a1b2c3d';
const HOUR_MS = 3_600_000;

export interface UserKeyOptions {
  readonly roles?: readonly string[];
  readonly principals?: readonly string[];
  readonly authority?: SshAuthority;
  readonly type?: 'user' | 'host';
  readonly validForMs?: number;
  readonly criticalOptions?: Readonly<Record<string, string>>;
  /** Beside the identity; default: all permits. */
  readonly permits?: readonly string[];
  readonly identity?: Partial<UserIdentity>;
  /** No identity at all, as in the oldssh format. */
  readonly isOldFormat?: boolean;
}

export interface TestNode {
  readonly clock: FakeClock;
  readonly view: TestView;
  readonly service: SshService;
  readonly events: AgentEvent[];
  readonly banners: string[];
  userKey(name: string, options?: UserKeyOptions): SshKey;
  hostKey(roles: readonly SystemRole[], hostId?: string): SshKey;
  /** Rejects as connectSsh; also when the service closes the socket. */
  connect(login: string, key: SshKey, options?: ConnectAs): Promise<SshConnection>;
  close(): Promise<void>;
}

export interface ConnectAs {
  readonly origin?: Partial<SshOrigin>;
  readonly handlers?: ConnectionHandlers;
  readonly socket?: Duplex;
}

const PERMITS = ['permit-pty', 'permit-port-forwarding', 'permit-agent-forwarding', 'permit-X11-forwarding'];
export const HERE: SshOrigin = { remoteAddress: '203.0.113.9:4711', localAddress: '10.0.0.7:3022' };

/** With a real clock, `clock` of the result must not be used. The caller closes it. */
export function makeTestNode(
  options: Partial<SshServiceOptions> = {},
  given: Clock = new FakeClock(Date.now()),
): TestNode {
  const clock = given as FakeClock;
  const view = makeTestView(clock);
  const events: AgentEvent[] = [];
  const banners: string[] = [];
  const issue = (identity: Identity, about: UserKeyOptions, principals: readonly string[]): SshKey => {
    const { publicKey, privateKey } = generateKeyPair('ed25519');
    const type = about.type ?? (identity.kind === 'host' ? 'host' : 'user');
    const permits = type === 'host' ? [] : (about.permits ?? PERMITS);
    const carried =
      about.isOldFormat === true ? {} : { [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity) };
    const certificate = issueSshCertificate({
      subject: publicKeyFromKeyObject(publicKey),
      type,
      keyId: 'test',
      principals,
      validAfter: clock.now() - 60_000,
      validBefore: clock.now() + (about.validForMs ?? HOUR_MS),
      criticalOptions: about.criticalOptions ?? {},
      extensions: { ...Object.fromEntries(permits.map((name) => [name, ''])), ...carried },
      authority: about.authority ?? (type === 'host' ? view.hostAuthority : view.userAuthority),
    });
    return { privateKey, certificate };
  };
  const hostKey = (roles: readonly SystemRole[], hostId: string = randomUUID()): SshKey => {
    const identity: Identity = {
      kind: 'host',
      cluster: view.name,
      host_id: hostId,
      name: 'h',
      roles: [...roles],
    };
    return issue(identity, {}, [hostId]);
  };
  const record = recordOf(hostKey(['node'], NODE_ID), view.name);
  const service = startSshService({
    host: {
      clock,
      log: silentLog,
      hostId: NODE_ID,
      hostname: 'web-1',
      clusterName: view.name,
      dataDir: '/nonexistent',
      labels: () => ({ env: 'test' }),
      emit: (event) => void events.push(event),
    },
    membership: { record: () => record },
    view,
    config: {
      allowTcpForwarding: true,
      fileCopy: true,
      x11: { enabled: true, displayOffset: 10, maxDisplays: 100 },
    },
    limits: { maxConnections: 100, maxUsers: 10 },
    findAccount: (login) => {
      const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
      if (login !== 'nobody-here') return Promise.resolve({ name: login, uid, gid, home: '/' });
      return Promise.reject(
        new GatehouseError('NOT_FOUND', 'there is no account "nobody-here" on this server'),
      );
    },
    prefixOf: () => [],
    serveSession: (opening) => {
      const channel = opening.accept({
        onData(data) {
          channel.write(data);
          channel.consumed(data.length);
        },
        onEof: () => channel.close(),
        onRequest: () => true,
      });
    },
    serveGuest: (opening) => opening.reject(1, 'nobody joins here'),
    ...options,
  });
  return {
    clock,
    view,
    service,
    events,
    banners,
    hostKey,
    userKey(name, about = {}) {
      const identity: UserIdentity = {
        kind: 'user',
        cluster: view.name,
        name,
        roles: [...(about.roles ?? ['access'])],
        traits: {},
        logins: [],
        session_expires: new Date(clock.now() + HOUR_MS).toISOString(),
        ...about.identity,
      };
      return issue(identity, about, about.principals ?? ['root', 'deploy']);
    },
    connect(login, key, { origin = {}, handlers, socket } = {}) {
      const [near, far] = duplexPair();
      if (socket === undefined) service.accept(far, { ...HERE, ...origin });
      return connectSsh({
        socket: socket ?? near,
        clock,
        log: silentLog,
        user: login,
        keys: [key],
        verifyHost: ({ blob }) => {
          const authorities = [view.hostAuthority.publicKey];
          verifySshCertificate(blob, { type: 'host', authorities, principal: NODE_ID, now: clock.now() });
        },
        onBanner: (text) => banners.push(text.trimEnd()),
        ...(handlers === undefined ? {} : { handlers }),
      });
    },
    async close() {
      const closing = service.close();
      if (clock instanceof FakeClock) await clock.advance(5000);
      await closing;
    },
  };
}

function recordOf(key: SshKey, cluster: string): HostRecord {
  const blob = key.certificate ?? new Uint8Array();
  return {
    format: 1,
    generation: 1,
    roles: ['node'],
    node_name: 'web-1',
    auth_servers: [],
    ssh_private_key: privateKeyPem(key.privateKey).reveal(),
    tls_private_key: '',
    certificates: {
      host_id: NODE_ID,
      cluster_name: cluster,
      ssh_certificate: sshCertificateLine(parseSshCertificate(blob)),
      tls_certificate: '',
      tls_authorities: { host: [], user: [] },
      ssh_authorities: { host: [], user: [] },
    },
  };
}
