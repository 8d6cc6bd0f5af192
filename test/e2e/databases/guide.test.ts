// docs/guide/databases.md as it is written: a database with certificates of the cluster, an agent with the file that
// `gatehouse db configure create` makes, roles, people with the clients they have, and what is on record of it.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { must, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import { runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { pgjdbcJar } from '#test/kit/pgjdbc.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { psycopgPython } from '#test/kit/psycopg.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const run = promisify(execFile);
const GATE = join(import.meta.dirname, '../../../bin/gate');
const PATIENCE_MS = 60_000;
const folder = tempFolder();
const ROLE = `kind: role
version: v5
metadata: {name: orders}
spec:
  allow:
    db_labels: {env: prod}
    db_names: [orders, reports]
    db_users: [reader, '{{internal.db_users}}']
`;
let cluster: TestCluster;
let postgres: TestPostgres;
let agent: TestDaemon;
let ann: Person;
const running: ChildProcess[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  const server = join(folder, 'server');
  must(
    await cluster.gatectl(
      'auth',
      'sign',
      '--format=db',
      '--host=localhost',
      '--ttl=2190h',
      `--out=${server}`,
    ),
  );
  const clients = must(await cluster.gatectl('auth', 'export', '--type=db'));
  writeFileSync(join(folder, 'clients.crt'), clients);
  postgres = await startPostgres({ clientAuthorities: clients });
  writeFileSync(postgres.serverPair.cert, readFileSync(`${server}.crt`));
  writeFileSync(postgres.serverPair.key, readFileSync(`${server}.key`));
  for (const text of [
    'select pg_reload_conf()',
    'create role reader login',
    'create role ann login',
    'create database orders',
  ])
    postgres.sql(text);
  await cluster.apply(ROLE);
  const token = join(folder, 'token');
  writeFileSync(token, must(await cluster.gatectl('tokens', 'add', '--type=db', '--format=text')));
  const path = join(folder, 'gatehouse.yaml');
  must(
    await runProgram('gatehouse', [
      'db',
      'configure',
      'create',
      `--token=${token}`,
      `--proxy=${cluster.web}`,
      `--ca-pin=${cluster.pin}`,
      '--name=orders',
      '--protocol=postgres',
      `--uri=localhost:${postgres.port}`,
      '--labels=env=prod',
      `--ca-cert-file=${join(folder, 'clients.crt')}`,
      `--data-dir=${join(folder, 'agent')}`,
      '--output',
      `file://${path}`,
    ]),
  );
  agent = startDaemon({ config: readFileSync(path, 'utf8') });
  ann = await cluster.person('ann', ['orders'], []);
  const isListed = async (): Promise<boolean> => (await ann.gate('db', 'ls')).stdout.includes('orders');
  await until('the database is listed', isListed, PATIENCE_MS);
}, 180_000);
afterAll(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'close');
  }
  await agent?.stop();
  await cluster?.stop();
  await postgres?.stop();
});

const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'] ?? '', HOME: ann.home });

it('ok: gate db connect', async () => {
  const words = ['--db-user=reader', '--db-name=orders', 'orders', '--', '-AtqXc', 'select session_user'];
  expect(must(await ann.gate('db', 'connect', ...words))).toBe('reader\n');
});

