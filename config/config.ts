// What a config file means once it is read: defaults filled in, words turned into values. Times are milliseconds.
import type { Address } from './address.ts';
import type { CommandLabel } from './labels.ts';
import type { StaticToken, TokenSource } from './tokens.ts';

export type Severity = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LogConfig {
  /** `syslog`, or a file when it is none of these words. Default: stderr. */
  readonly output: 'stderr' | 'stdout' | 'syslog' | { readonly path: string };
  /** Default: info. */
  readonly severity: Severity;
  /** Default: text. */
  readonly format: 'text' | 'json';
  /** What each line says besides its message. Default: timestamp, level, component, caller. */
  readonly extraFields: readonly string[];
}

export interface StorageConfig {
  /** Default: sqlite. */
  readonly type: string;
  /** The other keys as written, such as `sync` and `journal`; the opener of the store checks them. */
  readonly [option: string]: unknown;
}

export interface AuditConfig {
  /** Where events go; the first is searched. Empty: the folder `log` in the data folder. */
  readonly eventsUris: readonly string[];
  readonly sessionsUri?: string;
}

export interface AuthConfig {
  /** Default: 0.0.0.0:3025. */
  readonly listenAddr: Address;
  /** What certificates of this server name besides its addresses. */
  readonly publicAddrs: readonly Address[];
  /** Unset: an id is made at the first start. */
  readonly clusterName?: string;
  readonly tokens: readonly StaticToken[];
  readonly storage: StorageConfig;
  readonly audit: AuditConfig;
  /** Unset: Ed25519. */
  readonly caSignatureAlgo?: 'ed25519' | 'ecdsa-p256' | 'rsa-sha2-256' | 'rsa-sha2-512';
  /**
   * Cluster settings that the file sets, by kind: the fields of the `spec` of that kind. A kind is there only when the
   * file has one of its fields.
   */
  readonly settings: Readonly<Partial<Record<SettingKind, Readonly<Record<string, unknown>>>>>;
}

export type SettingKind =
  | 'cluster_auth_preference'
  | 'cluster_networking_config'
  | 'session_recording_config';

export interface SshConfig {
  /** Default: 0.0.0.0:3022. */
  readonly listenAddr: Address;
  readonly publicAddrs: readonly Address[];
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
  /** Ports and sockets, in both directions. Default: true. */
  readonly allowTcpForwarding: boolean;
  /** scp and sftp. Default: true. */
  readonly fileCopy: boolean;
  /** Whether sessions read ~/.ssh/environment. Default: false. */
  readonly permitUserEnv: boolean;
  readonly x11: {
    /** Default: false. */
    readonly enabled: boolean;
    /** Displays from this number on. Default: 10, and 1000 of them. */
    readonly displayOffset: number;
    readonly maxDisplays: number;
  };
}

export interface KeypairFiles {
  readonly keyFile: string;
  readonly certFile: string;
}

export interface ProxyConfig {
  /** Everything is served here. Default: 0.0.0.0:3080. */
  readonly webListenAddr: Address;
  /** Ports that serve one thing; unset: none but the web port. */
  readonly sshListenAddr?: Address;
  readonly tunnelListenAddr?: Address;
  readonly peerListenAddr?: Address;
  /** Empty: nodename and the web port. A port of 0 is the one that is bound. */
  readonly publicAddrs: readonly Address[];
  readonly sshPublicAddrs: readonly Address[];
  readonly tunnelPublicAddrs: readonly Address[];
  readonly peerPublicAddr?: Address;
  /** Empty: a self-signed pair in the data folder. */
  readonly httpsKeypairs: readonly KeypairFiles[];
  /** 0: they are read once. Default: 1 minute. */
  readonly httpsReloadMs: number;
  /** Networks of balancers that may send PROXY headers; empty: nobody may. */
  readonly proxyProtocolFrom: readonly string[];
  readonly trustXForwardedFor: boolean;
  /** The web port speaks plain HTTP to a balancer in front that ends TLS. */
  readonly insecureNoTls: boolean;
}

