import { createServer, type Server } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ping, whoami } from '#core/api/cluster.ts';
import { apply } from '#core/api/resources.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { roleKind } from '#kinds/role/kind.ts';
import { userKind } from '#kinds/user/kind.ts';
import { startTestAuth, TEST_CLUSTER, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { startTcpProxy } from '#test/kit/tcp-proxy.ts';
import { openApi, type Api } from './api.ts';
import { learnAuthorities } from './trust.ts';

let house: TestAuth;
let stranger: TestAuth;
const open: { close(): unknown }[] = [];
beforeAll(async () => {
  house = await startTestAuth();
  stranger = await startTestAuth();
});
afterAll(async () => {
  await house.close();
  await stranger.close();
});
afterEach(async () => {
  for (const part of open.splice(0)) await part.close();
});

const addressOf = (auth: TestAuth): string => `127.0.0.1:${auth.auth.port}`;

function apiTo(addresses: readonly string[], identity: TestClient | undefined = house.admin): Api {
  const api = openApi({ addresses, authorities: [house.authority], identity, timeoutMs: 5000 });
  open.push(api);
  return api;
}

const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );

interface Impostor {
  readonly address: string;
  /** Bytes of requests that reached it. */
  readonly requests: string[];
}

/** A server that answers everything, with the certificate of `who`. */
async function pose(who: TestClient, maxVersion?: 'TLSv1.2'): Promise<Impostor> {
  const requests: string[] = [];
  const server: Server = createServer(
    { cert: who.certificate, key: who.privateKey, ...(maxVersion && { maxVersion }) },
    (request, reply) => {
      requests.push(`${request.method} ${request.url}`);
      reply.end('{}');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

describe('calls', () => {
  it('ok: typed calls as the local admin, a user, and without identity', async () => {
    expect(await apiTo([addressOf(house)]).call(whoami, {})).toMatchObject({ identity: { kind: 'admin' } });
    const joe = await house.issueUser('joe', ['access']);
    expect(await apiTo([addressOf(house)], joe).call(whoami, {})).toMatchObject({
      identity: { name: 'joe' },
    });
    const answer = await apiTo([addressOf(house)], undefined).call(ping, {});
    expect(answer.cluster_name).toBe(TEST_CLUSTER);
  });

  it('ok: lists over several pages, reads, removes, and errors of the server with their code', async () => {
    const api = apiTo([addressOf(house)]);
    const documents = Array.from({ length: 1000 }, (_, n) => ({
      kind: 'role',
      version: 'v7',
      metadata: { name: `r${String(n).padStart(4, '0')}` },
      spec: {},
    }));
    await api.call(apply, { mode: 'create', dry_run: false, documents: documents.slice(0, 500), remove: [] });
    await api.call(apply, { mode: 'create', dry_run: false, documents: documents.slice(500), remove: [] });
    const roles = await api.list(roleKind);
    expect(roles.length).toBeGreaterThan(1000);
    expect((await api.get(roleKind, 'r0007')).metadata.name).toBe('r0007');
    await api.remove(roleKind, 'r0007');
    expect((await refusal(api.get(roleKind, 'r0007'))).code).toBe('NOT_FOUND');
    const node = house.issueHost(['node']);
    expect((await refusal(apiTo([addressOf(house)], node).list(userKind))).code).toBe('ACCESS_DENIED');
  });

  it('ok: the next address is tried when one cannot be reached, and the good one is kept', async () => {
    const api = apiTo(['127.0.0.1:1', addressOf(house)]);
    expect(await api.call(ping, {})).toMatchObject({ cluster_name: TEST_CLUSTER });
    expect(await api.call(ping, {})).toMatchObject({ cluster_name: TEST_CLUSTER });
    const error = await refusal(apiTo(['127.0.0.1:1', '127.0.0.1:2']).call(ping, {}));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    expect(error.message).toContain('127.0.0.1:1, 127.0.0.1:2');
  });

  it('R17 ok: the next address is tried when one takes the connection and says nothing', async () => {
    const silent = createTcpServer((socket) => void sockets.push(socket));
    const sockets: Socket[] = [];
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    open.push({
      close: () => {
        for (const socket of sockets) socket.destroy();
        silent.close();
      },
    });
    const { port } = silent.address() as AddressInfo;
    const api = openApi({
      addresses: [`127.0.0.1:${port}`, addressOf(house)],
      authorities: [house.authority],
      identity: house.admin,
      connectTimeoutMs: 200,
    });
    open.push(api);
    expect(await api.call(ping, {})).toMatchObject({ cluster_name: TEST_CLUSTER });
  });

  it('refuses: a download that falls silent, instead of waiting for ever', async () => {
    const certificate = house.issueHost(['auth'], { usage: 'both' });
    const server = createServer(
      { cert: certificate.certificate, key: certificate.privateKey },
      (_, reply) => {
        reply.writeHead(200);
        reply.write('some');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => (server.closeAllConnections(), server.close()) });
    const { port } = server.address() as AddressInfo;
    const api = openApi({ addresses: [`127.0.0.1:${port}`], authorities: [house.authority], timeoutMs: 300 });
    open.push(api);
    const read = async (): Promise<void> => {
      for await (const part of await api.download('/v1/backup')) expect(String(part)).toBe('some');
    };
    expect((await refusal(read())).code).toBe('UNAVAILABLE');
  });

  it('ok: a connection that was closed while idle does not make the next read fail', async () => {
    const proxy = await startTcpProxy(house.auth.port);
    open.push(proxy);
    const api = apiTo([`127.0.0.1:${proxy.port}`]);
    for (let i = 0; i < 5; i++) {
      expect(await api.call(ping, {})).toMatchObject({ cluster_name: TEST_CLUSTER });
      proxy.cut();
    }
  });

  it('ok: tells the time of the server', async () => {
    const times: number[] = [];
    const api = openApi({
      addresses: [addressOf(house)],
      authorities: [house.authority],
      onServerTime: (time) => times.push(time),
    });
    open.push(api);
    await api.call(ping, {});
    expect(Math.abs((times[0] ?? 0) - house.clock.now())).toBeLessThan(60_000);
  });
});

describe('S7 S31 who poses as the auth service', () => {
  it('refuses: a server of another authority, and sends it nothing', async () => {
    const other = await pose(stranger.issueHost(['auth'], { usage: 'both' }));
    const error = await refusal(apiTo([other.address]).call(whoami, {}));
    expect(error.code).toBe('CERTIFICATE_INVALID');
    expect(other.requests).toEqual([]);
  });

  it('refuses: the same when the environment turns checks off', async () => {
    const other = await pose(stranger.issueHost(['auth'], { usage: 'both' }));
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const error = await refusal(apiTo([other.address]).call(whoami, {})).finally(() => vi.unstubAllEnvs());
    expect([error.code, other.requests]).toEqual(['CERTIFICATE_INVALID', []]);
  });

  it.each([
    ['a node', ['node'], undefined],
    ['a proxy', ['proxy'], undefined],
    ['a node, over TLS 1.2', ['node'], 'TLSv1.2'],
  ] as const)('refuses: another member (%s), and sends it nothing', async (_, roles, version) => {
    const member = await pose(house.issueHost(roles, { usage: 'both' }), version);
    const api = apiTo([member.address]);
    for (let i = 0; i < 3; i++) {
      const error = await refusal(api.call(whoami, {}));
      expect(error.code).toBe('CERTIFICATE_INVALID');
    }
    expect(member.requests).toEqual([]);
  });

  it('refuses: a user, an expired auth server and one for clients only', async () => {
    const user = await house.issueUser('mallory', ['admin'], { usage: 'both', signedBy: 'host' });
    const expired = house.issueHost(['auth'], { usage: 'both', ttlMs: -1000 });
    const client = house.issueHost(['auth'], { usage: 'client' });
    for (const who of [user, expired, client]) {
      const impostor = await pose(who);
      expect((await refusal(apiTo([impostor.address]).call(whoami, {}))).code).toBe('CERTIFICATE_INVALID');
      expect(impostor.requests).toEqual([]);
    }
  });

  it('ok: the real one through a proxy in the middle, under any address', async () => {
    const proxy = await startTcpProxy(house.auth.port);
    open.push(proxy);
    const api = apiTo([`localhost:${proxy.port}`]);
    expect(await api.call(whoami, {})).toMatchObject({ identity: { kind: 'admin' } });
  });
});

describe('first contact', () => {
  it('ok: with the right pin among several, and without any', async () => {
    const pin = caPin(derFromPem(house.authority));
    const other = caPin(derFromPem(stranger.authority));
    expect(await learnAuthorities(addressOf(house), [other, pin])).toEqual([house.authority]);
    expect(await learnAuthorities(addressOf(house), [])).toEqual([house.authority]);
  });

  it('S7 refuses: another cluster than the pinned one, and names both pins', async () => {
    const pin = caPin(derFromPem(house.authority));
    const error = await refusal(learnAuthorities(addressOf(stranger), [pin]));
    expect(error.code).toBe('CA_PIN_MISMATCH');
    expect(error.message).toContain(pin);
    expect(error.message).toContain(caPin(derFromPem(stranger.authority)));
  });

  it('S33 refuses: what does not answer as an auth service, or without end', async () => {
    const certificate = house.issueHost(['auth'], { usage: 'both' });
    const answers = ['{}', 'no json', '{"tls_certificates":["x"]}', '{"tls_certificates":[]}'];
    for (const answer of [...answers, 'x'.repeat(300_000)]) {
      const server = createServer(
        { cert: certificate.certificate, key: certificate.privateKey },
        (_, reply) => reply.end(answer),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      open.push({ close: () => new Promise((resolve) => server.close(resolve)) });
      const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect((await refusal(learnAuthorities(address, []))).code).toBe('UNAVAILABLE');
    }
    expect((await refusal(learnAuthorities('127.0.0.1:1', []))).code).toBe('UNAVAILABLE');
  });
});
