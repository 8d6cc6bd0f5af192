// Every sort of caller at every call that hands out a certificate or a token: who gets one is in the table, and everybody
// else gets nothing. A new call of that sort fails until it is in the table.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKeyTexts } from '#test/kit/auth-context.ts';
import { startTestAuth, type IssueOptions, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

const DB_HOST = '11111111-2222-4333-8444-555555555555';
const APP_HOST = '22222222-2222-4333-8444-555555555555';
const TOKEN = 'join-token-8d1c7f0b9a';
const keys = makeKeyTexts();
const { tls_public_key, ssh_public_key } = keys;

let house: TestAuth;
let callers: Readonly<Record<string, TestClient | undefined>>;

const DB_ROUTE = { usage: 'db', route_to_database: { service: 'orders', protocol: 'postgres' } };
const APP_ROUTE = {
  usage: 'app',
  route_to_app: { name: 'grafana', public_addr: 'g.example.com', session_id: randomUUID() },
};

beforeAll(async () => {
  house = await startTestAuth();
  await house.put('token', TOKEN, { roles: ['node'] });
  await house.put('db_server', `orders.${DB_HOST}`, {
    host_id: DB_HOST,
    hostname: 'a',
    database: { metadata: { name: 'orders' }, spec: { protocol: 'postgres', uri: 'db.example.com:5432' } },
  });
  await house.put('app_server', `grafana.${APP_HOST}`, {
    host_id: APP_HOST,
    hostname: 'b',
    app: { metadata: { name: 'grafana' }, spec: { uri: 'http://localhost:3000' } },
  });
  await house.put('role', 'dba', {
    allow: {
      db_labels: { '*': '*' },
      db_users: '*',
      db_names: '*',
      app_labels: { '*': '*' },
      logins: ['root'],
      node_labels: { '*': '*' },
    },
  });
  const joe = (options: IssueOptions = {}): Promise<TestClient> => house.issueUser('joe', ['dba'], options);
  await house.put('user', 'joe', { roles: ['dba'] });
  callers = {
    nobody: undefined,
    'a login': await joe(),
    'a login of an admin': await house.issueUser('root', ['admin']),
    'a certificate for a database': await joe({ identity: DB_ROUTE }),
    'a certificate for an application': await joe({ identity: APP_ROUTE }),
    'a certificate for Kubernetes': await joe({ identity: { usage: 'kube' } }),
    'a login signed by the host authority': await joe({ signedBy: 'host' }),
    'a login signed by the database authority': await joe({ signedBy: 'db' }),
    'a node': house.issueHost(['node']),
    'a proxy': house.issueHost(['proxy']),
    'an agent of databases': house.issueHost(['db'], { hostId: DB_HOST }),
    'an agent of applications': house.issueHost(['app'], { hostId: APP_HOST }),
    'an operator': house.issueHost(['operator']),
    'the local admin': house.admin,
  };
});
afterAll(() => house.close());

const LOGINS = ['a login', 'a login of an admin'] as const;
const HOSTS = [
  'a node',
  'a proxy',
  'an agent of databases',
  'an agent of applications',
  'an operator',
] as const;

interface Door {
  readonly body: object;
  /** Who is served. */
  readonly serves: readonly string[];
}

/** Those that ask for more than a table can hold are served to nobody here, and have tests of their own. */
const DOORS: Readonly<Record<string, Door>> = {
  '/v1/certificates/user': { body: keys, serves: LOGINS },
  '/v1/certificates/sign': { body: { user: 'joe', ...keys }, serves: ['the local admin'] },
  '/v1/certificates/db': {
    body: { hosts: ['db'], tls_public_key },
    serves: ['a login of an admin', 'the local admin'],
  },
  '/v1/certificates/sshd': {
    body: { hosts: ['bastion'], ssh_public_key },
    serves: ['a login of an admin', 'the local admin'],
  },
  '/v1/certificates/target': {
    body: { database: { service: 'orders' }, tls_public_key },
    serves: ['a login'],
  },
  '/v1/targets/grants': { body: { kind: 'app', name: 'grafana' }, serves: LOGINS },
  '/v1/certificates/host': { body: { node_name: 'x', ...keys }, serves: HOSTS },
  '/v1/certificates/relay': {
    body: { node: 'n', login: 'root', certificate: 'x', address: '127.0.0.1', ssh_public_key },
    serves: [],
  },
  '/v1/certificates/relay-host': { body: { node: 'n', ssh_public_key }, serves: [] },
  '/v1/certificates/db/client': {
    body: { service: 'orders', account: 'a', database: 'b', certificate: 'x', tls_public_key },
    serves: [],
  },
  '/v1/tokens/app': { body: { certificate: 'x', app: 'grafana' }, serves: [] },
};

test('S8 every call that hands out a certificate or a token is in the table', () => {
  const doors = house.auth.routes
    .map(({ path }) => path)
    .filter((path) => /^\/v1\/(?:certificates|tokens|targets)\//.test(path));
  expect([...new Set(doors)].sort()).toEqual(Object.keys(DOORS).sort());
});

test.each(Object.entries(DOORS))('S8 %s serves those of the table and nobody else', async (path, door) => {
  const served: string[] = [];
  for (const [name, client] of Object.entries(callers)) {
    const { status, text } = await house.call(client, 'POST', path, door.body);
    if (status === 200) served.push(name);
    else expect(text, name).not.toMatch(/BEGIN CERTIFICATE|-cert-v01|"INTERNAL"/);
  }
  expect(served.sort()).toEqual([...door.serves].sort());
});

test('S8 a certificate for a target that was just issued gets no other, and opens no call', async () => {
  const login = callers['a login'];
  const wishes = [{ database: { service: 'orders', username: 'joe' } }, { app: { name: 'grafana' } }];
  for (const wish of wishes) {
    const issued = await house.call(login, 'POST', '/v1/certificates/target', { ...wish, tls_public_key });
    expect(issued.status).toBe(200);
  }
  for (const name of ['a certificate for a database', 'a certificate for an application']) {
    for (const { method, path, access } of house.auth.routes) {
      if (access.to === 'anyone') continue;
      const at = path.replace(/:\w+/g, 'no-such-thing');
      const { body } = await house.call(callers[name], method, at, method === 'GET' ? undefined : {});
      expect([name, method, path, body?.['code']]).toEqual([name, method, path, 'ACCESS_DENIED']);
    }
  }
});

test('S8 a join token is no key to certificates of people, and none of their names joins a machine', async () => {
  const join = (token: string): Promise<{ status: number }> =>
    house.call(undefined, 'POST', '/v1/join', { token, roles: ['node'], node_name: 'x', ...keys });
  for (const token of ['joe', 'orders', DB_HOST, randomUUID()])
    expect((await join(token)).status).not.toBe(200);
  for (const [path, { body }] of Object.entries(DOORS)) {
    const asked = { ...body, token: TOKEN };
    expect((await house.call(undefined, 'POST', path, asked)).status, path).not.toBe(200);
  }
  expect((await join(TOKEN)).status).toBe(200);
});
