// Accounts made for people, in the real PostgreSQL, by an admin that is no superuser and finds nothing granted to PUBLIC.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { dbKind, type DbSpec } from '#kinds/db/kind.ts';
import { parseResource } from '#core/kind.ts';
import { DB_HOST, startDbPeople, type DbPeople } from '#test/kit/db-people.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { openAwsCredentials } from '../../aws/credentials.ts';
import type { TargetEvent } from '../../target/connection.ts';
import type { DbConnector } from '../connect.ts';
import { openDbConnector } from '../connector.ts';
import { connectAdmin } from './admin-connection.ts';
import type { DbProvisioner, ProvisionRequest } from './contract.ts';
import { openDbProvisioner } from './provisioner.ts';

let people: DbPeople;
let server: TestPostgres;
let connector: DbConnector;
let db: Resource<DbSpec>;
let provisioner: DbProvisioner;
let events: TargetEvent[];
const never = new AbortController().signal;
const MINUTE = 60_000;

beforeAll(async () => {
  people = await startDbPeople({ realTime: true });
  server = await startPostgres({ clientAuthorities: people.dbAuthority });
  server.sql(`
    CREATE ROLE maker LOGIN CREATEROLE;
    CREATE ROLE reader NOLOGIN; CREATE ROLE writer NOLOGIN; CREATE ROLE heirs NOLOGIN; CREATE ROLE lonely NOLOGIN;
    GRANT heirs TO maker;
    CREATE DATABASE shop;
    REVOKE ALL ON DATABASE shop FROM PUBLIC;
    GRANT CONNECT ON DATABASE shop TO reader, writer, maker;
    GRANT CREATE ON DATABASE shop TO heirs;`);
  server.sql(
    `REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE TABLE t (n int); GRANT USAGE, CREATE ON SCHEMA public TO writer, heirs;
     GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON t TO reader;`,
    'shop',
  );
  db = parseResource(dbKind, {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'orders' },
    spec: {
      protocol: 'postgres',
      uri: server.address,
      tls: { ca_cert: server.authority },
      admin_user: { name: 'maker', default_database: 'shop' },
    },
  }) as Resource<DbSpec>;
  const allow = { db_labels: { '*': '*' }, db_users: ['ann', 'bob'], db_names: ['shop'] };
  await people.put(
    makeRole('makes', allow, { create_db_user_mode: 'keep' }),
    makeUser('ann', ['makes']),
    makeResource('db_server', `orders.${DB_HOST}`, { host_id: DB_HOST, hostname: 'a', database: db }),
  );
  const aws = openAwsCredentials({ clock: systemClock, log: silentLog, environment: {} });
  connector = openDbConnector({
    clock: systemClock,
    log: silentLog,
    dataDir: '/nonexistent',
    api: () => people.api,
    aws,
  });
}, 120_000);
afterAll(async () => {
  connector?.close();
  await server?.stop();
  await people?.close();
});

beforeEach(() => {
  events = [];
  provisioner = openDbProvisioner({
    clock: systemClock,
    log: silentLog,
    connector,
    emit: (event) => void events.push(event),
  });
});

let numbers = 0;
const request = async (more: Partial<ProvisionRequest> = {}): Promise<ProvisionRequest> => ({
  user: 'ann',
  database: 'shop',
  roles: ['reader'],
  mode: 'keep',
  sessionId: `00000000-0000-4000-8000-${String(++numbers).padStart(12, '0')}`,
  certificate: await people.shown('ann'),
  ...more,
});
const open = async (more: Partial<ProvisionRequest> = {}, of = db) =>
  provisioner.open(of, await request(more), never);
const account = (name = 'ann'): string =>
  server.sql(
    `SELECT rolcanlogin, (SELECT string_agg(g.rolname, ',' ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) FROM pg_roles r WHERE rolname = '${name}'`,
  );
/** A session as the person has it. */
const connectAs = async (user: string) =>
  connectAdmin(
    {
      ...connector,
      connect: (of, login, signal) => connector.connect(of, { ...login, user, isAdmin: false }, signal),
    },
    { ...db, spec: { ...db.spec, admin_user: { name: user } } },
    { database: 'shop', certificate: await people.shown('ann') },
    never,
  );

