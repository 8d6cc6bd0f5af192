// The engine of AWS applications between a person's local proxy and a front of AWS, without the rest of the house: a door on
// loopback that takes everybody for alice, a guard that the test commands, and the events as they were told.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mergeSessionOptions, mergeTargetOptions } from '#core/access/options.ts';
import type { TargetRequest } from '#core/access/target.ts';
import { PARTITIONS } from '#core/aws/partitions.ts';
import type { SigningCredentials } from '#core/aws/sigv4.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { localAuthority } from '#core/certs/x509/local-authority.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { Secret } from '#core/secret.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import { openAwsApps, type AwsAppsOptions } from '#agent/app/aws/open.ts';
import { openAppSessions } from '#agent/app/http/sessions.ts';
import type { AwsCredentials, AwsCredentialsSource } from '#agent/aws/credentials.ts';
import type { TargetConnection, TargetEvent } from '#agent/target/connection.ts';
import type { GuardHooks, TargetGuard } from '#agent/target/guard.ts';
import { openAwsProxy } from '#cli/aws/local-proxy.ts';
import { makeLocalKeys } from '#cli/aws/local-keys.ts';
import type { AwsFront } from './aws-front.ts';

export const ACCOUNT = '123456789012';
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/Developers`;
/** What the role's credentials are, unless a test brings a source of its own. */
export const ROLE_KEYS: SigningCredentials = {
  accessKeyId: 'ASIAROLE',
  secretAccessKey: new Secret('role-secret'),
  sessionToken: new Secret('role-token'),
};

export interface AwsHouse {
  /** Of the door: TCP that the engine serves, as after the road. */
  readonly door: number;
  readonly events: TargetEvent[];
  readonly hooks: GuardHooks[];
  readonly asked: TargetRequest[];
  /** What was asked of the source of credentials. */
  readonly roles: unknown[];
  /** Variables for programs that speak to AWS through the local proxy. */
  readonly variables: Readonly<Record<string, string>>;
  readonly localKeys: SigningCredentials;
  /** What the local proxy could not do. */
  readonly failures: unknown[];
  /** Changes the application's document; the guard says so to who asked. */
  change(setup: Pick<AwsHouseSetup, 'spec' | 'labels'>): void;
  close(): Promise<void>;
}

export interface AwsHouseSetup {
  readonly front: Pick<AwsFront, 'port' | 'authority'>;
  readonly spec?: Partial<AppSpec>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly role?: string | null;
  readonly validBefore?: number;
  readonly credentials?: AwsCredentialsSource;
  readonly tokens?: AwsAppsOptions['tokens'];
  readonly auditFilled?: () => number;
  /** Called instead of letting in. */
  readonly refuse?: () => never;
}

/** The caller closes it. */
export async function startAwsHouse(setup: AwsHouseSetup): Promise<AwsHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  const bundle = join(folder, 'front.pem');
  writeFileSync(bundle, setup.front.authority);
  const events: TargetEvent[] = [];
  const hooks: GuardHooks[] = [];
  const asked: TargetRequest[] = [];
  const roles: unknown[] = [];
  const ground = {
    clock: systemClock,
    log: silentLog,
    hostId: 'host-1',
    hostname: 'agent-1',
    view: { clusterName: () => 'test.example.com' } as AwsAppsOptions['view'],
    guard: guardOf(setup, hooks, asked),
    emit: (event: TargetEvent) => void events.push(event),
    record: () => undefined,
    membership: {} as never,
    environment: {
      GATEHOUSE_AWS_ENDPOINTS: `*=https://127.0.0.1:${setup.front.port}`,
      AWS_CA_BUNDLE: bundle,
    },
    dataDir: '/nonexistent',
  };
  let app = appOf(setup);
  const apps = openAwsApps({
    ...ground,
    appNow: () => app,
    auditFilled: setup.auditFilled,
    people: openAppSessions(ground),
    tokens: setup.tokens ?? { get: () => Promise.resolve(undefined) },
    credentials: setup.credentials ?? fixedCredentials(roles),
  });
  const door = await openDoor((socket) => apps.serve(connectionOf(socket, setup), app));
  const local = await startLocalAwsProxy(door.port);
  return {
    door: door.port,
    events,
    hooks,
    asked,
    roles,
    failures: local.failures,
    localKeys: local.keys,
    variables: local.variables,
    change(other) {
      app = appOf({ ...setup, ...other });
      for (const hook of hooks.slice()) hook.changed?.();
    },
    async close() {
      local.close();
      apps.close();
      await door.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function guardOf(setup: AwsHouseSetup, hooks: GuardHooks[], asked: TargetRequest[]): TargetGuard {
  return {
    open(_, request, given) {
      asked.push(request);
      setup.refuse?.();
      hooks.push(given);
      return {
        id: globalThis.crypto.randomUUID(),
        roles: ['access'],
        options: { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]) },
        touch() {},
        close: () => void hooks.splice(hooks.indexOf(given), 1),
      };
    },
  };
}

