// A whole proxy in this process, a member of a test auth service: its ports are open on loopback and it knows its cluster.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { startClusterView, type ClusterView } from '#client/cluster-view.ts';
import { openCredentialDir } from '#client/credentials-dir.ts';
import { startMembership, type Membership } from '#client/member/membership.ts';
import type { ProxyConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import { silentLog, type Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { startProxy, type Proxy } from '#proxy/main.ts';
import type { TestAuth } from './auth-server.ts';

export interface ProxyHouse {
  readonly proxy: Proxy;
  readonly membership: Membership;
  /** What it knows of the cluster by now. */
  readonly view: ClusterView;
  readonly dataDir: string;
  /** `127.0.0.1:port` of the web port. */
  readonly web: string;
  readonly events: { readonly event: string }[];
  close(): Promise<void>;
}

export interface ProxyHouseOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly config?: Partial<ProxyConfig>;
  readonly maxConnections?: number;
  /** Where auth is; the test auth service otherwise. */
  readonly authServers?: readonly string[];
}

const ANY_PORT = { host: '127.0.0.1', port: 0 };

/** The caller closes it, before the auth service. */
export async function startProxyHouse(house: TestAuth, options: ProxyHouseOptions = {}): Promise<ProxyHouse> {
  const { clock = house.clock, log = silentLog } = options;
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-proxy-'));
  const token = randomBytes(16).toString('hex');
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('token', token, { roles: ['proxy'] }, { expires });
  const authServers = options.authServers ?? [`127.0.0.1:${house.auth.port}`];
  const membership = startMembership({
    clock,
    log,
    store: openCredentialDir(dataDir),
    authServers: [`127.0.0.1:${house.auth.port}`],
    token: new Secret(token),
    caPins: [caPin(derFromPem(house.authority))],
    roles: ['proxy'],
    nodeName: 'proxy-1',
    addresses: ['proxy.test.example.com', '127.0.0.1'],
  });
  const view = startClusterView({ membership, clock, log });
  const events: { readonly event: string }[] = [];
  const closeMember = async (): Promise<void> => {
    await view.close();
    await membership.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  const starting = startProxy({
    clock,
    log,
    version: '0.1.0',
    membership: {
      joined: membership.joined,
      api: () => membership.api(),
      // Where auth is said to be, for tests that have something in between.
      record: () => {
        const record = membership.record();
        return record === undefined ? undefined : { ...record, auth_servers: authServers };
      },
    },
    view,
    audit: { emit: (event) => void events.push(event) },
    dataDir,
    config: {
      webListenAddr: ANY_PORT,
      publicAddrs: [{ host: 'proxy.test.example.com', port: 0 }],
      sshPublicAddrs: [],
      tunnelPublicAddrs: [],
      httpsKeypairs: [],
      httpsReloadMs: 0,
      proxyProtocolFrom: [],
      trustXForwardedFor: false,
      insecureNoTls: false,
      ...options.config,
    },
    limits: { maxConnections: options.maxConnections ?? 1000, maxUsers: 1000 },
    nodeName: 'proxy-1',
    ownHost: '127.0.0.1',
    authServers,
  });
  const proxy = await starting.catch(async (error: unknown) => {
    await closeMember();
    throw error;
  });
  await proxy.ready;
  return {
    proxy,
    membership,
    view,
    dataDir,
    web: proxy.addresses.web,
    events,
    async close() {
      await proxy.close();
      await closeMember();
    },
  };
}