test('ok: made with the roles of the session, and without login and roles after it', async () => {
  const made = await open();
  expect(account()).toBe('t|gatehouse-auto-user,reader');
  const session = await connectAs('ann');
  expect(await session.rows('SELECT current_user::text AS me')).toEqual([{ me: 'ann' }]);
  await session.rows('SELECT * FROM public.t');
  await expect(session.rows('CREATE TABLE public.mine (n int)')).rejects.toThrow(/permission denied/);
  const [me] = await session.rows('SELECT pg_backend_pid() AS pid');
  await session.close();
  await made.close([Number(me?.['pid'])]);
  expect(account()).toBe('f|gatehouse-auto-user');
  expect(events).toMatchObject([
    {
      event: 'db.user.create',
      success: true,
      user: 'ann',
      db_user: 'ann',
      db_service: 'orders',
      db_roles: ['reader'],
    },
    { event: 'db.user.deactivate', success: true, action: 'disabled' },
  ]);
  await expect(connectAs('ann')).rejects.toThrow(/not permitted to log in/);
});

test('ok: the next session may have other roles; what was before is revoked', async () => {
  const made = await open({ roles: ['writer'] });
  expect(account()).toBe('t|gatehouse-auto-user,writer');
  await made.close();
});

test('ok: two sessions of one person: the account goes with the last, other roles are refused meanwhile', async () => {
  const first = await open();
  const session = await connectAs('ann');
  const second = await open();
  await expect(open({ roles: ['writer'] })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  await second.close();
  expect(account()).toBe('t|gatehouse-auto-user,reader');
  const [me] = await session.rows('SELECT pg_backend_pid() AS pid');
  await session.close();
  await first.close([Number(me?.['pid'])]);
  expect(account()).toBe('f|gatehouse-auto-user');
});

test('ok: many sessions at once, by two agents', async () => {
  const other = openDbProvisioner({ clock: systemClock, log: silentLog, connector, emit: () => {} });
  const requests = await Promise.all(Array.from({ length: 8 }, () => request()));
  const made = await Promise.all(
    requests.map((one, i) => (i % 2 === 0 ? provisioner : other).open(db, one, never)),
  );
  expect(account()).toBe('t|gatehouse-auto-user,reader');
  await Promise.all(made.map((one) => one.close()));
  expect(account()).toBe('f|gatehouse-auto-user');
}, 60_000);

test('ok: dropped, with what it owns given to the heir, or kept without login when there is none', async () => {
  const own = async (of: Resource<DbSpec>): Promise<void> => {
    const made = await open({ roles: ['writer'], mode: 'best_effort_drop' }, of);
    const session = await connectAs('ann');
    await session.rows('CREATE TABLE public.mine (n int)');
    const [me] = await session.rows('SELECT pg_backend_pid() AS pid');
    await session.close();
    await made.close([Number(me?.['pid'])]);
  };
  await own(db);
  expect(account()).toBe('f|gatehouse-auto-user');
  expect(events.at(-1)).toMatchObject({ event: 'db.user.deactivate', action: 'disabled' });
  server.sql('DROP TABLE mine', 'shop');
  const heir = {
    ...db,
    spec: { ...db.spec, admin_user: { ...db.spec.admin_user!, owned_objects_to: 'heirs' } },
  };
  await own(heir);
  expect(account()).toBe('');
  expect(events.at(-1)).toMatchObject({ event: 'db.user.deactivate', action: 'dropped' });
  expect(server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'", 'shop')).toBe('heirs');
  const made = await open({ mode: 'best_effort_drop' });
  await made.close();
  expect(account()).toBe('');
});

test('refuses: what acts for its owner becomes no thing of the heir', async () => {
  server.sql('CREATE TABLE secret (n int); ALTER TABLE secret OWNER TO heirs', 'shop');
  const heir = {
    ...db,
    spec: { ...db.spec, admin_user: { ...db.spec.admin_user!, owned_objects_to: 'heirs' } },
  };
  for (const trap of [
    'VIEW public.trap AS SELECT * FROM public.secret',
    "FUNCTION public.trap() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.secret'",
  ]) {
    const made = await open({ roles: ['writer'], mode: 'best_effort_drop' }, heir);
    const session = await connectAs('ann');
    await session.rows('SET check_function_bodies = off');
    await session.rows(`CREATE ${trap}`);
    const [me] = await session.rows('SELECT pg_backend_pid() AS pid');
    await session.close();
    await made.close([Number(me?.['pid'])]);
    expect(account()).toBe('f|gatehouse-auto-user');
    expect(events.at(-1)).toMatchObject({ event: 'db.user.deactivate', action: 'disabled' });
    server.sql(`DROP ${trap.split(' ')[0] ?? ''} trap`, 'shop');
  }
  server.sql('DROP TABLE secret', 'shop');
});

test('S16 ok: a password that a person gave the account does not outlive the session', async () => {
  const first = await open();
  const session = await connectAs('ann');
  await session.rows("ALTER ROLE ann PASSWORD 'back door'");
  const hasPassword = (): string =>
    server.sql("SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = 'ann'");
  expect(hasPassword()).toBe('t');
  const second = await open();
  expect(hasPassword()).toBe('f');
  await session.rows("ALTER ROLE ann PASSWORD 'back door'");
  await second.close();
  expect(account()).toBe('t|gatehouse-auto-user,reader');
  expect(hasPassword()).toBe('f');
  const [me] = await session.rows('SELECT pg_backend_pid() AS pid');
  await session.close();
  await first.close([Number(me?.['pid'])]);
  expect(account()).toBe('f|gatehouse-auto-user');
});

test('refuses: the account that makes accounts among the roles', async () => {
  await expect(open({ roles: ['maker', 'reader'] })).rejects.toThrow(/db_roles name the admin_user/);
  expect(account()).toBe('f|gatehouse-auto-user');
});

test('S15 refuses: accounts that were there before, names that PostgreSQL would cut, other spellings', async () => {
  server.sql('CREATE ROLE bob LOGIN');
  await expect(open({ user: 'bob' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  expect(account('bob')).toBe('t|');
  await expect(open({ user: 'postgres' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  await expect(open({ user: 'x'.repeat(64) })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  const odd = 'A"; DROP ROLE reader; --\'';
  const made = await open({ user: odd });
  expect(
    server.sql("SELECT count(*) FROM pg_roles WHERE rolname IN ('reader', $$A\"; DROP ROLE reader; --'$$)"),
  ).toBe('2');
  await made.close();
  expect(events.filter(({ success }) => success === false)).toHaveLength(3);
});

test('S16 ok: taken away although the person is locked and the certificate over', async () => {
  const made = await open({ certificate: await people.shown('ann', {}, 1) });
  people.clock.step(3 * MINUTE);
  await people.put(makeResource('lock', 'l1', { target: { user: 'ann' } }));
  await made.close();
  expect(account()).toBe('f|gatehouse-auto-user');
  await people.state.write([{ do: 'delete', kind: 'lock', name: 'l1' }]);
  people.clock.step(-3 * MINUTE);
});

test('ok: the dry run says what is missing and changes nothing', async () => {
  server.sql('DROP ROLE IF EXISTS ann');
  expect((await provisioner.dryRun(db, await request(), never)).every(({ ok }) => ok)).toBe(true);
  expect(account()).toBe('');
  const missing = await provisioner.dryRun(db, await request({ roles: ['nobody-made-it'] }), never);
  expect(missing.filter(({ ok }) => !ok)).toMatchObject([
    { remedy: 'CREATE ROLE "nobody-made-it" NOLOGIN;' },
    {},
  ]);
  await expect(open({ roles: ['nobody-made-it'] })).rejects.toThrow(/CREATE ROLE "nobody-made-it"/);
  await expect(open({ roles: ['lonely'] })).rejects.toThrow(/GRANT CONNECT ON DATABASE "shop"/);
  server.sql('ALTER ROLE maker NOCREATEROLE');
  await expect(open()).rejects.toThrow(/ALTER ROLE "maker" CREATEROLE/);
  server.sql('ALTER ROLE maker CREATEROLE');
  const { admin_user: _, ...rest } = db.spec;
  await expect(open({}, { ...db, spec: rest as DbSpec })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});

test('refuses: a superuser among the roles, when the admin is none', async () => {
  server.sql('CREATE ROLE root_like SUPERUSER NOLOGIN');
  await expect(open({ roles: ['root_like', 'reader'] })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  expect(account()).toBe('');
});
