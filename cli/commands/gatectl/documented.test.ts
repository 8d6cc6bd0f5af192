// Every command line of the manual that is in the scope of this release, on an auth service that runs: exit code,
// text where the manual shows one, and output that programs can read.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '#config/load.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { runCli, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { gatectl } from './program.ts';

let house: TestAuth;
let config: string;
const folder = tempFolder();

beforeAll(async () => {
  house = await startTestAuth();
  config = join(folder, 'gatehouse.yaml');
  writeFileSync(
    config,
    `gatehouse:\n  data_dir: ${house.dataDir}\nauth_service:\n  enabled: yes\n  tokens: ['proxy,node:eoKoh0caiw6weoGupahgh6Wuo7jaTee2']\n  public_addr: auth.example.com:3025\n`,
  );
  const spec = { hostname: 'turing', addr: '10.1.0.5:3022' };
  await house.put('node', 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f', spec, { labels: { distro: 'ubuntu' } });
});
afterAll(() => house.close());

const run = (line: string | readonly string[], stdin?: string): Promise<CliRun> =>
  runCli(gatectl, line, {
    env: { GATEHOUSE_CONFIG_FILE: config },
    home: folder,
    clock: house.clock,
    ...(stdin === undefined ? {} : { stdin }),
  });

async function ok(line: string | readonly string[], stdin?: string): Promise<string> {
  const result = await run(line, stdin);
  expect([result.stderr, result.exitCode]).toEqual(['', 0]);
  return result.stdout;
}

const ROLE_DB = `kind: role
version: v3
metadata:
  name: db
spec:
  allow:
    db_labels:
      '*': '*'
    db_names:
    - '*'
    db_users:
    - '*'
`;

describe('users', () => {
  test('ok: users add joe joe,root prints the documented text, with the way from a terminal', async () => {
    const out = await ok('users add joe joe,root');
    expect(out).toMatch(
      /^Signup token has been created\. Share this URL with the user:\nhttps:\/\/proxy\.test\.example\.com:443\/web\/newuser\/[0-9a-f]{64}\n\nNOTE: make sure proxy\.test\.example\.com:443 is accessible\.\nThe link works once and expires in 1h\.\n\nOr the user signs up from a terminal:\n {2}gate signup [0-9a-f]{64} --auth-server=auth\.example\.com:3025 --ca-pin=sha256:[0-9a-f]{64}\n$/,
    );
    expect(house.auth.state.get('user', 'joe')?.spec).toMatchObject({
      roles: ['access'],
      traits: { logins: ['joe', 'root'] },
    });
  });

  test('ok: users add ross gives the login of the same name', async () => {
    await ok('users add ross');
    expect(house.auth.state.get('user', 'ross')?.spec).toMatchObject({ traits: { logins: ['ross'] } });
  });

  test('ok: create <<EOF, then users add --roles=access,db alice, and with requester', async () => {
    expect(await ok('create', ROLE_DB)).toBe('role "db" has been created\n');
    await ok('users add --roles=access,db alice');
    await ok('users rm alice');
    await ok('users add --roles=access,requester,db alice --db-users=reader --ttl=2h');
    expect(house.auth.state.get('user', 'alice')?.spec).toMatchObject({
      roles: ['access', 'requester', 'db'],
      traits: { logins: ['alice'], db_users: ['reader'] },
    });
  });

  test('ok: users ls is the documented table', async () => {
    expect(await ok('users ls')).toBe(
      `User   Allowed Logins  Roles
----   --------------  -----
alice  alice           access,requester,db
joe    joe,root        access
ross   ross            access
`,
    );
  });

  test('ok: users update, reset and rm', async () => {
    expect(await ok('users update ross --roles=auditor --logins=')).toBe('user "ross" has been updated\n');
    expect(house.auth.state.get('user', 'ross')?.spec).toMatchObject({ roles: ['auditor'], traits: {} });
    expect(await ok('users update ross --roles=auditor')).toBe('user "ross" is unchanged\n');
    expect(await ok('users reset ross')).toContain(
      'Password and second factor have been cleared. Share this URL',
    );
    expect(await ok('users rm ross')).toBe('user "ross" has been deleted\n');
    expect(house.auth.state.get('user', 'ross')).toBeUndefined();
  });
});

describe('tokens and nodes', () => {
  test('ok: nodes add --ttl=5m --roles=node,proxy --token=secret-value', async () => {
    const out = await ok('nodes add --ttl=5m --roles=node,proxy --token=secret-value');
    expect(out).toMatch(
      /^The invite token: secret-value\nRun this on the new node to join the cluster:\ngatehouse start --roles=node,proxy --token=secret-value --ca-pin=sha256:[0-9a-f]{64} --auth-server=auth\.example\.com:3025\n$/,
    );
  });

  test('ok: nodes add makes a token of 32 hex digits', async () => {
    expect(await ok('nodes add')).toMatch(/^The invite token: [0-9a-f]{32}\n/);
  });

  test.each([
    ['tokens add --type=app --ttl=1h --format=text', ['app']],
    ['tokens add --type=db --format=text', ['db']],
    ['tokens add --type=node,app,db --format=text', ['node', 'app', 'db']],
    ['tokens add --type=App --value=chosen-by-hand --format=text', ['app']],
  ])('ok: %s prints the token and nothing else', async (line, roles) => {
    const out = await ok(line);
    expect(out).toMatch(/^[0-9a-z-]{14,32}\n$/);
    expect(house.auth.state.get('token', out.trim())?.spec).toMatchObject({ roles });
  });

  test('ok: tokens add for databases and applications shows a config file that can be used', async () => {
    const out = await ok('tokens add --type=db,app --ttl=1h');
    const text = out.slice(out.indexOf('version: v3'));
    const path = join(folder, 'joining.yaml');
    writeFileSync(path, text);
    const { config: read } = await loadConfig({ hostname: 'box', path });
    expect(read.db?.databases.map(({ name }) => name)).toEqual(['example']);
    expect(read.app?.apps.map(({ name }) => name)).toEqual(['example']);
    expect(read.ssh).toBeUndefined();
  });

  test('ok: tokens add without a format says what to do with it', async () => {
    const out = await ok('tokens add --type=node --ttl=1h');
    expect(out).toMatch(
      /^The invite token: [0-9a-f]{32}\nThis token will expire in 1h0m0s\.\nRun this on the new node/,
    );
  });

  test('ok: tokens ls is the documented table, sign-up links too; rm and del revoke', async () => {
    const out = await ok('tokens ls');
    expect(out.split('\n')[0]).toMatch(/^Token +Type +Labels +Expiry Time \(UTC\)$/);
    expect(out).toMatch(/^eoKoh0caiw6weoGupahgh6Wuo7jaTee2 +Proxy,Node +never$/m);
    expect(out).toMatch(/^secret-value +Node,Proxy +\d\d? [A-Z][a-z]{2} \d\d \d\d:\d\d UTC$/m);
    expect(out).toMatch(/^[0-9a-f]{32} +Signup +user=joe +\d\d? [A-Z][a-z]{2} \d\d \d\d:\d\d UTC$/m);
    expect(await ok('tokens rm secret-value')).toBe('Token secret-value has been deleted\n');
    const invited = await ok('users add revoked-before-use');
    const shown = /([0-9a-f]{32})\s+Signup\s+user=revoked-before-use/.exec(await ok('tokens ls'))?.[1] ?? '';
    expect(await ok(`tokens rm ${shown}`)).toBe(`Token ${shown} has been deleted\n`);
    expect(await ok('tokens ls')).not.toContain('revoked-before-use');
    await ok('users rm revoked-before-use');
    expect(invited).toContain('/web/newuser/');
    expect(await ok('tokens del chosen-by-hand')).toBe('Token chosen-by-hand has been deleted\n');
    expect(house.auth.state.get('token', 'secret-value')).toBeUndefined();
  });

  test('ok: nodes ls is the documented table', async () => {
    expect(await ok('nodes ls')).toBe(
      `Node Name  Node ID                               Address        Labels
---------  -------                               -------        ------
turing     d52527f9-b260-41d0-bb5a-e23b0cfe0f8f  10.1.0.5:3022  distro:ubuntu
`,
    );
  });
});

describe('resources', () => {
  test('ok: get users, get user/joe, get users/joe are YAML that create -f takes back', async () => {
    expect(parseAllDocuments(await ok('get users')).map((one) => one.toJS().metadata.name)).toEqual([
      'alice',
      'joe',
    ]);
    const joe = await ok('get user/joe');
    expect(await ok('get users/joe')).toBe(joe);
    const file = join(folder, 'joe.yaml');
    writeFileSync(file, joe.replace('- root', '- root\n      - deploy'));
    expect(await ok(['create', '-f', file])).toBe('user "joe" has been updated\n');
    const stale = await run(['create', '-f', file]);
    expect([stale.exitCode, stale.stderr]).toEqual([1, expect.stringContaining('changed')]);
  });

  test('ok: the role of the AWS guide is created from a file; again without -f it is refused', async () => {
    const file = join(folder, 'aws-ro-access.yaml');
    writeFileSync(
      file,
      `kind: role
version: v5
metadata:
  name: aws-ro-access
spec:
  allow:
    app_labels:
      '*': '*'
    aws_role_arns:
    - arn:aws:iam::123456789012:role/ExampleReadOnlyAccess
`,
    );
    expect(await ok(['create', file])).toBe('role "aws-ro-access" has been created\n');
    const again = await run(['create', file]);
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('gatectl create -f')]);
    expect(await ok(['create', '-f', file])).toBe('role "aws-ro-access" is unchanged\n');
  });

  test('ok: the user record as printed in the manual is accepted', async () => {
    const manual = `kind: user
version: v2
metadata:
  name: joe
spec:
  roles: admin
  status:
    is_locked: false
    lock_expires: 0001-01-01T00:00:00Z
    locked_time: 0001-01-01T00:00:00Z
  traits:
    logins:
    - joe
    - root
  expires: 0001-01-01T00:00:00Z
  created_by:
    time: 0001-01-01T00:00:00Z
    user:
      name: builtin-Admin
`;
    expect(await ok('create -f', manual)).toBe('user "joe" has been updated\n');
  });

  test('ok: several kinds, text and JSON; rm users/NAME', async () => {
    const text = await ok('get roles,users --format=text');
    expect(text).toMatch(/^roles\nRole +Allowed Logins/);
    expect(text).toContain('\nusers\nUser ');
    const json = JSON.parse(await ok('get roles users --format=json')) as { kind: string }[];
    expect(new Set(json.map(({ kind }) => kind))).toEqual(new Set(['role', 'user']));
    await ok('create', 'kind: user\nmetadata: {name: admin}\nspec: {roles: [access]}');
    expect(await ok('rm users/admin')).toBe('user "admin" has been deleted\n');
  });

  test('ok: get all leaves a note about secrets on stderr, and parses', async () => {
    const { stdout, stderr, exitCode } = await run('get all');
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^NOTE: .*--with-secrets adds them\.\n$/);
    const kinds = parseAllDocuments(stdout).map((one) => one.toJS().kind as string);
    expect(kinds).toContain('cert_authority');
    expect(kinds).not.toContain('cert_authority_key');
    expect(stdout).not.toContain('PRIVATE KEY');
    const all = await run('get all --with-secrets');
    expect(all.stderr).toBe('');
    expect(all.stdout).toContain('kind: cert_authority_key');
  });
});

