// `gate` where a balancer ends TLS before the proxy (--insecure-no-tls): the auth API and SSH go by HTTP upgrades through
// it, and both ends are still proven by the authorities of the cluster.
import { generateKeyPairSync } from 'node:crypto';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { until } from '#test/kit/until.ts';
import { must, NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';

const TARGETS = `db_service:
  enabled: yes
  databases: [{name: orders, protocol: postgres, uri: "127.0.0.1:1"}]
`;
const ROLE = `kind: role
version: v7
metadata: {name: targets}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [alice], db_names: [shop]}
`;

let balancer: Server;
let cluster: TestCluster;
let alice: Person;

beforeAll(async () => {
  cluster = await startCluster(TARGETS, { args: ['--insecure-no-tls'], front: openBalancer });
  await cluster.apply(ROLE);
  alice = await cluster.person('alice', ['access', 'targets'], ['root']);
  await until('the database is listed', async () => (await alice.gate('db', 'ls')).stdout.includes('orders'));
}, 60_000);
afterAll(async () => {
  await cluster.stop();
  balancer.close();
});

/** Ends TLS and passes on bytes, as balancers of layer 7 do for HTTP. */
async function openBalancer(webPort: number): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const certificate = selfSignedServer({
    privateKey,
    commonName: 'balancer',
    dnsNames: ['localhost'],
    ipAddresses: [],
    notBefore: now - 60_000,
    notAfter: now + 3_600_000,
  });
  balancer = createServer(
    {
      key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate).toString('base64')}\n-----END CERTIFICATE-----\n`,
      ALPNProtocols: ['http/1.1'],
    },
    (socket) => {
      const inner = connect(webPort, '127.0.0.1');
      socket.on('error', () => inner.destroy()).on('close', () => inner.destroy());
      inner.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.pipe(inner).pipe(socket);
    },
  );
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(balancer.address() as AddressInfo).port}`;
}

test('ok: login, list and a session, all through the balancer', async () => {
  expect(must(await alice.gate('ls', '--names'))).toBe(`${NODE}\n`);
  expect(await alice.gate('ssh', `root@${NODE}`, 'echo hello; exit 3')).toMatchObject({
    code: 3,
    stdout: 'hello\n',
  });
});

test('ok: a database: what its agent says arrives, and clients of their own are told the way', async () => {
  const connect = await alice.gate('db', 'connect', 'orders');
  // There is no database: it is the agent who says so.
  expect(connect.stderr).toContain('127.0.0.1:1');
  expect(connect.code).toBe(2);
  const env = await alice.gate('db', 'env', 'orders');
  expect(env.stderr).toContain('gate proxy db --tunnel orders');
});

test('refuses: a server that is not there', async () => {
  expect(await alice.gate('ssh', 'root@nowhere', 'true')).toMatchObject({
    code: 255,
    stderr: expect.stringContaining('nowhere'),
  });
});
