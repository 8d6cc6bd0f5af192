// gate db and gate apps on an auth service that runs: what is listed, what certificates say, what is left on the machine.
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { startTestAuth, TEST_CLUSTER, type TestAuth } from '#test/kit/auth-server.ts';
import { runCli, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import type { Io } from '../../io.ts';
import { saveProfile, type Profile } from '../../profile/profile.ts';
import { keepTarget } from '../../target/certificate.ts';
import { gate } from './program.ts';

let house: TestAuth;
const home = join(tempFolder(), 'home');
const folder = join(home, '.gate', TEST_CLUSTER);
const ACCOUNT = '123456789012';
const HOST_ID = '3f2c8e5a-0000-4000-8000-000000000001';

const role = (name: string, path = '/'): string => `arn:aws:iam::${ACCOUNT}:role${path}${name}`;

async function presence(kind: 'db' | 'app', name: string, spec: object, labels: object): Promise<void> {
  const document = { kind, version: 'v3', metadata: { name, labels, description: `the ${name}` }, spec };
  await house.put(
    `${kind}_server`,
    `${name}.${HOST_ID}`,
    { host_id: HOST_ID, hostname: 'box', [kind === 'db' ? 'database' : 'app']: document },
    { expires: new Date(house.clock.now() + 14_400_000).toISOString() },
  );
}

beforeAll(async () => {
  mkdirSync(home);
  house = await startTestAuth();
  await house.put('role', 'targets', {
    allow: {
      db_labels: { env: 'dev' },
      db_users: ['alice', 'reader'],
      db_names: ['orders'],
      app_labels: { '*': '*' },
      aws_role_arns: [role('ReadOnly'), role('Admin', '/a/'), role('Admin', '/b/')],
    },
  });
  const db = { protocol: 'postgres', uri: 'db.example.com:5432' };
  await presence('db', 'orders', db, { env: 'dev', team: 'shop' });
  await presence('db', 'stock', db, { env: 'dev' });
  await presence('db', 'billing', db, { env: 'prod' });
  await presence('app', 'grafana', { uri: 'http://localhost:3000' }, { env: 'dev' });
  const console = { uri: 'https://console.aws.amazon.com/ec2/v2/home' };
  await presence('app', 'awsconsole', console, { aws_account_id: ACCOUNT });
  await presence('app', 'awsother', console, { aws_account_id: '999999999999' });
  await signIn('joe');
});
afterAll(() => house.close());
beforeEach(async () => {
  await run('db logout');
  await run('apps logout');
});

async function signIn(user: string): Promise<void> {
  const client = await house.issueUser(user, ['targets']);
  const profile: Profile = {
    version: 1,
    cluster: TEST_CLUSTER,
    user,
    auth_servers: [`127.0.0.1:${house.auth.port}`],
    proxy: { web: 'proxy.example.com:3080', ssh: 'proxy.example.com:3080', ends_tls: true },
    roles: ['targets'],
    logins: [],
    expires: new Date(client.expires).toISOString(),
    tls_private_key: client.privateKey,
    tls_certificate: client.certificate,
    tls_authorities: [house.authority],
  };
  const ssh = { privateKey: 'x', publicKey: 'x', certificate: 'x', knownHosts: 'x' };
  await saveProfile({ home, uid: process.getuid?.(), clock: house.clock }, profile, ssh);
}

const run = (line: string | readonly string[]): Promise<CliRun> =>
  runCli(gate, line, { home, clock: house.clock });

function identityIn(path: string): Record<string, unknown> {
  return identityOfCertificate(derFromPem(readFileSync(path, 'utf8')));
}

describe('gate db', () => {
  it('ok: lists what roles show, by labels, words and query', async () => {
    const names = async (line: string | string[]): Promise<string[]> =>
      JSON.parse((await run(line)).stdout).map((one: { metadata: { name: string } }) => one.metadata.name);
    expect(await names('db ls -f json')).toEqual(['orders', 'stock']);
    expect(await names('db ls team=shop -f json')).toEqual(['orders']);
    expect(await names('db ls --search=SHOP -f json')).toEqual(['orders']);
    expect(
      await names(['db', 'ls', '--query=labels["env"] == "dev" && name != "orders"', '-f', 'json']),
    ).toEqual(['stock']);
    expect((await run('db ls')).stdout).toMatch(/^Name +Description +Labels/);
    expect((await run('db ls --verbose')).stdout).toContain('db.example.com:5432');
  });

  it('ok: login keeps a key and a certificate for that database alone', async () => {
    const { stdout, exitCode } = await run('db login --db-user=alice --db-name=orders orders');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Connection information for database "orders" has been saved.');
    expect(stdout).toContain('gate db connect orders');
    expect(identityIn(join(folder, 'db/orders-x509.pem'))).toMatchObject({
      name: 'joe',
      usage: 'db',
      route_to_database: { service: 'orders', protocol: 'postgres', username: 'alice', database: 'orders' },
    });
    expect(statSync(join(folder, 'db/orders-key.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'db')).mode & 0o777).toBe(0o700);
    expect((await run('db ls')).stdout).toContain('> orders');
    expect((await run('status')).stdout).toMatch(/^Databases {3}orders$/m);
    expect(JSON.parse((await run('status -f json')).stdout).active.databases).toEqual(['orders']);
    const certificate = new X509Certificate(readFileSync(join(folder, 'db/orders-x509.pem')));
    expect(certificate.validToDate.getTime()).toBeLessThanOrEqual(house.clock.now() + 13 * 3_600_000);
  });

  it('ok: env and config say how clients get there', async () => {
    await run('db login --db-user=alice --db-name=orders orders');
    const env = (await run('db env')).stdout;
    expect(env).toContain('export PGHOST=proxy.example.com\nexport PGPORT=3080\nexport PGUSER=alice\n');
    expect(env).toContain('export PGSSLMODE=verify-full\n');
    expect(env).toContain(`export PGSSLCERT=${join(folder, 'db/orders-x509.pem')}\n`);
    expect((await run('db env --unset')).stdout).toContain('unset PGSSLKEY\n');
    expect((await run('db config orders')).stdout).toMatch(
      /^Name: +orders\nHost: +proxy\.example\.com\nPort: +3080\n/,
    );
    expect((await run('db config --format=service orders')).stdout).toMatch(
      /^\[orders\]\nhost=proxy\.example\.com\nport=3080\n/,
    );
    expect((await run('db config -f cmd')).stdout).toMatch(
      /^psql 'host=proxy\.example\.com port=3080 user=alice /,
    );
    expect(JSON.parse((await run('db config -f json')).stdout)).toMatchObject({ user: 'alice', port: 3080 });
  });

  it('ok: logout leaves no key behind', async () => {
    await run('db login orders');
    await run('db login stock');
    expect((await run('db logout orders')).stdout).toBe('Logged out of database "orders".\n');
    expect(readdirSync(join(folder, 'db')).some((name) => name.startsWith('orders'))).toBe(false);
    expect((await run('db logout')).stdout).toBe('Logged out of database "stock".\n');
    expect((await run('db logout')).stdout).toBe('Not signed in to any database.\n');
  });

  it('refuses: what roles do not grant, saying what they do', async () => {
    const user = await run('db login --db-user=postgres orders');
    expect(user.exitCode).toBe(1);
    expect(user.stderr).toContain('your roles grant the accounts alice, reader');
    expect((await run('db login --db-name=other orders')).stderr).toContain(
      'your roles grant the databases orders',
    );
  });

  it('refuses: what does not exist alike with what is hidden, and what is not clear', async () => {
    const missing = (await run('db login nothing')).stderr;
    expect((await run('db login billing')).stderr).toBe(missing.replaceAll('nothing', 'billing'));
    expect(missing).toContain('orders, stock');
    expect((await run('db login ordres')).stderr).toContain('Did you mean "orders"?');
    expect((await run('db login --labels=env=dev')).stderr).toContain('2 databases fit: orders, stock');
    const account = await run('db connect orders');
    expect(account.exitCode).toBe(2);
    expect(account.stderr).toContain('--db-user is missing: your roles grant the accounts alice, reader');
    expect((await run('db env stock')).stderr).toContain('gate db login stock');
    expect((await run('db ls --query=labels.')).exitCode).toBe(2);
    expect((await run('db ls --labels=env')).stderr).toContain('key=value');
  });
});

describe('psql', () => {
  const bin = join(home, 'bin');
  const report = join(home, 'report');

  /** Stands for psql: tells what it was started with, and what is at its socket. */
  function connect(more: Readonly<Record<string, string>>): Promise<CliRun> {
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, 'psql'),
      `#!/bin/sh\n{ env | grep ^PG; echo "words=$*"; ls -a "$PGHOST" 2>/dev/null; } > ${report}\nexit 7\n`,
      { mode: 0o755 },
    );
    const env = { PATH: `${bin}:/usr/bin:/bin`, PGHOSTADDR: '6.6.6.6', PGSERVICE: 'evil', ...more };
    return runCli(gate, ['db', 'connect', '-u', 'alice', '-n', 'orders', 'orders', '--', '-c', 'select 1'], {
      home,
      clock: house.clock,
      env,
    });
  }

  it('S22 ok: it goes to the proxy with the certificate; settings of the shell lead it nowhere else', async () => {
    expect((await connect({})).exitCode).toBe(7);
    const text = readFileSync(report, 'utf8');
    expect(text).toContain('PGHOST=proxy.example.com\n');
    expect(text).toContain('PGSSLMODE=verify-full\n');
    expect(text).toContain(`PGSSLCERT=${join(folder, 'db/orders-x509.pem')}\n`);
    expect(text).toContain('words=-c select 1\n');
    expect(text).not.toMatch(/6\.6\.6\.6|evil/);
  });

  it('ok: where an HTTP proxy stands in between, through a socket of its own, gone afterwards', async () => {
    expect((await connect({ HTTPS_PROXY: 'http://127.0.0.1:1' })).exitCode).toBe(7);
    const text = readFileSync(report, 'utf8');
    expect(text).toContain('.s.PGSQL.5432\n');
    expect(text).toContain('PGSSLMODE=disable\n');
    const socketFolder = /^PGHOST=(.*)$/m.exec(text)?.[1] ?? '';
    expect(socketFolder).toMatch(/gate-db-/);
    expect(existsSync(socketFolder)).toBe(false);
  });

  it('refuses: a machine without psql, saying how to get it', async () => {
    const result = await connect({ PATH: '/nonexistent' });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain('psql is not in PATH');
    expect(result.stderr).toContain('apt-get install postgresql-client');
  });
});

describe('gate apps', () => {
  it('ok: login, config and logout of an application', async () => {
    const { stdout } = await run('apps login grafana');
    expect(stdout).toMatch(/^Logged into app grafana\. Example curl command:\n\ncurl \\\n {2}--cert /);
    expect(stdout).toMatch(/https:\/\/grafana\.proxy\.[a-z.]+:3080\n/);
    expect((await run('apps config -f uri grafana')).stdout).toMatch(
      /^https:\/\/grafana\.proxy\.[a-z.]+:3080\n$/,
    );
    expect((await run('apps config -f key')).stdout).toBe(`${join(folder, 'app/grafana-key.pem')}\n`);
    expect((await run('apps ls')).stdout).toContain('> grafana');
    expect((await run('apps logout grafana')).stdout).toBe('Logged out of app "grafana".\n');
    expect(existsSync(join(folder, 'app/grafana-key.pem'))).toBe(false);
  });

  it('ok: AWS, by the name of a role or its ARN', async () => {
    const { stdout } = await run('apps login --aws-role ReadOnly awsconsole');
    expect(stdout).toContain(
      [
        'Logged into AWS app "awsconsole".',
        '',
        'Your IAM role:',
        `  ${role('ReadOnly')}`,
        '',
        'Example AWS CLI command:',
        '  gate aws s3 ls',
        '',
        'Or start a local proxy:',
        '  gate proxy aws --app awsconsole',
        '',
      ].join('\n'),
    );
    expect(identityIn(join(folder, 'app/awsconsole-x509.pem'))).toMatchObject({
      usage: 'app',
      route_to_app: { name: 'awsconsole', aws_role_arn: role('ReadOnly') },
    });
    expect((await run(['apps', 'login', '--aws-role', role('Admin', '/b/'), 'awsconsole'])).exitCode).toBe(0);
  });

  it('refuses: roles that are not clear or not granted, with the choice', async () => {
    const both = await run('apps login --aws-role Admin awsconsole');
    expect(both.stderr).toContain('Admin is the name of 2 roles');
    expect(both.stderr).toContain(role('Admin', '/a/'));
    expect((await run('apps login awsconsole')).stderr).toContain('--aws-role is missing: 3 are granted');
    expect((await run('apps login --aws-role Root awsconsole')).stderr).toContain('no role Root is granted');
    expect((await run('apps login awsother')).stderr).toContain(
      'your roles grant no role of AWS at awsother',
    );
    expect((await run('apps login --aws-role X grafana')).stderr).toContain('grafana is no AWS application');
    expect((await run('aws s3 ls')).stderr).toContain('gate apps login');
  });
});

it('S8 certificates for targets stay with the person they were made for', async () => {
  await run('db login orders');
  await signIn('joe');
  expect(existsSync(join(folder, 'db/orders-x509.pem'))).toBe(true);
  await signIn('eve');
  expect(existsSync(join(folder, 'db'))).toBe(false);
  await signIn('joe');
  await run('db login orders');
  await run('logout');
  expect(existsSync(folder)).toBe(false);
});

it('ok: certificates are kept, renewed near their end, and never outlive the login', async () => {
  await signIn('joe');
  await run('db login --db-user=alice --db-name=orders --ttl=30m orders');
  const path = join(folder, 'db/orders-x509.pem');
  const first = readFileSync(path, 'utf8');
  const io = { home, uid: process.getuid?.(), clock: house.clock, env: {} } as unknown as Io;
  const wish = { sort: 'db', name: 'orders', username: 'alice', database: 'orders' } as const;
  const kept = keepTarget(io, {}, wish);
  const [one, two] = await Promise.all([kept.current(), kept.current()]);
  expect([one.login.certificate, two.login.certificate]).toEqual([first, first]);
  await house.clock.advance(26 * 60_000);
  const { profile, login } = await kept.current();
  expect(login.certificate).not.toBe(first);
  expect(login.privateKey).toBe(one.login.privateKey);
  expect(login.expires).toBeLessThanOrEqual(Date.parse(profile.expires) + 1000);
  await house.clock.advance(Date.parse(profile.expires) - house.clock.now() + 1);
  await expect(kept.current()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await signIn('joe');
  expect((await kept.current()).login.expires).toBeGreaterThan(house.clock.now());
});
