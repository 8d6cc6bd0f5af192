// Certificates for proxies that end sessions: for whom, for which servers, and never more than the person's own.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RELAY_NODE_EXTENSION, relayHost, relayUser } from '#core/api/relay.ts';
import { parseSshCertificateLine, type SshCertificate } from '#core/certs/ssh/certificate.ts';
import type { Identity } from '#core/identity.ts';
import { readSshIdentity } from '#core/ssh-identity.ts';
import {
  ADDRESS,
  callerOf,
  CLUSTER,
  makeKeyTexts,
  startTestAuth,
  type TestAuth,
} from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { ISSUE_HANDLERS } from './handlers.ts';
import { issueUser } from './user.ts';

const MINUTE = 60_000;
const PROXY: Identity = { kind: 'host', cluster: CLUSTER, host_id: 'p1', name: 'p', roles: ['proxy'] };
const AGENT = '11111111-2222-4333-8444-555555555555';

let test: TestAuth;
beforeEach(async () => {
  test = await startTestAuth();
  const plain = makeResource('node', 'legacy-1', { hostname: 'legacy', addr: '10.0.0.9:22' });
  const labels = { env: 'prod' };
  await put(
    makeRole('ops', { logins: ['root'], node_labels: { env: 'prod' } }, { forward_agent: true }),
    makeRole('quiet', { logins: ['root'], node_labels: { env: 'prod' } }, { port_forwarding: false }),
    makeUser('joe', ['ops']),
    makeUser('eve', ['quiet']),
    { ...plain, sub_kind: 'openssh', metadata: { ...plain.metadata, labels } },
    { ...makeResource('node', AGENT, { hostname: 'web-1', addr: '10.0.0.1:3022' }) },
  );
  await label(AGENT, labels);
});
afterEach(() => test.close());

type Stored = ReturnType<typeof makeResource>;
const put = async (...resources: Stored[]): Promise<void> => {
  await test.state.write(resources.map((resource) => ({ do: 'put', resource })));
};
async function label(name: string, labels: Record<string, string>): Promise<void> {
  const node = test.state.get('node', name) as Stored;
  await put({ ...node, metadata: { ...node.metadata, labels } });
}
const recordAt = (mode: string): Promise<void> =>
  put(makeResource('session_recording_config', 'session-recording-config', { mode }));

async function shown(user: string): Promise<string> {
  const issued = await issueUser(test.context, {
    user,
    keys: makeKeyTexts(),
    address: ADDRESS,
    method: 'login',
  });
  test.events.length = 0;
  return issued.ssh_certificate;
}

async function call(endpoint: typeof relayUser | typeof relayHost, request: object): Promise<SshCertificate> {
  const found = ISSUE_HANDLERS.find((one) => one.endpoint.path === endpoint.path)!;
  const { ssh_public_key } = makeKeyTexts();
  const answer = await found.handle(test.context, callerOf(PROXY), { ssh_public_key, ...request }, {});
  return parseSshCertificateLine((answer as { ssh_certificate: string }).ssh_certificate);
}
const asUser = async (more: object = {}, user = 'joe'): Promise<SshCertificate> =>
  call(relayUser, {
    node: 'legacy-1',
    login: 'root',
    address: ADDRESS,
    certificate: await shown(user),
    ...more,
  });

