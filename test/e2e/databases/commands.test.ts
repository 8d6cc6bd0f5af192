// `gate db` and `gate proxy db` as people use them, against an all-in-one daemon and the real PostgreSQL, with psql.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER, must, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';
import type { Ran } from '#test/kit/daemon.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { until } from '#test/kit/until.ts';

const run = promisify(execFile);
const GATE = join(import.meta.dirname, '../../../bin/gate');
const ROLE = `kind: role
version: v7
metadata: {name: dba}
spec:
  allow:
    db_labels: {env: dev}
    db_users: [alice, reader]
    db_names: [shop, postgres]
`;

let cluster: TestCluster;
let postgres: TestPostgres;
let alice: Person;
const running: ChildProcess[] = [];

const indented = (text: string): string => text.trim().split('\n').join('\n        ');

beforeAll(async () => {
  cluster = await startCluster('db_service:\n  enabled: yes\n  resources: [{labels: {env: dev}}]\n');
  postgres = await startPostgres({
    clientAuthorities: must(await cluster.gatectl('auth', 'export', '--type=db')),
  });
  postgres.sql('create role alice login');
  postgres.sql('create role reader login');
  postgres.sql('create database shop');
  await cluster.apply(`${ROLE}---
kind: db
version: v3
metadata: {name: orders, description: Orders of the shop, labels: {env: dev, team: shop}}
spec:
  protocol: postgres
  uri: ${postgres.address}
  tls:
    server_name: localhost
    ca_cert: |
        ${indented(postgres.authority)}
`);
  alice = await cluster.person('alice', ['dba'], []);
  await until('the database is listed', async () => (await alice.gate('db', 'ls')).stdout.includes('orders'));
}, 120_000);
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'close');
  }
});
afterAll(async () => {
  await cluster?.stop();
  await postgres?.stop();
});

const connect = (...words: string[]): Promise<Ran> =>
  alice.gate('db', 'connect', '--db-user=alice', '--db-name=shop', 'orders', '--', '-AtqX', ...words);

/** The program in the background, and what it printed so far. */
function background(...words: string[]): { readonly child: ChildProcess; text: string } {
  const child = spawn(GATE, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: alice.home },
  });
  running.push(child);
  const heard = { child, text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (heard.text += String(part)));
  return heard;
}

async function portOf(heard: { text: string }, pattern: RegExp): Promise<string> {
  return until('it listens', () => pattern.exec(heard.text)?.[1]);
}

const psql = async (info: string, query: string): Promise<string> =>
  (
    await run('psql', [info, '-AtqX', '-c', query], {
      env: { PATH: process.env['PATH'] ?? '', HOME: alice.home, PGCONNECT_TIMEOUT: '20' },
    })
  ).stdout.trim();

describe('gate db', () => {
  it('ok: ls, login, connect, logout', async () => {
    expect((await alice.gate('db', 'ls')).stdout).toMatch(/orders +Orders of the shop +env:dev,team:shop/);
    const login = must(await alice.gate('db', 'login', '--db-user=alice', '--db-name=shop', 'orders'));
    expect(login).toContain('Connection information for database "orders" has been saved.');
    expect(
      must(
        await alice.gate(
          'db',
          'connect',
          'orders',
          '--',
          '-AtqXc',
          'select session_user, current_database()',
        ),
      ),
    ).toBe('alice|shop\n');
    expect(must(await alice.gate('db', 'logout'))).toBe('Logged out of database "orders".\n');
    expect(
      readdirSync(join(alice.home, '.gate', CLUSTER, 'db')).filter((name) => name.startsWith('orders')),
    ).toEqual([]);
  });

  it('ok: connect needs no login before it, and ends with the exit code of psql', async () => {
    expect(must(await connect('-c', 'select 1'))).toBe('1\n');
    expect((await connect('-v', 'ON_ERROR_STOP=1', '-c', 'select nothing')).code).toBe(1);
    expect((await connect('--no-such-flag')).code).not.toBe(0);
  });

  it('ok: env and config lead plain psql there', async () => {
    must(await alice.gate('db', 'login', '--db-user=alice', '--db-name=shop', 'orders'));
    const variables = JSON.parse(must(await alice.gate('db', 'env', '-f', 'json'))) as Record<string, string>;
    const { stdout } = await run('psql', ['-AtqX', '-c', 'select session_user'], {
      env: { PATH: process.env['PATH'] ?? '', HOME: alice.home, ...variables },
    });
    expect(stdout).toBe('alice\n');
    const uri = must(await alice.gate('db', 'config', '-f', 'uri', 'orders')).trim();
    expect(await psql(uri, 'select current_database()')).toBe('shop');
    const { stdout: by } = await run('sh', [
      '-c',
      `${must(await alice.gate('db', 'config', '-f', 'cmd')).trim()} -AtqX -c 'select 7'`,
    ]);
    expect(by).toBe('7\n');
  });

  it('refuses: accounts that no role grants, saying which do', async () => {
    const { code, stderr } = await alice.gate('db', 'connect', '--db-user=postgres', 'orders');
    expect(code).toBe(1);
    expect(stderr).toContain('your roles grant the accounts alice, reader');
  });
});