describe('status, certificates, audit, decisions', () => {
  test('ok: status prints the documented lines', async () => {
    expect(await ok('status')).toMatch(
      /^Cluster {2}test\.example\.com\nVersion {2}0\.1\.0\nUser CA {2}never updated\nHost CA {2}never updated\nDB CA {4}never updated\nJWT CA {3}never updated\nCA pin {3}sha256:[0-9a-f]{64}\n$/,
    );
  });

  test.each([
    ['user', /^ssh-ed25519 \S+ gatehouse-user-ca-test\.example\.com\n$/],
    ['host', /^@cert-authority \*\.test\.example\.com,test\.example\.com ssh-ed25519 \S+ type=host\n$/],
    ['tls-user', /^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n$/],
    ['tls-host', /^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n$/],
    ['db', /^-----BEGIN CERTIFICATE-----\n[\s\S]+\n-----END CERTIFICATE-----\n$/],
  ])('ok: auth export --type=%s', async (type, expected) => {
    expect(await ok(`auth export --type=${type}`)).toMatch(expected);
  });

  test('ok: audit ls and verify', async () => {
    expect(await ok('audit ls --type=token.create --from=1h')).toContain('roles=["app"]');
    const events = JSON.parse(await ok('audit ls --format=json --limit=3 --oldest')) as { seq: number }[];
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await ok('audit verify')).toMatch(/^The audit log is whole: \d+ events of 1 server\.\n$/);
  });

  test('R20 can-i says yes or no, by exit code too, and what decides', async () => {
    const yes = await run('can-i --user joe --login root ssh turing');
    expect([yes.exitCode, yes.stdout.split('\n')[0]]).toEqual([0, 'yes']);
    const no = await run('can-i --user alice create role');
    expect([no.exitCode, no.stdout.split('\n')[0]]).toEqual([1, 'no']);
    expect(no.stdout).toContain('role "access"');
  });

  test('R20 explain names what decided a denial', async () => {
    const denied = await house.call(await house.issueUser('mallory', []), 'GET', '/v1/resources/tokens');
    const id = String((denied.body?.['details'] as { denial_id: string } | undefined)?.denial_id);
    const out = await ok(`explain ${id}`);
    expect(out).toMatch(/^Denied {3}.+\nUser {5}mallory\nTime {5}\S+\nReason {3}.+/);
  });

  test('ok: lock by user, login and node name; get locks; rm lock/ID', async () => {
    expect(await ok(['lock', '--user=joe', '--message=laptop lost', '--ttl=24h'])).toMatch(
      /^Created a lock with name "[0-9a-f-]{36}"\.\n$/,
    );
    await ok('lock --login=root');
    await ok('lock --node=turing');
    const table = await ok('get locks --format=text');
    expect(table).toMatch(/user=joe +laptop lost +20/);
    expect(table).toContain('server_id=d52527f9-b260-41d0-bb5a-e23b0cfe0f8f');
    const locks = JSON.parse(await ok('get locks --format=json')) as { metadata: { name: string } }[];
    for (const { metadata } of locks) await ok(`rm lock/${metadata.name}`);
    expect(await ok('get locks --format=json')).toBe('[]\n');
  });

  test('ok: version', async () => {
    expect(await ok('version')).toMatch(/^Gatehouse v\d+\.\d+\.\d+ node v24\.\d+\.\d+\n$/);
    expect(JSON.parse(await ok('version --format=json'))).toHaveProperty('version');
  });
});

test.each([
  'status',
  'users ls',
  'nodes ls',
  'tokens ls',
  'get users',
  'get all',
  'audit ls',
  'audit verify',
  'version',
  'auth export --type=host',
  'users reset joe',
  'nodes add',
  'tokens add --type=node',
  'can-i --user=joe read role',
])('ok: %s as JSON and YAML parses', async (line) => {
  const json = await run(`${line} --format=json`);
  expect(() => JSON.parse(json.stdout) as unknown).not.toThrow();
  const yaml = await run(`${line} --format=yaml`);
  expect(parseAllDocuments(yaml.stdout).flatMap(({ errors }) => errors)).toEqual([]);
});
