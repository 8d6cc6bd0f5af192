// Real clients through the engine to a real PostgreSQL: psql, pgbench, pg, psycopg and pgJDBC, in the ways they use the
// protocol. What they did is on record, and nothing of them is left behind.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startDatabaseHouse, type DatabaseHouse } from '#test/kit/database-house.ts';
import { pgjdbcJar } from '#test/kit/pgjdbc.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { psycopgPython } from '#test/kit/psycopg.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { GatehouseError } from '#core/errors/error.ts';

const run = promisify(execFile);
const folder = tempFolder();
const authorityFile = join(folder, 'ca.pem');
const PATIENCE_MS = 120_000;
let postgres: TestPostgres;
let house: DatabaseHouse;

beforeAll(async () => {
  postgres = await startPostgres();
  postgres.sql('create role alice superuser login; create database shop owner alice');
  house = await startDatabaseHouse(postgres);
  writeFileSync(authorityFile, house.authority);
});

afterAll(async () => {
  await house.close();
  await postgres.stop();
});

beforeEach(() => {
  house.events.length = 0;
});

const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', PGCONNECT_TIMEOUT: '60' };

function conninfo(more = '', user = 'alice', database = 'shop'): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const tls = `sslmode=verify-full sslrootcert=${authorityFile}`;
  return `host=localhost port=${house.port} user=${quote(user)} dbname=${quote(database)} ${tls} ${more}`;
}

async function psql(script: string, more = ''): Promise<string> {
  const child = run('psql', [conninfo(more), '-AtqX'], { env: ENVIRONMENT });
  child.child.stdin?.end(script);
  return (await child).stdout.trimEnd();
}

const queries = (): unknown[] =>
  house.events.filter(({ event }) => event === 'db.session.query').map((event) => event['db_query']);

const backends = (): string =>
  postgres.sql(
    "select count(*) from pg_stat_activity where usename = 'alice' and backend_type = 'client backend'",
  );

const isLeftAlone = (): Promise<unknown> =>
  until(
    'no session is left in the database',
    () => backends() === '0' && house.engine.count === 0,
    PATIENCE_MS,
  );

