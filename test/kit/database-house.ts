// The engine of databases beside a real PostgreSQL, without the rest of the house: a TLS door that takes everybody for alice,
// a guard that the test commands, and the events and recordings as they were told.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer as createPlain, type AddressInfo } from 'node:net';
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls';
import type { MergedOptions } from '#core/access/options.ts';
import { mergeSessionOptions, mergeTargetOptions } from '#core/access/options.ts';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { systemClock, type Clock } from '#core/clock.ts';
import { silentLog, type Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { CANCEL_REQUEST } from '#wire/postgres/protocol.ts';
import { sslRequest } from '#wire/postgres/write.ts';
import type { DbConnector } from '#agent/database/connect.ts';
import { openDatabases } from '#agent/database/open.ts';
import type {
  CancelKey,
  DbEngine,
  TargetConnection,
  TargetEvent,
  TargetRecordRequest,
} from '#agent/target/connection.ts';
import type { GuardHooks, TargetGuard } from '#agent/target/guard.ts';
import type { TestPostgres } from './postgres.ts';

export interface DatabaseHouse {
  readonly port: number;
  /** PEM of the door. */
  readonly authority: string;
  readonly engine: DbEngine;
  readonly events: TargetEvent[];
  /** Hooks of the sessions that are open, oldest first. */
  readonly hooks: GuardHooks[];
  /** What guard.open was asked. */
  readonly asked: { readonly user: string; readonly database: string | null }[];
  /** Called instead of letting in. */
  refuse: (() => never) | undefined;
  close(): Promise<void>;
}

export interface DatabaseHouseSetup {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly options?: Partial<MergedOptions>;
  readonly record?: (request: TargetRecordRequest) => SessionRecorder | undefined;
  /** Default: TLS with a client certificate of the server's own authority. */
  readonly connector?: DbConnector;
  /** Default: kept in `events`. */
  readonly emit?: (event: TargetEvent) => void;
  /** Of the database; default: that of the test. */
  readonly uri?: string;
}

const CANCEL_BYTES = 16;

/** The caller closes it before the database. */
export async function startDatabaseHouse(
  postgres: TestPostgres,
  setup: DatabaseHouseSetup = {},
): Promise<DatabaseHouse> {
  const { clock = systemClock } = setup;
  const events: TargetEvent[] = [];
  const hooks: GuardHooks[] = [];
  const asked: DatabaseHouse['asked'] = [];
  const options = { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]), ...setup.options };
  const house: { refuse: (() => never) | undefined } = { refuse: undefined };
  const guard: TargetGuard = {
    open(_, request, given) {
      if (request.kind === 'db') asked.push({ user: request.user, database: request.database });
      house.refuse?.();
      hooks.push(given);
      return {
        id: globalThis.crypto.randomUUID(),
        roles: ['access'],
        options,
        touch() {},
        close: () => void hooks.splice(hooks.indexOf(given), 1),
      };
    },
  };
  const engine = openDatabases({
    clock,
    log: setup.log ?? silentLog,
    hostId: 'host-1',
    hostname: 'agent-1',
    view: { clusterName: () => 'test.example.com' } as ClusterView,
    guard,
    emit: setup.emit ?? ((event) => void events.push(event)),
    record: setup.record ?? (() => undefined),
    connector: setup.connector ?? directConnector(postgres),
    membership: {} as never,
    environment: {},
    dataDir: '/nonexistent',
  });
  const db: Resource<DbSpec> = {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'shop', labels: {} },
    spec: { protocol: 'postgres', uri: setup.uri ?? postgres.address, tls: { mode: 'verify-full' }, aws: {} },
  };
  const door = await openDoor(
    (stream) => engine.serve(connectionOf(stream), db),
    (key) => engine.cancel(key),
  );
  return {
    port: door.port,
    authority: door.authority,
    engine,
    events,
    hooks,
    asked,
    get refuse() {
      return house.refuse;
    },
    set refuse(refuse) {
      house.refuse = refuse;
    },
    async close() {
      await engine.close();
      await door.close();
    },
  };
}

function connectionOf(stream: TLSSocket): TargetConnection {
  return {
    stream,
    identity: {
      kind: 'user',
      cluster: 'test.example.com',
      name: 'alice',
      roles: ['access'],
      traits: {},
      logins: [],
      usage: 'db',
      session_expires: '2099-01-01T00:00:00Z',
    },
    validBefore: Date.parse('2099-01-01T00:00:00Z'),
    certificate: new Uint8Array(),
    client: `127.0.0.1:${stream.remotePort ?? 1}`,
    target: 'shop',
    proxyId: 'proxy-1',
  };
}

/** Answers SSLRequest as a proxy does, and takes direct TLS as well. */
async function openDoor(
  serve: (stream: TLSSocket) => void,
  cancel: (key: CancelKey) => void,
): Promise<{
  readonly port: number;
  readonly authority: string;
  close(): Promise<void>;
}> {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const der = selfSignedServer({
    privateKey,
    commonName: 'localhost',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + 86_400_000,
  });
  const authority = certificateToPem(der);
  const tls = createServer({
    key: privateKeyPem(privateKey).reveal(),
    cert: authority,
    pauseOnConnect: false,
  });
  tls.on('secureConnection', (stream) => {
    stream.setNoDelay(true);
    serve(stream);
  });
  tls.on('tlsClientError', () => undefined);
  const plain = createPlain({ pauseOnConnect: false, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      socket.pause();
      if (!Buffer.isBuffer(first)) return;
      if (first.length === CANCEL_BYTES && first.readUInt32BE(4) === CANCEL_REQUEST) {
        cancel({ processId: first.readUInt32BE(8), secret: first.readUInt32BE(12) });
        socket.end();
        return;
      }
      if (first.equals(sslRequest())) socket.write('S');
      else socket.unshift(first);
      tls.emit('connection', socket);
    });
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  return {
    port: (plain.address() as AddressInfo).port,
    authority,
    async close() {
      plain.close();
      await once(plain, 'close').catch(() => undefined);
    },
  };
}

/** TLS to the server of the test, with a certificate for whoever logs in. */
export function directConnector(postgres: TestPostgres): DbConnector {
  const pairs = new Map<string, { readonly cert: Buffer; readonly key: Buffer }>();
  const pairOf = (user: string): { readonly cert: Buffer; readonly key: Buffer } => {
    const known = pairs.get(user);
    if (known !== undefined) return known;
    const files = postgres.clientPair(user);
    const pair = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
    pairs.set(user, pair);
    return pair;
  };
  const open = async (user: string | undefined): Promise<TLSSocket> => {
    const socket = connect({ port: postgres.port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    socket.write(sslRequest());
    await once(socket, 'readable');
    socket.read(1);
    const pair = user === undefined ? {} : pairOf(user);
    const tls = connectTls({ socket, ca: postgres.authority, servername: 'localhost', ...pair });
    await once(tls, 'secureConnect');
    return tls;
  };
  return {
    connect: async (_, { user }) => ({ stream: await open(user), isTls: true }),
    dial: () => open(undefined),
    typeOf: () => 'self-hosted',
    close() {},
  };
}
