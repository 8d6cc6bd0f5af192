// People at the web port of a proxy, a database that asks for IAM at the end: psql, accounts that exist and accounts that
// are made, by tokens that are checked as RDS checks them.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { engines } from '#agent/target/engines.ts';
import { systemClock } from '#core/clock.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { startSts, type TestSts } from '#test/kit/aws-sts.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { startProxyHouse, type ProxyHouse } from '#test/kit/proxy.ts';
import { startRdsFront, type RdsFront } from '#test/kit/rds-front.ts';
import { startTargetAgent, testDb, type TargetAgent } from '#test/kit/target-agent.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const run = promisify(execFile);
const folder = tempFolder();
const AGENT = {
  accessKeyId: 'AKIAAGENT',
  secretAccessKey: 'agent-secret',
  principal: 'arn:aws:iam::111111111111:user/agent',
};
const DB_ROLE = 'arn:aws:iam::222222222222:role/Db';
let auth: TestAuth;
let proxy: ProxyHouse;
let agent: TargetAgent;
let postgres: TestPostgres;
let sts: TestSts;
let front: RdsFront;

beforeAll(async () => {
  auth = await startTestAuth();
  postgres = await startPostgres();
  postgres.sql(
    'create role rds_iam nologin; create role alice login; create role maker login createrole; create role readers; create database shop',
  );
  postgres.sql('grant rds_iam to maker with admin option');
  sts = await startSts({
    keys: [AGENT],
    roles: [{ arn: DB_ROLE, trusts: [AGENT.principal], externalId: 'ext-1' }],
  });
  front = await startRdsFront({ server: postgres, region: 'eu-west-1', keys: sts.keys });
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  vi.stubEnv('AWS_ACCESS_KEY_ID', AGENT.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', AGENT.secretAccessKey);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
  vi.stubEnv('AWS_CA_BUNDLE', file('sts.pem', sts.authority));
  await auth.put('role', 'dba', {
    allow: { db_labels: { env: ['test'] }, db_users: ['alice'], db_names: ['shop'] },
  });
  await auth.put('role', 'made', {
    options: { create_db_user_mode: 'best_effort_drop' },
    allow: { db_labels: { env: ['test'] }, db_names: ['shop'], db_roles: ['readers'] },
  });
  proxy = await startProxyHouse(auth, { clock: systemClock });
  const database = testDb('aurora', {
    uri: `localhost:${front.port}`,
    tls: { mode: 'verify-full', caCertFile: file('rds.pem', front.authority) },
    aws: {
      region: 'eu-west-1',
      assumeRoleArn: DB_ROLE,
      externalId: 'ext-1',
      rds: { clusterId: 'aurora' },
    },
    adminUser: { name: 'maker' },
  });
  agent = await startTargetAgent(auth, {
    name: 'first',
    config: { db: { databases: [database], resources: [] } },
    proxy: proxy.web,
    engines,
    environment: process.env,
  });
  await until(
    'the agent is reached by its tunnel',
    () => agent.agent.health().ready && proxy.proxy.counts.tunnels > 0 && proxy.view.dbServers().length === 1,
    60_000,
  );
  await until('the database is known', () => [...auth.auth.state.list('db_server')].length === 1);
  file('ca.pem', auth.authority);
}, 120_000);

afterAll(async () => {
  await agent?.close();
  await proxy?.close();
  await front?.close();
  await sts?.close();
  await auth?.close();
  await postgres?.stop();
  vi.unstubAllEnvs();
});

async function psql(person: string, role: string, account: string, query: string): Promise<string> {
  const { certificate, privateKey } = await auth.issueUser(person, [role], {
    identity: { usage: 'db', route_to_database: { service: 'aurora', protocol: 'postgres' } },
  });
  const [cert, key] = [join(folder, `${person}.pem`), join(folder, `${person}.key`)];
  writeFileSync(cert, certificate);
  writeFileSync(key, privateKey, { mode: 0o600 });
  const port = proxy.web.split(':')[1] ?? '';
  const tls = `sslmode=verify-full sslrootcert=${join(folder, 'ca.pem')} sslcert=${cert} sslkey=${key}`;
  const info = `host=proxy.test.example.com hostaddr=127.0.0.1 port=${port} user=${account} dbname=shop ${tls}`;
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', PGCONNECT_TIMEOUT: '60' };
  return (await run('psql', [info, '-AtqX', '-c', query], { env })).stdout.trimEnd();
}

test('ok: by a token of a role in another account, the same for all sessions', async () => {
  expect(await psql('joe', 'dba', 'alice', 'select session_user')).toBe('alice');
  expect(await psql('joe', 'dba', 'alice', 'select session_user')).toBe('alice');
  expect(new Set(front.tokens).size).toBe(1);
  expect(front.tokens[0]).toContain('X-Amz-Security-Token=');
  expect(sts.calls.filter(({ action }) => action === 'AssumeRole')).toHaveLength(1);
  const start = agent.events.find(({ event }) => event === 'db.session.start');
  expect(start).toMatchObject({ user: 'joe', db_user: 'alice', db_type: 'rds' });
  expect(JSON.stringify(agent.events)).not.toContain('X-Amz-Signature');
});

test('ok: an account that is made for the session, may sign in by IAM, and is dropped after it', async () => {
  const query =
    "select session_user || ' ' || pg_has_role('readers', 'member') || ' ' || pg_has_role('rds_iam', 'member')";
  expect(await psql('mary', 'made', 'mary', query)).toBe('mary true true');
  await until(
    'the account is taken away',
    () => agent.events.some(({ event }) => event === 'db.user.deactivate'),
    60_000,
  );
  expect(postgres.sql("select count(*) from pg_roles where rolname = 'mary'")).toBe('0');
  expect(agent.events.filter(({ event }) => String(event).startsWith('db.user.'))).toMatchObject([
    { event: 'db.user.create', db_user: 'mary', db_roles: ['readers'], success: true },
    { event: 'db.user.deactivate', db_user: 'mary', action: 'dropped', success: true },
  ]);
});

test('refuses: in words for people, when AWS says no', async () => {
  front.refused.length = 0;
  sts.keys.clear();
  await expect(psql('joe', 'dba', 'alice', 'select 1')).rejects.toMatchObject({
    stderr: expect.stringContaining('PAM authentication failed') as string,
  });
  expect(front.refused).toEqual(['unknown key']);
});