/** What an agent chooses among the documents of the cluster: each label by one of its values. */
export interface ResourceSelector {
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

export interface DbConfig {
  readonly name: string;
  readonly description?: string;
  readonly protocol: 'postgres';
  /** host:port. */
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
  readonly tls: {
    /** Default: verify-full. */
    readonly mode: 'verify-full' | 'verify-ca' | 'insecure';
    /** A file of certificates in PEM, as written. */
    readonly caCertFile?: string;
    readonly serverName?: string;
  };
  readonly aws: {
    readonly region?: string;
    readonly accountId?: string;
    readonly assumeRoleArn?: string;
    readonly externalId?: string;
    readonly rds?: {
      readonly instanceId?: string;
      readonly clusterId?: string;
      readonly resourceId?: string;
      readonly iamAuth?: boolean;
    };
  };
  readonly adminUser?: {
    readonly name: string;
    readonly defaultDatabase?: string;
    readonly ownedObjectsTo?: string;
  };
}

export interface DbServiceConfig {
  /** Each name once. */
  readonly databases: readonly DbConfig[];
  readonly resources: readonly (ResourceSelector & {
    /** The role that is taken for what this selects. */
    readonly aws?: { readonly assumeRoleArn?: string; readonly externalId?: string };
  })[];
}

export interface AppConfig {
  readonly name: string;
  readonly description?: string;
  /** http or https. */
  readonly uri: string;
  readonly publicAddr?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
  /** Default: false. */
  readonly insecureSkipVerify: boolean;
  readonly rewrite: {
    readonly redirect: readonly string[];
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly jwtClaims?: 'roles-and-traits' | 'roles' | 'traits' | 'none';
  };
  readonly cors?: {
    readonly allowedOrigins: readonly string[];
    readonly allowedMethods: readonly string[];
    readonly allowedHeaders: readonly string[];
    readonly exposedHeaders: readonly string[];
    readonly allowCredentials: boolean;
    readonly maxAgeSeconds?: number;
  };
  readonly aws: {
    readonly externalId?: string;
    readonly oidc?: boolean;
    readonly directCredentials?: boolean;
  };
}

export interface AppServiceConfig {
  /** Each name once. */
  readonly apps: readonly AppConfig[];
  readonly resources: readonly ResourceSelector[];
  /** An application that shows what it is sent, for tests of a set-up. Default: false. */
  readonly debugApp: boolean;
}

export type JoinConfig = {
  /** A stored identity of another cluster gives way to a new one. */
  readonly rejoin: boolean;
} & (
  | { readonly method: 'token'; readonly token: TokenSource }
  /** `tokenName` is the name of a token resource. */
  | { readonly method: 'kubernetes'; readonly tokenName: string }
);

export interface Config {
  /** Default: the host name of the machine. */
  readonly nodename: string;
  /** As written, so perhaps relative. Default: /var/lib/gatehouse. */
  readonly dataDir: string;
  readonly pidFile?: string;
  readonly diagAddr?: Address;
  /** The address other members are told instead of the one that is bound. */
  readonly advertiseIp?: string;
  readonly log: LogConfig;
  readonly connectionLimits: {
    /** Default: 15000. */
    readonly maxConnections: number;
    /** Different users at one time. Default: 1000. */
    readonly maxUsers: number;
  };
  /** How long sessions may go on after TERM. Default: 0. */
  readonly drainTimeoutMs: number;
  readonly join?: JoinConfig;
  /** `sha256:` and 64 hex digits each. */
  readonly caPins: readonly string[];
  /** Where services of this process reach auth; the local one when it runs here. */
  readonly authServers: readonly Address[];
  readonly proxyServer?: Address;
  /** Unset: the service does not run here. */
  readonly auth?: AuthConfig;
  readonly ssh?: SshConfig;
  readonly proxy?: ProxyConfig;
  readonly db?: DbServiceConfig;
  readonly app?: AppServiceConfig;
}

/** Something in the file that is valid and yet not, or not fully, in force. To be shown at start. */
export interface Notice {
  /** Unset for what comes from the command line or from a default. */
  readonly line?: number;
  readonly path: string;
  readonly message: string;
}