function fixedCredentials(roles: unknown[]): AwsCredentialsSource {
  const keys: AwsCredentials = { ...ROLE_KEYS, expires: Date.now() + 3_600_000 };
  return {
    get(request) {
      roles.push(request);
      return Promise.resolve(keys);
    },
    region: () => Promise.resolve('eu-central-1'),
  };
}

function appOf({ spec, labels = {} }: AwsHouseSetup): Resource<AppSpec> {
  return {
    kind: 'app',
    version: 'v3',
    metadata: { name: 'awsconsole', labels: { ...labels } },
    spec: { uri: 'https://console.aws.amazon.com/ec2/v2/home', ...spec },
  };
}

function connectionOf(stream: Socket, { role = ROLE, validBefore }: AwsHouseSetup): TargetConnection {
  return {
    stream,
    identity: {
      kind: 'user',
      cluster: 'test.example.com',
      name: 'alice@example.com',
      roles: ['access'],
      traits: {},
      logins: [],
      usage: 'app',
      route_to_app: {
        name: 'awsconsole',
        public_addr: 'awsconsole.gate.example.com',
        session_id: '6dbe1b2e-3f0c-4c39-9a1d-0b2f2a4f4d10',
        ...(role === null ? {} : { aws_role_arn: role }),
      },
      session_expires: '2099-01-01T00:00:00Z',
    },
    validBefore: validBefore ?? Date.now() + 8 * 3_600_000,
    certificate: new Uint8Array(),
    client: '127.0.0.1:1',
    target: 'awsconsole',
    proxyId: 'proxy-1',
  };
}

async function openDoor(
  serve: (socket: Socket) => void,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface LocalAwsProxy {
  readonly keys: SigningCredentials;
  readonly variables: Readonly<Record<string, string>>;
  readonly failures: unknown[];
  close(): void;
}

/** A person's local proxy before the door of a house. The caller closes it. */
export async function startLocalAwsProxy(door: number): Promise<LocalAwsProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  const keys = makeLocalKeys();
  const failures: unknown[] = [];
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
  const notBefore = hour - 3_600_000;
  const notAfter = hour + 9 * 3_600_000;
  const certificate = certificateToPem(
    localAuthority({ privateKey, commonName: 'test', domains: PARTITIONS.aws.suffixes, notBefore, notAfter }),
  );
  const proxy = await openAwsProxy({
    port: 0,
    clock: systemClock,
    partition: PARTITIONS.aws,
    keys,
    authority: () => Promise.resolve({ certificate, key: privateKey, notBefore, notAfter }),
    open: async () => {
      const socket = connect({ port: door, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    },
    failed: (error) => void failures.push(error),
  });
  const authorityFile = join(folder, 'local.pem');
  writeFileSync(authorityFile, certificate);
  return {
    keys,
    failures,
    variables: variablesOf(proxy.port, keys, authorityFile, folder),
    close() {
      proxy.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Those that `gate proxy aws` prints, and nothing of the machine's own settings. */
function variablesOf(
  port: number,
  keys: SigningCredentials,
  bundle: string,
  home: string,
): Readonly<Record<string, string>> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey.reveal(),
    AWS_CA_BUNDLE: bundle,
    HTTPS_PROXY: `http://127.0.0.1:${port}`,
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
    AWS_MAX_ATTEMPTS: '1',
  };
}
