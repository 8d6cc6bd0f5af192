// Connections that a proxy passes on: whose address counts, and whose word does not.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import type { SystemRole } from '#core/identity.ts';
import { RELAY_TO_AUTH, writeRelayHeader } from '#core/relay-header.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from '#core/ssh-identity.ts';
import { startTestAuth, TEST_CLUSTER, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

const CLIENT = '198.51.100.7';
let house: TestAuth;
let open: Socket[] = [];
beforeEach(async () => {
  house = await startTestAuth({ limits: { maxStrangers: 3, handshakeMs: 2000 } });
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  open = [];
  await house.close();
});

interface About {
  readonly client?: string;
  readonly target?: string;
  readonly roles?: readonly SystemRole[];
  readonly cluster?: string;
  readonly signedBy?: TestAuth;
  readonly ageMs?: number;
}

function header(about: About = {}): Uint8Array {
  const { privateKey, publicKey } = generateKeyPair('ed25519');
  const { roles = ['proxy'], cluster = TEST_CLUSTER, signedBy = house, ageMs = 0 } = about;
  const identity = { kind: 'host', cluster, host_id: 'proxy-1', name: 'door', roles } as const;
  const now = house.clock.now();
  const certificate = signedBy.auth.authorities.signSsh('host', {
    type: 'host',
    subject: publicKeyFromKeyObject(publicKey).blob,
    keyId: 'proxy-1',
    principals: ['door'],
    validAfter: now - 3_600_000,
    validBefore: now + 3_600_000,
    criticalOptions: {},
    extensions: { [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity) },
  });
  return writeRelayHeader({
    client: about.client ?? `${CLIENT}:40000`,
    target: about.target ?? RELAY_TO_AUTH,
    now: now - ageMs,
    key: privateKey,
    certificate,
  });
}

/** A TLS connection after `first` in pieces of `size`; rejects when the server ends it. */
async function connectAfter(
  first: Uint8Array,
  client?: TestClient,
  size: number = first.length,
): Promise<TLSSocket> {
  const socket = connectTcp(house.auth.port, '127.0.0.1');
  open.push(socket);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  for (let at = 0; at < first.length; at += size) {
    await new Promise((resolve) => socket.write(first.subarray(at, at + size), resolve));
  }
  const tls = connect({
    socket,
    ca: house.authority,
    servername: 'localhost',
    ALPNProtocols: ['gatehouse-auth', 'http/1.1'],
    ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
  });
  await new Promise((resolve, reject) => {
    tls.once('secureConnect', resolve).once('error', reject);
    tls.once('close', () => reject(new Error('closed')));
  });
  return tls;
}

function get(tls: TLSSocket, path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    tls.on('data', (part: Buffer) => (text += part.toString('latin1')));
    tls.once('close', () => resolve(text));
    tls.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  });
}
const addresses = async (): Promise<unknown[]> =>
  (await house.events())
    .filter(({ event }) => event === 'access.denied')
    .map((event) => (event as { 'addr.remote'?: string })['addr.remote']);
const DENIED = '/v1/resources/users';

describe('relayed connections', () => {
  it('ok: the client that the proxy names is the one on record, and the pinned address', async () => {
    const amy = await house.issueUser('amy', [], { identity: { pinned_ip: CLIENT } });
    expect(await get(await connectAfter(header(), amy), '/v1/whoami')).toContain('"name":"amy"');
    expect(await get(await connectAfter(header({ client: '203.0.113.9:1' }), amy), '/v1/whoami')).toContain(
      'ACCESS_DENIED',
    );
    expect(await addresses()).toEqual(['203.0.113.9']);
  });

  it('ok: without a header the address is that of the connection; in pieces it counts as well', async () => {
    const amy = await house.issueUser('amy', []);
    await get(await connectAfter(new Uint8Array(), amy), DENIED);
    await get(await connectAfter(header({ client: '[2001:db8::1]:7' }), amy, 100), DENIED);
    expect(await addresses()).toEqual(['127.0.0.1', '2001:db8::1']);
  });

  it('ok: the protocol of the auth API is taken', async () => {
    expect((await connectAfter(header())).alpnProtocol).toBe('gatehouse-auth');
  });

  it.each<[string, About]>([
    ['a node', { roles: ['node'] }],
    ['an auth server', { roles: ['auth'] }],
    ['another cluster by name', { cluster: 'other.example.com' }],
    ['another target', { target: 'node-1' }],
    ['long ago', { ageMs: 6 * 60_000 }],
    ['the future', { ageMs: -6 * 60_000 }],
  ])('S19 refuses: the word of %s', async (_name, about) => {
    await expect(connectAfter(header(about))).rejects.toThrow();
  });

  it('S19 refuses: a header twice, one of a foreign authority, a locked proxy, and what only looks like one', async () => {
    const one = header();
    expect((await connectAfter(one)).authorized).toBe(true);
    await expect(connectAfter(one)).rejects.toThrow();
    const stranger = await startTestAuth();
    await expect(connectAfter(header({ signedBy: stranger }))).rejects.toThrow();
    await stranger.close();
    await expect(connectAfter(Buffer.from('GATEHOUSE-RELAY/1 a b c\n'))).rejects.toThrow();
    await expect(connectAfter(Buffer.concat([header(), header()]))).rejects.toThrow();
    await house.put('lock', 'l', { target: { server_id: 'proxy-1' } });
    await expect(connectAfter(header())).rejects.toThrow();
  });

  it('S32 S33 strangers behind a proxy are counted each by their own address', async () => {
    for (let n = 0; n < 3; n++) await connectAfter(header());
    await expect(
      connectAfter(header()).then((tls) =>
        get(tls, '/v1/ping').then((text) => expect(text).toContain('200')),
      ),
    ).rejects.toThrow();
    expect(await get(await connectAfter(header({ client: '203.0.113.9:1' })), '/v1/ping')).toContain('200');
    expect(await get(await connectAfter(new Uint8Array()), '/v1/ping')).toContain('200');
  });

  it('S32 a header that never ends is not waited for', async () => {
    const small = await startTestAuth({ limits: { handshakeMs: 200 } });
    const socket = connectTcp(small.auth.port, '127.0.0.1');
    open.push(socket);
    const closed = new Promise((resolve) => socket.once('close', resolve).once('error', () => {}));
    socket.write('GATEHOUSE-RELAY/1 ');
    await closed;
    await small.close();
  });
});
