// The way to databases, against the real PostgreSQL and against what RDS puts in front of one: certificates and tokens
// that they check themselves.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, TLSSocket } from 'node:tls';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { systemClock } from '#core/clock.ts';
import { parseResource } from '#core/kind.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { dbKind, type DbSpec } from '#kinds/db/kind.ts';
import { startSts, type TestSts } from '#test/kit/aws-sts.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { DB_HOST, startDbPeople, type DbPeople } from '#test/kit/db-people.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { startRdsFront, type RdsFront } from '#test/kit/rds-front.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { openAwsCredentials } from '../aws/credentials.ts';
import type { DbConnector, DbLogin } from './connect.ts';
import { openDbConnector, type DbConnectorOptions } from './connector.ts';
import { AdminStream } from './provision/admin-stream.ts';

const AGENT = {
  accessKeyId: 'AKIAAGENT',
  secretAccessKey: 'agent-secret',
  principal: 'arn:aws:iam::111111111111:user/agent',
};
const DB_ROLE = 'arn:aws:iam::222222222222:role/Db';
const never = new AbortController().signal;

let people: DbPeople;
let server: TestPostgres;
let plain: TestPostgres;
let sts: TestSts;
let front: RdsFront;
let folder: string;
let skewMs = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-connector-'));
  people = await startDbPeople({ realTime: true });
  [server, plain] = await Promise.all([
    startPostgres({ clientAuthorities: people.dbAuthority, names: ['db.example.com'] }),
    startPostgres({ isPlain: true, hba: 'local all all trust\nhost all all all trust\n' }),
  ]);
  server.sql('CREATE ROLE alice LOGIN; CREATE ROLE "Alice Smith" LOGIN;');
  await people.put(
    makeRole('db', { db_labels: { '*': '*' }, db_users: ['alice'], db_names: ['postgres'] }),
    makeUser('joe', ['db']),
    makeResource('db_server', `orders.${DB_HOST}`, { host_id: DB_HOST, hostname: 'a', database: db() }),
  );
  sts = await startSts({
    keys: [AGENT],
    roles: [{ arn: DB_ROLE, trusts: [AGENT.principal], externalId: 'ext-1' }],
  });
  writeFileSync(join(folder, 'ca.pem'), sts.authority);
  front = await startRdsFront({ server, region: 'eu-west-1', keys: sts.keys, skewMs: () => skewMs });
}, 120_000);
afterAll(async () => {
  await front?.close();
  await sts?.close();
  await Promise.all([server?.stop(), plain?.stop()]);
  await people?.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  skewMs = 0;
});

function db(more: object = {}): Resource<DbSpec> {
  const tls = { ca_cert: server.authority };
  return parseResource(dbKind, {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'orders' },
    spec: { protocol: 'postgres', uri: server.address, tls, ...more },
  }) as Resource<DbSpec>;
}
const rds = (aws: object = {}): Resource<DbSpec> =>
  db({
    uri: `localhost:${front.port}`,
    tls: { ca_cert: front.authority },
    aws: { region: 'eu-west-1', rds: { instance_id: 'orders' }, ...aws },
  });

function open(more: Partial<DbConnectorOptions> = {}): DbConnector {
  vi.stubEnv('AWS_ACCESS_KEY_ID', AGENT.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', AGENT.secretAccessKey);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
  vi.stubEnv('AWS_CA_BUNDLE', join(folder, 'ca.pem'));
  const clock = more.clock ?? systemClock;
  const aws = openAwsCredentials({ clock, log: silentLog, environment: process.env });
  return openDbConnector({ clock, log: silentLog, dataDir: folder, api: () => people.api, aws, ...more });
}

async function ask(connector: DbConnector, of: Resource<DbSpec>, login: DbLogin): Promise<string> {
  const { stream, password } = await connector.connect(of, login, never);
  const client = new Client({
    stream: () => new AdminStream(stream),
    ssl: false,
    user: login.user,
    database: login.database,
    password: async () => (await password?.()) ?? '',
  });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query('SELECT current_user::text AS me');
  await client.end();
  return String((rows as { me: string }[])[0]?.me);
}
const alice = async (more: Partial<DbLogin> = {}): Promise<DbLogin> => ({
  user: 'alice',
  database: 'postgres',
  certificate: await people.shown('joe'),
  ...more,
});
const failure = async (of: Resource<DbSpec>, connector = open()): Promise<string> => {
  const error = await connector.connect(of, await alice(), never).then(
    () => undefined,
    (caught: unknown) => caught as Error & { code: string },
  );
  return `${error?.code} ${error?.message}`;
};

async function listen(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return { server: listener, port: (listener.address() as AddressInfo).port };
}

test('ok: a client certificate for the account, asked of auth once', async () => {
  const connector = open();
  const login = await alice();
  people.events.length = 0;
  expect(await ask(connector, db(), login)).toBe('alice');
  expect(await ask(connector, db(), login)).toBe('alice');
  expect(people.events.filter(({ event }) => event === 'cert.create')).toHaveLength(1);
  expect(connector.typeOf(db())).toBe('self-hosted');
  await expect(connector.connect(db(), { ...login, user: 'postgres' }, never)).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
  });
});

test('ok: a connection without a person, for cancel requests', async () => {
  const stream = await open().dial(db(), never);
  stream.destroy();
});

