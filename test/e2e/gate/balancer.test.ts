// `gate` where a balancer ends TLS before the proxy (--insecure-no-tls): the auth API and SSH go by HTTP upgrades through
// it, and both ends are still proven by the authorities of the cluster.
import { generateKeyPairSync } from 'node:crypto';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { must, NODE, startCluster, type Person, type TestCluster } from '#test/kit/cluster.ts';

let balancer: Server;
let cluster: TestCluster;
let alice: Person;

beforeAll(async () => {
  cluster = await startCluster('', { args: ['--insecure-no-tls'], front: openBalancer });
  alice = await cluster.person('alice', ['access'], ['root']);
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

test('refuses: a server that is not there', async () => {
  expect(await alice.gate('ssh', 'root@nowhere', 'true')).toMatchObject({
    code: 255,
    stderr: expect.stringContaining('nowhere'),
  });
});
