// Machines at the routes they call: every refusal of a token sounds the same, and a compromised host speaks of itself only.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostCertificates } from '#core/api/join.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { parseIdentity, type HostIdentity, type Identity } from '#core/identity.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource } from '#test/kit/state.ts';
import type { Handler } from '../routes/handler.ts';
import { joiningHandlers } from './handlers.ts';
import { openKubernetesReviews } from './kubernetes/open.ts';

const STATIC = 'static-token-value';
const DYNAMIC = 'e94d68a8a1e5821dbd79d03a960644f0';
const OWN = 'own-token-value';
const OTHER_ID = '99999999-2222-4333-8444-555555555555';
let test: TestAuth;
let handlers: readonly Handler[];
/** Of the machine of the auth service itself. */
const own: { id: string | undefined } = { id: undefined };
beforeEach(async () => {
  test = await startTestAuth();
  handlers = joiningHandlers({
    staticTokens: [{ token: STATIC, roles: ['proxy', 'node'] }],
    ownHost: { token: OWN, roles: ['node'], id: () => own.id },
    kubernetes: openKubernetesReviews({ clock: test.clock, log: silentLog }),
    clock: test.clock,
  });
  const expires = new Date(test.clock.now() + 300_000).toISOString();
  await test.state.write([
    { do: 'put', resource: makeResource('token', DYNAMIC, { roles: ['node', 'app'] }, { expires }) },
  ]);
});
afterEach(() => test.close());

async function call(
  path: string,
  identity: Identity | undefined,
  request: object,
  address?: string,
): Promise<unknown> {
  const found = handlers.find(({ endpoint }) => endpoint.path === path)!;
  return found.handle(test.context, callerOf(identity, address), request, {});
}
const join = (more: object = {}, address?: string): Promise<HostCertificates> =>
  call(
    '/v1/join',
    undefined,
    {
      method: 'token',
      token: DYNAMIC,
      roles: ['node'],
      node_name: 'web-1',
      addresses: [],
      ...makeKeyTexts(),
      ...more,
    },
    address,
  ) as Promise<HostCertificates>;
const identityIn = ({ tls_certificate }: HostCertificates): HostIdentity =>
  parseIdentity(identityOfCertificate(derFromPem(tls_certificate))) as HostIdentity;
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );

