// A whole proxy before a real auth service, on loopback: one port that is everything to everybody, each as it asks.
import { createServer, connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { learnAuthorities } from '#client/trust.ts';
import { openApi, type Api } from '#client/api.ts';
import { ping, whoami } from '#core/api/cluster.ts';
import { openInvite } from '#core/api/login.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { startProxyHouse, type ProxyHouse, type ProxyHouseOptions } from '#test/kit/proxy.ts';
import { letOthersWork, until } from '#test/kit/until.ts';

let house: TestAuth;
let main: ProxyHouse;
const closers: (() => unknown)[] = [];

const ANY = { host: '127.0.0.1', port: 0 };

beforeAll(async () => {
  house = await startTestAuth();
  main = await startProxyHouse(house, { config: { sshListenAddr: ANY, tunnelListenAddr: ANY } });
});
afterAll(async () => {
  await main.close();
  await house.close();
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function another(options: ProxyHouseOptions): Promise<ProxyHouse> {
  const started = await startProxyHouse(house, options);
  closers.push(() => started.close());
  return started;
}

const portOf = (address: string): number => Number(address.split(':').at(-1));

function dial(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ port: portOf(address), host: '127.0.0.1', allowHalfOpen: true }, () =>
      resolve(socket),
    );
    socket.once('error', reject);
    socket.on('error', () => {});
    closers.push(() => socket.destroy());
  });
}

/** The connection after its handshake; rejects when there is none. */
function dialTls(address: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { port: portOf(address), host: '127.0.0.1', rejectUnauthorized: false, ...options },
      () => resolve(socket),
    );
    socket.once('error', reject).once('close', () => reject(new Error('closed')));
    socket.on('error', () => {});
    closers.push(() => socket.destroy());
  });
}