describe('gate proxy db', () => {
  it('ok: --tunnel needs no certificate and no password; cancel requests pass', async () => {
    const heard = background('proxy', 'db', '--tunnel', '--db-user=alice', '--db-name=shop', 'orders');
    const port = await portOf(heard, /Started DB proxy on 127\.0\.0\.1:(\d+)/);
    const info = `host=127.0.0.1 port=${port} user=alice dbname=shop`;
    expect(await psql(info, 'select session_user')).toBe('alice');
    // Clients that ask for TLS first are told that there is none.
    expect(await psql(`${info} sslmode=prefer gssencmode=prefer`, 'select 2')).toBe('2');
    const many = await Promise.all([3, 4, 5, 6].map((number) => psql(info, `select ${number}`)));
    expect(many).toEqual(['3', '4', '5', '6']);
    const sleeper = spawn('psql', [info, '-c', 'select pg_sleep(600)'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(sleeper);
    let text = '';
    sleeper.stderr.on('data', (part: Buffer) => (text += String(part)));
    const active =
      "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'";
    await until('the query runs', () => postgres.sql(active) === '1');
    sleeper.kill('SIGINT');
    await until('it was cancelled', () => text.includes('canceling statement due to user request'));
    // An account that the certificate is not for.
    await expect(psql(`host=127.0.0.1 port=${port} user=reader dbname=shop`, 'select 1')).rejects.toThrow();
  });

  it('ok: without --tunnel clients show the certificate themselves', async () => {
    const heard = background('proxy', 'db', '--db-user=alice', '--db-name=shop', 'orders');
    const command = await portOf(heard, /Or: (psql .*)\n/);
    const { stdout } = await run('sh', ['-c', `${command} -AtqX -c 'select session_user'`]);
    expect(stdout).toBe('alice\n');
    const port = /hostaddr=127\.0\.0\.1 port=(\d+)/.exec(heard.text)?.[1] ?? '';
    await expect(
      psql(`host=127.0.0.1 port=${port} user=alice dbname=shop sslmode=require`, 'select 1'),
    ).rejects.toThrow();
  });

  it('refuses: a port that is taken', async () => {
    const heard = background('proxy', 'db', '--tunnel', '--db-user=alice', '--db-name=shop', 'orders');
    const port = await portOf(heard, /Started DB proxy on 127\.0\.0\.1:(\d+)/);
    const second = await alice.gate(
      'proxy',
      'db',
      '--tunnel',
      '-p',
      port,
      '--db-user=alice',
      '--db-name=shop',
      'orders',
    );
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`cannot listen on 127.0.0.1:${port}: something else does`);
  });
});

it('S8 a certificate for a database opens nothing else', async () => {
  must(await alice.gate('db', 'login', '--db-user=alice', 'orders'));
  const folder = join(alice.home, '.gate', CLUSTER, 'db');
  const answer = await run('curl', [
    '-sk',
    '--cert',
    join(folder, 'orders-x509.pem'),
    '--key',
    join(folder, 'orders-key.pem'),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    `https://${cluster.web}/v1/resources/roles`,
  ]).catch((error: { stdout: string }) => error);
  expect(answer.stdout).not.toBe('200');
});