describe('joining', () => {
  it('ok: by a dynamic and by a static token, each machine with an id of its own', async () => {
    const one = await join();
    const two = await join({ token: STATIC, roles: ['proxy', 'node', 'node'], node_name: 'proxy-1' });
    expect(one.host_id).not.toBe(two.host_id);
    expect(identityIn(one)).toEqual({
      kind: 'host',
      cluster: CLUSTER,
      host_id: one.host_id,
      name: 'web-1',
      roles: ['node'],
    });
    expect(identityIn(two).roles).toEqual(['proxy', 'node']);
    const joins = test.events.filter(({ event }) => event === 'instance.join');
    expect(joins).toEqual([
      expect.objectContaining({
        success: true,
        host_id: one.host_id,
        name: 'web-1',
        'addr.remote': '192.0.2.7',
      }),
      expect.objectContaining({ success: true, host_id: two.host_id }),
    ]);
  });

  it.each<[string, object, string]>([
    ['an unknown token', { token: 'nope-nope-nope' }, 'unknown'],
    ['the empty token', { token: '' }, 'unknown'],
    ['a role the token does not allow', { roles: ['auth'] }, 'role'],
    ['one role too many', { roles: ['node', 'proxy'] }, 'role'],
    ['no role', { roles: [] }, 'role'],
    ['a method that is not there', { method: 'iam' }, 'method'],
  ])('S8 S9 refuses %s in the same words as any other', async (_title, more, why) => {
    const error = await refusal(join(more));
    expect(error.code).toBe('BAD_JOIN_TOKEN');
    expect(error.message).toBe((await refusal(join({ token: 'quite-another' }))).message);
    expect(error.details).toEqual({});
    expect(test.events[0]).toMatchObject({ event: 'instance.join', success: false, error: why });
    expect(test.events.some(({ event }) => event === 'cert.create')).toBe(false);
  });

  it('refuses: an expired, a deleted and a locked token', async () => {
    await test.state.write([
      { do: 'put', resource: makeResource('lock', 'l', { target: { join_token: DYNAMIC } }) },
    ]);
    expect((await refusal(join())).code).toBe('BAD_JOIN_TOKEN');
    expect(test.events.at(-1)).toMatchObject({ error: 'locked' });
    await test.state.write([{ do: 'delete', kind: 'lock', name: 'l' }]);
    await test.clock.advance(300_000);
    expect((await refusal(join())).code).toBe('BAD_JOIN_TOKEN');
    await test.state.write([
      { do: 'put', resource: makeResource('token', 'short-lived', { roles: ['node'] }) },
    ]);
    await join({ token: 'short-lived' });
    await test.state.write([{ do: 'delete', kind: 'token', name: 'short-lived' }]);
    expect((await refusal(join({ token: 'short-lived' }))).code).toBe('BAD_JOIN_TOKEN');
  });

  it('S8 the token of an invite is no join token', async () => {
    const expires = new Date(test.clock.now() + 300_000).toISOString();
    const hash = 'a'.repeat(64);
    const spec = { user: 'joe', purpose: 'invite', created: expires };
    await test.state.write([{ do: 'put', resource: makeResource('invite', hash, spec, { expires }) }]);
    expect((await refusal(join({ token: hash }))).code).toBe('BAD_JOIN_TOKEN');
  });

  it('S9 no token is ever in an event, an error or a log line', async () => {
    await join();
    await refusal(join({ token: 'guess-guess-guess' }));
    await refusal(join({ node_name: 'a,b' }));
    const text = JSON.stringify(test.events);
    for (const secret of [DYNAMIC, STATIC, 'guess-guess-guess']) expect(text).not.toContain(secret);
  });

  it('S7 guesses of one address are bounded, others and good tokens are not held up', async () => {
    for (let i = 0; i < 20; i++)
      expect((await refusal(join({ token: `guess-${i}-xxxx` }))).code).toBe('BAD_JOIN_TOKEN');
    expect((await refusal(join())).code).toBe('LIMIT_EXCEEDED');
    await join({}, '198.51.100.1');
    for (let i = 0; i < 30; i++) await join({ node_name: `n${i}` }, '198.51.100.2');
    await test.clock.advance(10_000);
    await join();
  });

  it('refuses: a name that is no name, after the token was good, and says so in the log', async () => {
    expect((await refusal(join({ node_name: 'a,b' }))).code).toBe('BAD_REQUEST');
    expect(test.events.at(-1)).toMatchObject({
      event: 'instance.join',
      success: false,
      error: 'BAD_REQUEST',
    });
  });
});

describe('renewal', () => {
  it('ok: the same id and roles, a new name and new keys', async () => {
    const identity = identityIn(await join());
    const request = { node_name: 'web-2', addresses: ['10.0.0.1'], ...makeKeyTexts() };
    const renewed = (await call('/v1/certificates/host', identity, request)) as HostCertificates;
    expect(identityIn(renewed)).toEqual({ ...identity, name: 'web-2' });
  });

  it('S18 neither id nor roles can be asked for, nor the name of another host', async () => {
    const identity = identityIn(await join());
    const forged = {
      node_name: 'web-1',
      addresses: [],
      ...makeKeyTexts(),
      host_id: OTHER_ID,
      roles: ['auth'],
    };
    const renewed = (await call('/v1/certificates/host', identity, forged)) as HostCertificates;
    expect(identityIn(renewed)).toEqual(identity);
    for (const name of [OTHER_ID, `${OTHER_ID}.${CLUSTER}`, CLUSTER]) {
      expect(
        (await refusal(call('/v1/certificates/host', identity, { ...forged, node_name: name }))).code,
      ).toBe('BAD_REQUEST');
    }
  });

  it('S18 the names of auth and proxy are for those, and for the machine of the auth service', async () => {
    for (const node_name of ['auth', 'proxy', 'auth-1', `auth-1.${CLUSTER}`]) {
      const refused = await refusal(join({ node_name }));
      expect([refused.code, refused.details]).toEqual(['BAD_REQUEST', { field: 'node_name' }]);
    }
    const asProxy = await join({ token: STATIC, roles: ['proxy'], node_name: 'proxy' });
    expect(identityIn(asProxy).name).toBe('proxy');
    const self = await join({ token: OWN, node_name: 'auth-1' });
    const node = await join();
    own.id = self.host_id;
    const request = { node_name: 'auth-1', addresses: [], ...makeKeyTexts() };
    const renewed = await call('/v1/certificates/host', identityIn(self), request);
    expect(identityIn(renewed as HostCertificates).name).toBe('auth-1');
    for (const id of [self.host_id, undefined]) {
      own.id = id;
      const { code } = await refusal(call('/v1/certificates/host', identityIn(node), request));
      expect(code).toBe('BAD_REQUEST');
    }
  });

  it('S16 a locked host is not renewed', async () => {
    const identity = identityIn(await join());
    await test.state.write([
      { do: 'put', resource: makeResource('lock', 'l', { target: { server_id: identity.host_id } }) },
    ]);
    const request = { node_name: 'web-1', addresses: [], ...makeKeyTexts() };
    expect((await refusal(call('/v1/certificates/host', identity, request))).code).toBe('LOCKED');
  });
});