/** What a connection says after `text`, until it ends or `enough`. */
function exchange(socket: Socket, text: string, enough: RegExp = /$^/): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const done = (): void => resolve(answer);
    socket.on('data', (part: Buffer) => {
      answer += part.toString('latin1');
      if (enough.test(answer)) done();
    });
    socket.once('end', done).once('close', done);
    if (text !== '') socket.write(text);
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`;

function apiAt(address: string, identity?: TestClient): Api {
  const api = openApi({ addresses: [address], authorities: [house.authority], identity, timeoutMs: 10_000 });
  closers.push(() => api.close());
  return api;
}

describe('the auth API through the web port', () => {
  it('ok: end to end: the pin is compared with auth, the client is known to it by its own certificate', async () => {
    const pin = caPin(derFromPem(house.authority));
    expect(await learnAuthorities(main.web, [pin])).toEqual([house.authority]);
    const user = await house.issueUser('joe', ['access']);
    const { identity } = await apiAt(main.web, user).call(whoami, {});
    expect(identity).toMatchObject({ kind: 'user', name: 'joe' });
    expect((await apiAt(main.web).call(ping, {})).cluster_name).toBe('test.example.com');
  });

  it('ok: auth knows the address of the client and not that of the proxy', async () => {
    const front = await another({ config: { proxyProtocolFrom: ['127.0.0.0/8'] } });
    const api = openApi({
      addresses: [front.web],
      authorities: [house.authority],
      async dial() {
        const socket = await dial(front.web);
        socket.write('PROXY TCP4 203.0.113.50 10.0.0.1 51000 443\r\n');
        return socket;
      },
    });
    closers.push(() => api.close());
    await expect(api.call(openInvite, { token: 'x'.repeat(64) })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const failure = (await house.events()).findLast(({ event }) => event === 'auth.failure');
    expect(failure).toMatchObject({ 'addr.remote': '203.0.113.50' });
  });

  it('R17 ok: another auth server is tried; when none is there the client is told so', async () => {
    const second = await another({ authServers: ['127.0.0.1:1', `127.0.0.1:${house.auth.port}`] });
    expect((await apiAt(second.web).call(ping, {})).cluster_name).toBe('test.example.com');
    const alone = await another({ authServers: ['127.0.0.1:1'] });
    await expect(apiAt(alone.web).call(ping, {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('S25 refuses: to go anywhere but to the auth servers of its configuration, whatever name is asked for', async () => {
    const socket = await dialTls(main.web, {
      ALPNProtocols: ['gatehouse-auth'],
      servername: 'metadata.google.internal',
      ca: house.authority,
    });
    const answer = await exchange(socket, get('/v1/ping'));
    expect(answer).toContain('"cluster_name":"test.example.com"');
  });
});

describe('TLS of users with their certificate', () => {
  const member = (client: TestClient | undefined, more: ConnectionOptions = {}): Promise<TLSSocket> =>
    dialTls(main.web, {
      ALPNProtocols: ['gatehouse-proxy-ssh'],
      ca: house.authority,
      ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
      ...more,
    });
  const ask = async (client: TestClient | undefined): Promise<string> => {
    const socket = await member(client);
    return exchange(socket, `${JSON.stringify({ target: 'nowhere' })}\n`, /\n/);
  };

  it('S30 ok: the proxy shows its host certificate of the cluster, with the role proxy', async () => {
    const user = await house.issueUser('kim', ['access']);
    const socket = await member(user, { rejectUnauthorized: true, servername: 'proxy.test.example.com' });
    expect(socket.alpnProtocol).toBe('gatehouse-proxy-ssh');
    expect(socket.authorized).toBe(true);
  });

  it('ok: who is known is answered by the SSH door', async () => {
    const user = await house.issueUser('lee', ['access']);
    expect(JSON.parse(await ask(user))).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } });
  });

  it('refuses: no certificate, one of a host, an admin, another cluster, another authority, or past its time', async () => {
    const stranger = await startTestAuth();
    closers.push(() => stranger.close());
    const clients = [
      undefined,
      house.issueHost(['node']),
      house.admin,
      await stranger.issueUser('joe', []),
      await house.issueUser('joe2', [], { cluster: 'other.example.com' }),
      await house.issueUser('joe3', [], { signedBy: 'host' }),
      await house.issueUser('joe4', [], { usage: 'server' }),
      await house.issueUser('joe5', [], { ttlMs: -1000 }),
    ];
    for (const client of clients) {
      const answer = await ask(client).catch(() => '');
      expect(answer).toBe('');
    }
  });
});

describe('the web port', () => {
  it('ok: HTTPS, with the pair of the proxy and HTTP/1.1', async () => {
    const socket = await dialTls(main.web, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    const answer = await exchange(socket, get('/v1/webapi/find'));
    const { host_authorities: authorities, proxy } = JSON.parse(answer.split('\r\n\r\n')[1] ?? '') as {
      host_authorities: string[];
      proxy: Record<string, unknown>;
    };
    expect(authorities).toEqual([house.authority]);
    const ssh = portOf(main.proxy.addresses.ssh ?? '');
    const tunnel = portOf(main.proxy.addresses.tunnel ?? '');
    expect(proxy).toMatchObject({
      ends_tls: true,
      id: main.membership.record()?.certificates.host_id,
      public_addrs: [`proxy.test.example.com:${portOf(main.web)}`],
      ssh: {
        public_addr: `proxy.test.example.com:${portOf(main.web)}`,
        ssh_public_addr: `proxy.test.example.com:${ssh}`,
        ssh_tunnel_public_addr: `proxy.test.example.com:${tunnel}`,
      },
    });
  });

  it('S31 refuses: TLS before 1.2, and ciphers without forward secrecy', async () => {
    await expect(dialTls(main.web, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow();
    await expect(
      dialTls(main.web, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES128-GCM-SHA256' }),
    ).rejects.toThrow();
    await dialTls(main.web, { maxVersion: 'TLSv1.2' });
  });

  it('ok: SSH on the web port, and on ports of its own', async () => {
    for (const address of [main.web, main.proxy.addresses.ssh ?? '', main.proxy.addresses.tunnel ?? '']) {
      const socket = await dial(address);
      expect(await exchange(socket, 'SSH-2.0-test\r\n', /^SSH-2\.0-\S+\r\n/)).toMatch(/^SSH-2\.0-/);
    }
  });

  it('S36 plain HTTP is sent to HTTPS, by the name of the configuration and without the path', async () => {
    const socket = await dial(main.web);
    const answer = await exchange(
      socket,
      `GET /web/newuser/secret HTTP/1.1\r\nhost: evil.example.com\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 307 /);
    expect(answer).toContain(`location: https://proxy.test.example.com:${portOf(main.web)}/\r\n`);
    expect(answer).not.toMatch(/secret|evil/);
  });

  it('S32 connections are counted, and given back however they end', async () => {
    const before = main.proxy.counts.connections;
    const sockets = [
      await dial(main.web),
      await dialTls(main.web),
      await dial(main.proxy.addresses.ssh ?? ''),
    ];
    const user = await house.issueUser('max', ['access']);
    await apiAt(main.web, user).call(whoami, {});
    expect(main.proxy.counts.connections).toBeGreaterThanOrEqual(before + 4);
    for (const socket of sockets) socket.destroy();
    for (const close of closers.splice(0)) await close();
    await until('all to be given back', () => main.proxy.counts.connections <= before);
  });
});