describe('the way to a server', () => {
  it('S13 a plain sshd: one login on one server for five minutes, and no member of the cluster', async () => {
    const { principals, validBefore, extensions, criticalOptions, type } = await asUser();
    expect({ principals, type }).toEqual({
      principals: ['root', 'gatehouse:legacy-1:root'],
      type: 'user',
    });
    expect(validBefore - test.clock.now()).toBeLessThanOrEqual(5 * MINUTE);
    expect([...extensions.keys()].toSorted()).toEqual([
      'permit-agent-forwarding',
      'permit-port-forwarding',
      'permit-pty',
    ]);
    expect(criticalOptions.size).toBe(0);
    expect(() => readSshIdentity(extensions)).toThrow(/no identity/);
    expect(test.events).toMatchObject([
      { event: 'cert.create', method: 'relay', user: 'joe', host_id: 'p1' },
    ]);
  });

  it('S13 what the certificate of the person does not permit is not permitted', async () => {
    const { extensions } = await asUser({}, 'eve');
    expect(extensions.has('permit-port-forwarding')).toBe(false);
  });

  it('S13 a server with an agent, where proxies record: bound to it, with the identity and its end', async () => {
    await recordAt('proxy');
    const certificate = await shown('joe');
    const { extensions, principals } = await asUser({ node: AGENT, certificate });
    expect(principals).toEqual(['root']);
    expect(extensions.get(RELAY_NODE_EXTENSION)).toBe(AGENT);
    expect(readSshIdentity(extensions)).toEqual(
      readSshIdentity(parseSshCertificateLine(certificate).extensions),
    );
  });

  it.each<[string, object]>([
    ['a server with an agent, where nodes record', { node: AGENT }],
    ['a server that does not exist', { node: 'nothing' }],
  ])('S18 refuses: %s', async (_name, more) => {
    await expect(asUser(more)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(test.events).toMatchObject([{ event: 'access.denied', action: 'relay' }]);
  });

  it('S18 refuses: logins, labels and addresses that are not those of the person', async () => {
    await expect(asUser({ login: 'admin' })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
    await label('legacy-1', { env: 'test' });
    await expect(asUser()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('S18 refuses: expired certificates, those of other authorities, and its own', async () => {
    const certificate = await shown('joe');
    await recordAt('proxy');
    const { ssh_public_key } = makeKeyTexts();
    const handler = ISSUE_HANDLERS.find((one) => one.endpoint.path === relayUser.path)!;
    const request = { node: AGENT, login: 'root', address: ADDRESS, certificate, ssh_public_key };
    const relayed = (await handler.handle(test.context, callerOf(PROXY), request, {})) as {
      ssh_certificate: string;
    };
    await expect(asUser({ node: AGENT, certificate: relayed.ssh_certificate })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    const other = await startTestAuth();
    await other.state.write([
      { do: 'put', resource: makeRole('ops', { logins: ['root'] }) },
      { do: 'put', resource: makeUser('joe', ['ops']) },
    ]);
    const foreign = await issueUser(other.context, {
      user: 'joe',
      keys: makeKeyTexts(),
      address: ADDRESS,
      method: 'login',
    });
    await other.close();
    await expect(asUser({ certificate: foreign.ssh_certificate })).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    });
    await test.clock.advance(31 * 60 * MINUTE);
    await expect(asUser({ certificate })).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
  });

  it('S16 refuses: people and servers that are locked', async () => {
    const certificate = await shown('joe');
    await put(makeResource('lock', 'l1', { target: { user: 'joe' }, message: 'no' }));
    await expect(asUser({ certificate })).rejects.toMatchObject({ code: 'LOCKED' });
  });
});

describe('the name of a server', () => {
  it('ok: all names of the node, with no identity, for an hour', async () => {
    const { principals, extensions, type, validBefore } = await call(relayHost, { node: 'legacy-1' });
    expect(principals).toEqual([
      'legacy-1',
      'legacy',
      `legacy-1.${CLUSTER}`,
      `legacy.${CLUSTER}`,
      '10.0.0.9',
    ]);
    expect({ type, more: extensions.size }).toEqual({ type: 'host', more: 0 });
    expect(validBefore - test.clock.now()).toBeLessThanOrEqual(60 * MINUTE);
  });

  it('S18 refuses: servers with an agent, unless proxies record; ok: then', async () => {
    await expect(call(relayHost, { node: AGENT })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await recordAt('proxy-sync');
    expect((await call(relayHost, { node: AGENT })).principals).toContain('web-1');
  });

  it('S18 never a door of the cluster, whatever an admin has called the node', async () => {
    const node = makeResource('node', 'x-1', { hostname: 'auth', addr: 'auth.internal.example.com:22' });
    await put({ ...node, sub_kind: 'openssh' });
    expect((await call(relayHost, { node: 'x-1' })).principals).toEqual(['x-1', `x-1.${CLUSTER}`]);
  });

  it('S18 is for proxies only', () => {
    for (const { path } of [relayUser, relayHost]) {
      const found = ISSUE_HANDLERS.find(({ endpoint }) => endpoint.path === path)!;
      expect(found.access).toEqual({ to: 'host', roles: ['proxy'] });
    }
  });
});