it('ok: other programs with the files of gate db config: psql, pgbench, pg, psycopg, pgJDBC', async () => {
  must(await ann.gate('db', 'login', '--db-user=reader', '--db-name=orders', 'orders'));
  const uri = must(await ann.gate('db', 'config', '--format=uri', 'orders')).trim();
  const { searchParams, hostname, port, username, pathname } = new URL(uri);
  expect(searchParams.get('sslmode')).toBe('verify-full');
  const [root = '', cert = '', key = ''] = ['sslrootcert', 'sslcert', 'sslkey'].map((name) =>
    searchParams.get(name),
  ) as string[];
  const psql = await run('psql', [uri, '-AtqXc', 'select 1'], { env: environment() });
  expect(psql.stdout).toBe('1\n');
  const script = join(folder, 'bench.sql');
  writeFileSync(script, 'select 1;\n');
  const bench = await run('pgbench', ['-n', '-t', '20', '-c', '2', '-f', script, uri], {
    env: environment(),
  });
  expect(bench.stdout).toContain('number of transactions actually processed: 40/40');
  const client = new Client({
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    ssl: { ca: readFileSync(root), cert: readFileSync(cert), key: readFileSync(key) },
  });
  await client.connect();
  const { rows } = await client.query('select $1::int + 1 as next', [41]);
  expect(rows).toEqual([{ next: 42 }]);
  await client.end();
  const python = await run(
    psycopgPython(),
    [
      '-c',
      'import sys, psycopg\nwith psycopg.connect(sys.argv[1]) as c: print(c.execute("select 2").fetchone()[0])',
      uri,
    ],
    { env: environment() },
  );
  expect(python.stdout).toBe('2\n');
  // Its keys are PKCS #8 in DER.
  const der = join(folder, 'key.pk8');
  await run('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', key, '-outform', 'DER', '-out', der]);
  const source = join(folder, 'Jdbc.java');
  writeFileSync(
    source,
    `import java.sql.*;
public class Jdbc {
  public static void main(String[] a) throws Exception {
    try (Connection c = DriverManager.getConnection(a[0]); ResultSet r = c.createStatement().executeQuery("select 3")) {
      r.next(); System.out.println(r.getInt(1));
    }
  }
}`,
  );
  const url = `jdbc:postgresql://${hostname}:${port}${pathname}?user=${username}&sslmode=verify-full&sslrootcert=${root}&sslcert=${cert}&sslkey=${der}`;
  const java = await run('java', ['-cp', pgjdbcJar(), source, url], { env: environment() });
  expect(java.stdout).toBe('3\n');
}, 120_000);

it('ok: gate proxy db --tunnel, for programs that cannot show a certificate', async () => {
  const child = spawn(GATE, ['proxy', 'db', '--tunnel', '--db-user=reader', '--db-name=orders', 'orders'], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (text += String(part)));
  const port = await until('it listens', () => /127\.0\.0\.1:(\d+)/.exec(text)?.[1], PATIENCE_MS);
  const client = new Client({ host: 'localhost', port: Number(port), user: 'reader', database: 'orders' });
  await client.connect();
  expect((await client.query('select session_user::text as me')).rows).toEqual([{ me: 'reader' }]);
  await client.end();
});

it('S15 refuses: accounts and databases that no role gives, with an id that is explained', async () => {
  const { stderr } = await ann.gate('db', 'connect', '--db-user=reader', '--db-name=postgres', 'orders');
  expect(stderr).not.toBe('');
  must(await ann.gate('db', 'login', 'orders'));
  const uri = new URL(must(await ann.gate('db', 'config', '--format=uri', 'orders')).trim());
  uri.username = 'reader';
  uri.pathname = '/postgres';
  const refused = await run('psql', [uri.href, '-c', 'select 1'], { env: environment() }).catch(
    (error: { stderr: string }) => error,
  );
  const [, id = ''] = /\(denial ([0-9a-f-]{36})\)/.exec(refused.stderr) ?? [];
  expect(id).not.toBe('');
  const explained = await until(
    'the denial is on record',
    async () => {
      const { code, stdout } = await cluster.gatectl('explain', id);
      return code === 0 && stdout;
    },
    PATIENCE_MS,
  );
  expect(explained).toContain('postgres');
});

it('ok: the session is a recording, played as events and as text', async () => {
  const words = ['--db-user=reader', '--db-name=orders', 'orders', '--', '-AtqXc', "select 'to be seen'"];
  must(await ann.gate('db', 'connect', ...words));
  const listed = await until(
    'a recording with the query',
    async () => {
      const list = must(await cluster.gatectl('recordings', 'ls', '--kind=database', '--format=json'));
      for (const id of list.match(/[0-9a-f]{8}-[0-9a-f-]{27}/g) ?? []) {
        const { stdout } = await ann.gate('play', '--format=json', id);
        if (stdout.includes('to be seen') && stdout.includes('db.session.end')) return { id, stdout };
      }
      return undefined;
    },
    PATIENCE_MS,
  );
  const events = listed.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  expect(events.map(({ event }) => event)).toEqual([
    'db.session.start',
    'db.session.query',
    'db.session.result',
    'db.session.end',
  ]);
  expect(must(await ann.gate('play', '--speed=8x', listed.id))).toContain('to be seen');
}, 120_000);