describe('heartbeat', () => {
  const beat = (identity: Identity | undefined, resources: object[], ttl = '10m'): Promise<unknown> =>
    call('/v1/heartbeat', identity, { version: '1.2.3', ttl, resources });
  const node = (name: string, more: object = {}, metadata: object = {}): object => ({
    kind: 'node',
    version: 'v2',
    metadata: { name, ...metadata },
    spec: { hostname: 'web-1', addr: '10.0.0.1:22', ...more },
  });

  const proxyOf = (id: string, more: object = {}): object => ({
    kind: 'proxy',
    metadata: { name: id },
    spec: { hostname: 'web-1', public_addrs: ['gate.example.com:443'], ...more },
  });
  const SESSION = '4c146ec8-eab6-41e6-b1b3-40167e68e931';
  const session = (id: string, more: object = {}): object => ({
    kind: 'session',
    metadata: { name: SESSION },
    spec: { host_id: id, server_id: id, user: 'joe', created: '2026-01-01T00:00:00Z', ...more },
  });

  it('ok: a proxy announces itself, and sessions on servers that it records', async () => {
    const identity = identityIn(await join({ token: STATIC, roles: ['proxy'] }));
    const id = identity.host_id;
    await beat(identity, [proxyOf(id), session(id, { server_id: OTHER_ID })]);
    expect(test.state.get('proxy', id)?.spec).toMatchObject({ public_addrs: ['gate.example.com:443'] });
    expect(test.state.get('session', SESSION)?.spec).toMatchObject({ server_id: OTHER_ID });
    expect((await refusal(beat(identity, [proxyOf(id, { hostname: 'auth' })]))).code).toBe('BAD_REQUEST');
  });

  it('ok: a session is there until its host says that it is over', async () => {
    const identity = identityIn(await join());
    await beat(identity, [session(identity.host_id)]);
    expect(test.state.get('session', SESSION)?.metadata.expires).toBe('2026-01-01T00:10:00Z');
    await call('/v1/heartbeat', identity, { version: '1', ttl: '10m', resources: [], ended: [SESSION, 'x'] });
    expect(test.state.get('session', SESSION)).toBeUndefined();
  });

  it('S18 a session of another host is neither taken over nor ended', async () => {
    const owner = identityIn(await join());
    await beat(owner, [session(owner.host_id)]);
    const thief = identityIn(await join({ token: STATIC, roles: ['proxy'] }));
    const before = test.state.revision();
    expect((await refusal(beat(thief, [session(thief.host_id)]))).code).toBe('ACCESS_DENIED');
    expect(test.state.revision()).toBe(before);
    await call('/v1/heartbeat', thief, { version: '1', ttl: '10m', resources: [], ended: [SESSION] });
    expect(test.state.get('session', SESSION)?.spec).toMatchObject({ host_id: owner.host_id });
  });

  it('ok: a thousand sessions at once, and no more', async () => {
    const identity = identityIn(await join());
    const many = Array.from({ length: 1001 }, (_, i) => ({
      ...session(identity.host_id),
      metadata: { name: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}` },
    }));
    expect((await refusal(beat(identity, many))).code).toBe('TOO_LARGE');
    await beat(identity, [node(identity.host_id), ...many.slice(1)]);
    expect([...test.state.list('session')]).toHaveLength(1000);
  });

  it('ok: the instance and its node, for as long as it beats', async () => {
    const identity = identityIn(await join());
    const id = identity.host_id;
    expect(await beat(identity, [node(id, {}, { labels: { env: 'prod' } })])).toEqual({
      server_version: '0.0.0',
    });
    expect(test.state.get('instance', id)?.spec).toEqual({
      host_id: id,
      hostname: 'web-1',
      roles: ['node'],
      version: '1.2.3',
      last_seen: '2026-01-01T00:00:00Z',
    });
    await test.clock.advance(9 * 60_000);
    const from = test.state.revision();
    await beat(identity, [node(id)]);
    expect(Number(test.state.revision())).toBe(Number(from) + 1);
    await test.clock.advance(9 * 60_000);
    expect(test.state.get('node', id)?.metadata.expires).toBe('2026-01-01T00:19:00Z');
    await test.clock.advance(60_000);
    expect([test.state.get('node', id), test.state.get('instance', id)]).toEqual([undefined, undefined]);
  });

  it('ok: what the host says of expiry and revision does not count', async () => {
    const identity = identityIn(await join());
    const metadata = { expires: '2099-01-01T00:00:00Z', revision: '1' };
    await beat(identity, [node(identity.host_id, {}, metadata)]);
    expect(test.state.get('node', identity.host_id)?.metadata.expires).toBe('2026-01-01T00:10:00Z');
  });

  it.each<[string, (id: string) => object[], string]>([
    ['S18 the node of another host', () => [node(OTHER_ID)], 'ACCESS_DENIED'],
    [
      'S18 a user',
      () => [{ kind: 'user', version: 'v2', metadata: { name: 'eve' }, spec: { roles: ['admin'] } }],
      'ACCESS_DENIED',
    ],
    [
      'S18 a role',
      () => [{ kind: 'role', version: 'v7', metadata: { name: 'eve' }, spec: {} }],
      'ACCESS_DENIED',
    ],
    [
      'S18 an authority',
      () => [{ kind: 'cert_authority', metadata: { name: 'user' }, spec: {} }],
      'ACCESS_DENIED',
    ],
    [
      'S18 an instance of its own making',
      (id) => [{ kind: 'instance', metadata: { name: id }, spec: {} }],
      'ACCESS_DENIED',
    ],
    [
      'S18 an internal label',
      (id) => [node(id, {}, { labels: { 'gatehouse.internal/x': '1' } })],
      'ACCESS_DENIED',
    ],
    ['a server without an agent', (id) => [{ ...node(id), sub_kind: 'openssh' }], 'ACCESS_DENIED'],
    ['no document', () => [null as unknown as object], 'ACCESS_DENIED'],
    ['S18 the host name of another server', (id) => [node(id, { hostname: 'prod-db' })], 'BAD_REQUEST'],
    ['a node that is not valid', (id) => [node(id, { surprise: 1 })], 'INVALID_RESOURCE'],
    ['two nodes', (id) => [node(id), node(id)], 'TOO_LARGE'],
    ['S18 a proxy, of a host that is none', (id) => [proxyOf(id)], 'ACCESS_DENIED'],
    ['S18 a session on another host', (id) => [session(id, { host_id: OTHER_ID })], 'ACCESS_DENIED'],
    ['S18 a session to another server', (id) => [session(id, { server_id: OTHER_ID })], 'ACCESS_DENIED'],
    ['a session twice', (id) => [session(id), session(id)], 'BAD_REQUEST'],
    [
      'labels without end',
      (id) => [
        node(
          id,
          {},
          { labels: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, 'x'.repeat(1000)])) },
        ),
      ],
      'TOO_LARGE',
    ],
  ])('refuses: %s, and writes nothing', async (_title, resources, code) => {
    const identity = identityIn(await join());
    const before = test.state.revision();
    expect((await refusal(beat(identity, resources(identity.host_id)))).code).toBe(code);
    expect(test.state.revision()).toBe(before);
  });

  it('S18 a denial has an id for the host, and the reason for admins', async () => {
    const identity = identityIn(await join());
    const error = await refusal(beat(identity, [node(OTHER_ID)]));
    expect(error.message).toMatch(/^access denied \(denial /);
    expect(test.events.at(-1)).toMatchObject({
      event: 'access.denied',
      denial_id: error.details['denial_id'],
      reasons: ['metadata.name is not the id of the host that calls'],
    });
  });

  it('S18 a host that has not joined as node announces none, and users announce nothing', async () => {
    const identity = identityIn(await join({ roles: ['app'] }));
    expect((await refusal(beat(identity, [node(identity.host_id)]))).code).toBe('ACCESS_DENIED');
    await beat(identity, []);
    expect((await refusal(beat({ kind: 'admin', cluster: CLUSTER, name: 'a' }, []))).code).toBe(
      'ACCESS_DENIED',
    );
    expect((await refusal(beat(undefined, []))).code).toBe('ACCESS_DENIED');
  });

  it('refuses: a presence that would last too long, and too many calls of one host', async () => {
    const identity = identityIn(await join());
    expect((await refusal(beat(identity, [], '2h'))).code).toBe('BAD_REQUEST');
    for (let i = 0; i < 29; i++) await beat(identity, []);
    expect((await refusal(beat(identity, []))).code).toBe('LIMIT_EXCEEDED');
    await test.clock.advance(2000);
    await beat(identity, []);
  });
});