test('ok: names as verify-full, verify-ca and insecure have them', async () => {
  const at = `localhost:${server.port}`;
  const ca = { ca_cert: server.authority };
  expect(await failure(db({ uri: at, tls: ca }))).toMatch(
    /^CERTIFICATE_INVALID .*not for localhost.*tls\.server_name/,
  );
  expect(
    await ask(open(), db({ uri: at, tls: { ...ca, server_name: 'db.example.com' } }), await alice()),
  ).toBe('alice');
  expect(await ask(open(), db({ uri: at, tls: { ...ca, mode: 'verify-ca' } }), await alice())).toBe('alice');
  expect(await ask(open(), db({ uri: at, tls: { mode: 'insecure' } }), await alice())).toBe('alice');
});

test('refuses: authorities that nobody named, and says where to name them', async () => {
  expect(await failure(db({ tls: {} }))).toMatch(
    /^CERTIFICATE_INVALID .*not trusted here; set tls\.ca_cert_file/,
  );
  expect(await failure(db({ tls: { ca_cert: sts.authority, mode: 'verify-ca' } }))).toMatch(
    /not trusted here/,
  );
});

test('refuses: no TLS, never in clear', async () => {
  expect(await failure(db({ uri: plain.address, tls: { mode: 'insecure' } }))).toMatch(
    /^UNAVAILABLE .*offers no TLS/,
  );
});

test('refuses: what cannot be reached, with what to check', async () => {
  const gone = await listen(() => {});
  gone.server.close();
  expect(await failure(db({ uri: `127.0.0.1:${gone.port}` }))).toMatch(
    /^UNAVAILABLE .*nothing listens there/,
  );
  expect(await failure(db({ uri: 'no-such-host.invalid:5432' }))).toMatch(/^UNAVAILABLE .*DNS/);
});

test('refuses: S25 metadata services, by address and by what a name says', () => {
  for (const uri of [
    '169.254.169.254:80',
    '[fd00:ec2::254]:80',
    'metadata.google.internal:80',
    '2852039166:80',
  ])
    expect(() => db({ uri }), uri).toThrow(/metadata/);
});

test('refuses: a server that is silent, after ten seconds of the clock', async () => {
  const silent = await listen(() => {});
  const clock = new FakeClock(Date.now());
  const failed = failure(db({ uri: `127.0.0.1:${silent.port}` }), open({ clock }));
  await once(silent.server, 'connection');
  await clock.advance(10_001);
  expect(await failed).toMatch(/^UNAVAILABLE .*did not answer within 10 s.*nc -zv/);
  silent.server.close();
});

test('refuses: other protocols, and plaintext that is slipped in before TLS', async () => {
  for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', 'SE\0\0\0\u0004', 'E']) {
    const fake = await listen((socket) => socket.end(answer));
    expect(await failure(db({ uri: `127.0.0.1:${fake.port}` })), answer).toMatch(
      /^UNAVAILABLE .*does not speak PostgreSQL/,
    );
    fake.server.close();
  }
});

test('refuses: certificates without alternative names, with the words that are documented', async () => {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const times = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const names = { commonName: '127.0.0.1', dnsNames: [], ipAddresses: [] };
  const der = selfSignedServer({ ...times, ...names, privateKey });
  const cert = certificateToPem(der);
  const secureContext = createSecureContext({ cert, key: privateKeyPem(privateKey).reveal() });
  const fake = await listen((socket) => {
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {});
    });
  });
  const old = db({ uri: `127.0.0.1:${fake.port}`, tls: { ca_cert: cert } });
  expect(await failure(old)).toMatch(
    /^CERTIFICATE_INVALID .*certificate relies on legacy Common Name field, use SANs/,
  );
  fake.server.close();
});

test('ok: RDS takes the token, the same one for all connections', async () => {
  const connector = open();
  front.tokens.length = 0;
  expect(connector.typeOf(rds())).toBe('rds');
  expect(await ask(connector, rds(), await alice())).toBe('alice');
  expect(await ask(connector, rds(), await alice())).toBe('alice');
  expect(new Set(front.tokens).size).toBe(1);
  expect(await ask(connector, rds(), await alice({ user: 'Alice Smith' }))).toBe('Alice Smith');
  expect(new Set(front.tokens).size).toBe(2);
});

test('ok: by a role with an external id, whose session token is in the password', async () => {
  const connector = open();
  front.tokens.length = 0;
  const aws = { assume_role_arn: DB_ROLE, external_id: 'ext-1' };
  expect(await ask(connector, rds(aws), await alice())).toBe('alice');
  expect(front.tokens[0]).toContain('X-Amz-Security-Token=');
  const { password } = await connector.connect(rds({ assume_role_arn: DB_ROLE }), await alice(), never);
  await expect(password?.()).rejects.toMatchObject({
    code: 'AWS_REFUSED',
    message: expect.stringContaining('external id'),
  });
});

test('refuses: RDS, for tokens of another region or after fifteen minutes', async () => {
  front.refused.length = 0;
  const { stream, password } = await open().connect(rds({ region: 'eu-west-2' }), await alice(), never);
  stream.destroy();
  expect(await password?.()).toContain('eu-west-2%2Frds-db');
  await expect(ask(open(), rds({ region: 'eu-west-2' }), await alice())).rejects.toThrow(/PAM/);
  skewMs = 16 * 60_000;
  await expect(ask(open(), rds(), await alice())).rejects.toThrow(/PAM/);
  expect(front.refused).toEqual(['for the region eu-west-2', 'expired']);
});

test('ok: a new token shortly before the old one ends', async () => {
  const clock = new FakeClock(Date.now());
  const { password } = await open({ clock }).connect(rds(), await alice(), never);
  const first = await password?.();
  clock.step(13 * 60_000);
  expect(await password?.()).toBe(first);
  clock.step(90_000);
  expect(await password?.()).not.toBe(first);
});