describe('behind a balancer that ends TLS', () => {
  it('ok: plain HTTP, upgrades to SSH and auth, and what needs TLS to the end still by its own', async () => {
    const plain = await another({ config: { insecureNoTls: true, trustXForwardedFor: true } });
    const find = await exchange(await dial(plain.web), get('/v1/webapi/find'));
    expect(find).toContain('"ends_tls":false');
    expect(find).not.toContain('strict-transport-security');
    const upgrade = (to: string): string =>
      `GET /v1/webapi/connect HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: ${to}\r\nx-forwarded-for: 203.0.113.77\r\n\r\n`;
    const ssh = await dial(plain.web);
    expect(await exchange(ssh, `${upgrade('gatehouse-ssh')}SSH-2.0-test\r\n`, /SSH-2\.0-\S+\r\n/)).toMatch(
      /^HTTP\/1\.1 101 [^]*SSH-2\.0-/,
    );
    const api = openApi({
      addresses: [plain.web],
      authorities: [house.authority],
      async dial() {
        const socket = await dial(plain.web);
        const head = exchange(socket, upgrade('gatehouse-auth'), /\r\n\r\n/);
        await head;
        socket.removeAllListeners('data').pause();
        return socket;
      },
    });
    closers.push(() => api.close());
    await expect(api.call(openInvite, { token: 'y'.repeat(64) })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const failure = (await house.events()).findLast(({ event }) => event === 'auth.failure');
    expect(failure).toMatchObject({ 'addr.remote': '203.0.113.77' });
    expect((await apiAt(plain.web).call(ping, {})).cluster_name).toBe('test.example.com');
    await expect(dialTls(plain.web)).rejects.toThrow();
  });
});

describe('life', () => {
  it('ok: what it announces, and health', async () => {
    expect(main.proxy.health()).toEqual({ ready: true });
    const record = main.membership.record();
    const [document] = record === undefined ? [] : main.proxy.documents(record);
    expect(document).toMatchObject({
      kind: 'proxy',
      metadata: { name: record?.certificates.host_id },
      spec: {
        hostname: 'proxy-1',
        public_addrs: [`proxy.test.example.com:${portOf(main.web)}`],
        ssh_addrs: [`proxy.test.example.com:${portOf(main.proxy.addresses.ssh ?? '')}`],
        peer_addr: main.web,
      },
    });
  });

  it('ok: a drain takes no more connections and keeps those that are there; a close ends them', async () => {
    const one = await another({});
    const socket = await dial(one.web);
    socket.write('SSH-');
    await until('the connection', () => one.proxy.counts.connections === 1);
    one.proxy.drain();
    await expect(dial(one.web)).rejects.toThrow();
    await letOthersWork();
    expect(socket.destroyed).toBe(false);
    const ended = new Promise((resolve) => socket.once('end', resolve).resume());
    await one.proxy.close();
    await one.proxy.close();
    await ended;
  });

  it('refuses: a port that is taken, and opens nothing then', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => taken.close(resolve)));
    const { port } = taken.address() as AddressInfo;
    await expect(another({ config: { sshListenAddr: { host: '127.0.0.1', port } } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      details: { remedy: expect.stringContaining('proxy_service.listen_addr') as string },
    });
  });
});