describe('psql', () => {
  test('ok: queries, errors, transactions and COPY both ways, on record from start to end', async () => {
    const out = await psql(`
      create table fruit (id int, name text);
      copy fruit from stdin;
1\tapple
2\tÄpfel
\\.
      copy fruit to stdout;
      begin; select nope; rollback;
      select count(*) from fruit;`);
    expect(out).toBe('1\tapple\n2\tÄpfel\n2');
    await isLeftAlone();
    expect(queries()).toEqual([
      'create table fruit (id int, name text);',
      'copy fruit from stdin;',
      'copy fruit to stdout;',
      'begin;',
      'select nope;',
      'rollback;',
      'select count(*) from fruit;',
    ]);
    expect(house.events.at(0)).toMatchObject({
      event: 'db.session.start',
      user: 'alice',
      db_user: 'alice',
      db_name: 'shop',
      db_service: 'shop',
      db_protocol: 'postgres',
      db_type: 'self-hosted',
      success: true,
    });
    expect(house.events.find(({ event }) => event === 'db.session.query.failed')).toMatchObject({
      db_query: 'select nope;',
      error: expect.stringContaining('42703') as string,
    });
    expect(house.events.at(-1)).toMatchObject({ event: 'db.session.end', db_queries: 7 });
  });

  test('ok: large objects, and a dump and its restore', async () => {
    const file = join(folder, 'object');
    writeFileSync(file, Buffer.alloc(300_000, 7));
    const id = (await psql(`\\lo_import ${file}\n\\echo :LASTOID`)).split('\n').at(-1) ?? '';
    const back = join(folder, 'object.back');
    await psql(`\\lo_export ${id} ${back}`);
    expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
    const { stdout: dump } = await run('pg_dump', [conninfo(), '--blobs'], { env: ENVIRONMENT });
    expect(dump).toContain('lowrite');
    // Function calls of large objects are on record by the number of the function.
    expect(house.events.some(({ event }) => event === 'db.session.postgres.function')).toBe(true);
    await psql(`\\lo_unlink ${id}`);
  });

  test('R32 ok: Ctrl-C cancels the query', async () => {
    const child = spawn('psql', [conninfo(), '-AtqX'], { env: ENVIRONMENT, stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => void (out += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => void (out += bytes.toString()));
    child.stdin.write("select pg_sleep(600) as 'cancelled';\n".replaceAll("'", '"'));
    await until(
      'the query runs',
      () =>
        postgres.sql(
          "select count(*) from pg_stat_activity where query like 'select pg_sleep(600)%' and state = 'active'",
        ) === '1',
      PATIENCE_MS,
    );
    child.kill('SIGINT');
    await until(
      'psql tells of the cancel',
      () => out.includes('canceling statement due to user request'),
      PATIENCE_MS,
    );
    if (child.exitCode === null) await once(child, 'exit');
    await isLeftAlone();
  });

  test('R32 ok: a client that is killed leaves no query behind', async () => {
    const child = spawn('psql', [conninfo(), '-c', 'select pg_sleep(601)'], {
      env: ENVIRONMENT,
      stdio: 'ignore',
    });
    await until(
      'the query runs',
      () =>
        backends() === '1' &&
        postgres.sql(
          "select count(*) from pg_stat_activity where query = 'select pg_sleep(601)' and state = 'active'",
        ) === '1',
      PATIENCE_MS,
    );
    child.kill('SIGKILL');
    await isLeftAlone();
    expect(house.events.at(-1)?.event).toBe('db.session.end');
  });

  test('S16 ok: a session that is cut hears why, and its query ends', async () => {
    const child = run('psql', [conninfo(), '-c', 'select pg_sleep(602)'], { env: ENVIRONMENT }).catch(
      (error: unknown) => error,
    );
    await until(
      'the query runs',
      () =>
        postgres.sql(
          "select count(*) from pg_stat_activity where query = 'select pg_sleep(602)' and state = 'active'",
        ) === '1',
      PATIENCE_MS,
    );
    house.hooks[0]?.cut('lock', 'you are locked: off you go');
    expect(String(((await child) as { stderr: string }).stderr)).toContain(
      'Gatehouse: you are locked: off you go',
    );
    await isLeftAlone();
  });

  test('refuses: who may not, with the id of the denial, in words', async () => {
    house.refuse = () => {
      throw new GatehouseError('ACCESS_DENIED', 'access denied (denial 1234)');
    };
    try {
      await expect(psql('select 1')).rejects.toMatchObject({
        stderr: expect.stringContaining('Gatehouse: access denied (denial 1234)') as string,
      });
    } finally {
      house.refuse = undefined;
    }
    expect(house.events).toEqual([]);
  });

  test('refuses: an account that the database does not have, with what to do', async () => {
    await expect(run('psql', [conninfo('', 'nobody')], { env: ENVIRONMENT })).rejects.toMatchObject({
      stderr: expect.stringMatching(/role "nobody" does not exist[\s\S]*HINT: /) as string,
    });
    expect(house.events).toEqual([
      expect.objectContaining({ event: 'db.session.start', success: false, db_user: 'nobody' }),
    ]);
  });

  test.each([
    ['replication', 'replication=database', 'replication connections cannot be audited'],
    ['channel binding', 'channel_binding=require', 'channel binding'],
  ])('refuses: %s', async (_, more, said) => {
    await expect(psql('select 1', more)).rejects.toMatchObject({
      stderr: expect.stringContaining(said) as string,
    });
  });

  test('ok: a tunnel that asks for TLS once more is told that it has it', async () => {
    expect(await psql('show application_name', 'application_name=gui options=-cwork_mem=1234kB')).toBe('gui');
    expect(await psql('show work_mem', 'options=-cwork_mem=1234kB')).toBe('1234kB');
  });
});

describe('drivers', () => {
  test('ok: pgbench in each of its modes', async () => {
    await run('pgbench', ['-i', '-s', '1', '-q', conninfo()], { env: ENVIRONMENT });
    for (const mode of ['simple', 'extended', 'prepared']) {
      house.events.length = 0;
      const { stdout } = await run('pgbench', ['-n', '-S', '-t', '50', '-c', '4', '-M', mode, conninfo()], {
        env: ENVIRONMENT,
      });
      expect(stdout).toContain('number of transactions actually processed: 200/200');
      const seen = house.events.filter(({ event }) => event === 'db.session.query');
      expect(seen.length).toBeGreaterThanOrEqual(200);
      const one = seen.at(-1);
      if (mode !== 'simple')
        expect(one).toMatchObject({ db_query_parameters: [expect.stringMatching(/^\d+$/)] });
      if (mode !== 'simple')
        expect(one?.['db_query']).toBe('SELECT abalance FROM pgbench_accounts WHERE aid = $1;');
    }
    await isLeftAlone();
  });

  test('ok: pg: prepared statements, values of all sorts, notifications, 8 MiB both ways', async () => {
    const settings = {
      host: 'localhost',
      port: house.port,
      user: 'alice',
      database: 'shop',
      ssl: { ca: house.authority },
    };
    const client = new Client(settings);
    await client.connect();
    const heard: (string | undefined)[] = [];
    client.on('notification', ({ payload }) => void heard.push(payload));
    await client.query('listen news');
    await client.query({
      name: 'add',
      text: 'select $1::int + $2::int as sum, $3::text as nothing',
      values: [1, 2, null],
    });
    const again = await client.query({
      name: 'add',
      text: 'select $1::int + $2::int as sum, $3::text as nothing',
      values: [3, 4, 'x'],
    });
    expect(again.rows).toEqual([{ sum: 7, nothing: 'x' }]);
    const large = 'ä'.repeat(4 * 1024 * 1024);
    const { rows } = await client.query('select $1::text as back', [large]);
    expect((rows[0] as { back: string }).back).toBe(large);
    await psql("notify news, 'now'");
    await until('the notification comes', () => heard.length > 0, PATIENCE_MS);
    await client.end();
    expect(heard).toEqual(['now']);
    const asked = house.events.filter(({ event }) => event === 'db.session.query');
    expect(asked.slice(1, 3).map((event) => event['db_query_parameters'])).toEqual([
      ['1', '2', 'NULL'],
      ['3', '4', 'x'],
    ]);
    expect(asked[2]).toMatchObject({ statement_name: 'add' });
    await isLeftAlone();
  });

  test('ok: psycopg: binary values, COPY, pipelines, server-side cursors', async () => {
    const python = psycopgPython();
    const script = `
import sys, psycopg, datetime, uuid
with psycopg.connect(sys.argv[1]) as conn:
    cur = conn.cursor(binary=True)
    cur.execute("create table t (i int8, f float8, d timestamptz, u uuid, b bytea)")
    u = uuid.UUID(int=5)
    cur.execute("insert into t values (%b, %b, %b, %b, %b)", (2**40, 1.5, datetime.datetime(2020,1,2,tzinfo=datetime.timezone.utc), u, b"\\x00\\xff"))
    with cur.copy("copy t from stdin (format binary)") as copy:
        copy.set_types(["int8","float8","timestamptz","uuid","bytea"])
        for i in range(5000):
            copy.write_row((i, i/2, datetime.datetime(2020,1,2,tzinfo=datetime.timezone.utc), u, b"x"*100))
    conn.commit()
    with conn.cursor("big") as big:
        big.execute("select * from t")
        print(sum(1 for _ in big))
    with conn.pipeline():
        curs = [conn.execute("select %s::int8", (i,)) for i in range(500)]
    print(sum(c.fetchone()[0] for c in curs))
    try:
        with conn.pipeline():
            conn.execute("select 1/0"); conn.execute("select 2")
    except psycopg.errors.DivisionByZero:
        conn.rollback(); print("caught")
    print(conn.execute("select count(*) from t").fetchone()[0])
`;
    const { stdout } = await run(python, ['-c', script, conninfo()], { env: ENVIRONMENT });
    expect(stdout.trim().split('\n')).toEqual(['5001', '124750', 'caught', '5001']);
    const inserted = house.events.find(({ db_query: text }) => String(text).startsWith('insert into t'));
    expect(inserted?.['db_query_parameters']).toEqual([
      '1099511627776',
      '1.5',
      '2020-01-02T00:00:00.000Z',
      '00000000-0000-0000-0000-000000000005',
      '\\x00ff',
    ]);
    const piped = house.events.filter(({ db_query: text }) => text === 'select $1::int8');
    expect(piped).toHaveLength(500);
    await isLeftAlone();
  });

  test('ok: pgJDBC: prepared on the server, batches, fetching in parts, cancel', async () => {
    const jar = pgjdbcJar();
    const source = join(folder, 'Jdbc.java');
    writeFileSync(
      source,
      `import java.sql.*;
public class Jdbc {
  public static void main(String[] a) throws Exception {
    try (Connection c = DriverManager.getConnection(a[0])) {
      try (PreparedStatement p = c.prepareStatement("select ?::int8 * 2")) {
        for (int i = 0; i < 20; i++) { p.setLong(1, i); try (ResultSet r = p.executeQuery()) { r.next(); if (r.getLong(1) != 2L * i) throw new Exception("wrong"); } }
      }
      c.createStatement().execute("create table jdbc (n int)");
      c.setAutoCommit(false);
      try (PreparedStatement p = c.prepareStatement("insert into jdbc values (?)")) {
        for (int i = 0; i < 3000; i++) { p.setInt(1, i); p.addBatch(); }
        p.executeBatch();
      }
      c.commit();
      try (Statement s = c.createStatement()) {
        s.setFetchSize(100); int n = 0;
        try (ResultSet r = s.executeQuery("select * from jdbc")) { while (r.next()) n++; }
        System.out.println(n);
      }
      c.rollback();
      Statement s = c.createStatement();
      s.setQueryTimeout(1);
      try { s.execute("select pg_sleep(600)"); } catch (SQLException e) { System.out.println(e.getSQLState()); }
      c.rollback();
      try (ResultSet r = c.createStatement().executeQuery("select 'still here'")) { r.next(); System.out.println(r.getString(1)); }
    }
  }
}`,
    );
    const url = `jdbc:postgresql://localhost:${house.port}/shop?user=alice&sslmode=verify-full&sslrootcert=${authorityFile}`;
    const { stdout } = await run('java', ['-cp', jar, source, url], { env: ENVIRONMENT });
    expect(stdout.trim().split('\n')).toEqual(['3000', '57014', 'still here']);
    const inserts = house.events.filter(
      ({ event, db_query: text }) => event === 'db.session.query' && text === 'insert into jdbc values ($1)',
    );
    expect(inserts.length).toBe(3000);
    await isLeftAlone();
  });
});

describe('S15 names', () => {
  const NAMES = [
    'Alice',
    'ALICE',
    'alice ',
    ' alice',
    '"alice"',
    "al'ice",
    'a\\b',
    'ælice',
    'a\u0301lice',
    'álice',
    'ａlice',
    'ALİCE',
    'postgres; drop',
    '$user',
    'x'.repeat(63),
  ];

  test('S15 ok: the account and database that roles were asked about are the ones the server takes', async () => {
    const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
    for (const name of NAMES) {
      postgres.sql(`create role ${quoted(name)} login`);
      postgres.sql(`create database ${quoted(name)}`);
    }
    for (const name of NAMES) {
      house.asked.length = 0;
      const { stdout } = await run(
        'psql',
        [conninfo('', name, name), '-AtqX', '-c', "select session_user || '|' || current_database()"],
        { env: ENVIRONMENT },
      );
      expect(stdout.replace(/\n$/, '')).toBe(`${name}|${name}`);
      expect(house.asked).toEqual([{ user: name, database: name }]);
    }
  });

  test('S15 refuses: a name that the server would cut to another one', async () => {
    house.asked.length = 0;
    await expect(
      run('psql', [conninfo('', 'x'.repeat(64)), '-c', 'select 1'], { env: ENVIRONMENT }),
    ).rejects.toMatchObject({ stderr: expect.stringContaining('longer than 63 bytes') as string });
    expect(house.asked).toEqual([]);
  });

  test('S15 ok: no database named is the one that is named like the account', async () => {
    house.asked.length = 0;
    postgres.sql('create database alice');
    const noName = `host=localhost port=${house.port} user=alice sslmode=verify-full sslrootcert=${authorityFile}`;
    await run('psql', [noName, '-c', 'select 1'], { env: ENVIRONMENT });
    expect(house.asked).toEqual([{ user: 'alice', database: 'alice' }]);
  });
});
