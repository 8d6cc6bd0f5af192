// A node in a cluster, with nothing made up in between: a real auth service, its watch, its audit log, and an SSH client
// that shows a certificate of the real authority.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAuditSender, type AuditSender } from '#client/audit-sender.ts';
import { startClusterView, type ClusterView } from '#client/cluster-view.ts';
import { openCredentialDir } from '#client/credentials-dir.ts';
import { openLiveSessions } from '#client/member/live-sessions.ts';
import { startMembership, type Membership } from '#client/member/membership.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { Secret } from '#core/secret.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from '#core/ssh-identity.ts';
import type { UserSpec } from '#kinds/user/kind.ts';
import { startTestAuth, TEST_CLUSTER, userIdentity, type TestAuth } from '#test/kit/auth-server.ts';
import { until } from '#test/kit/until.ts';
import { execRequest } from '#wire/ssh/payloads.ts';
import { connectSsh } from '#wire/ssh/connect.ts';
import type { SshConnection, SshKey } from '#wire/ssh/ssh.ts';
import { startAgent, type Agent } from './main.ts';

const TOKEN = 'e94d68a8a1e5821dbd79d03a960644f0';
const LOGIN = userInfo().username;
let house: TestAuth;
let folder: string;
let membership: Membership;
let view: ClusterView;
let audit: AuditSender;
let agent: Agent;
let port: number;

beforeAll(async () => {
  house = await startTestAuth();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-cluster-'));
  await house.put('token', TOKEN, { roles: ['node'] });
  await house.put('role', 'ops', { allow: { logins: [LOGIN], node_labels: { env: ['test'] } } });
  const parts = { clock: systemClock, log: silentLog };
  membership = startMembership({
    ...parts,
    store: openCredentialDir(folder),
    nodeName: 'web-1',
    roles: ['node'],
    authServers: [`127.0.0.1:${house.auth.port}`],
    token: new Secret(TOKEN),
    caPins: house.auth.authorities.caPins(),
    addresses: [],
  });
  view = startClusterView({ ...parts, membership });
  audit = startAuditSender({ ...parts, membership, dir: join(folder, 'outbox') });
  agent = startAgent({
    ...parts,
    version: '0.1.0',
    membership,
    view,
    audit,
    sessions: openLiveSessions(),
    dataDir: folder,
    config: {
      ssh: {
        listenAddr: { host: '127.0.0.1', port: 0 },
        publicAddrs: [],
        labels: { env: 'test' },
        commands: [],
        allowTcpForwarding: true,
        fileCopy: true,
        permitUserEnv: false,
        x11: { enabled: false, displayOffset: 10, maxDisplays: 10 },
      },
    },
    limits: { maxConnections: 10, maxUsers: 10 },
    address: '127.0.0.1:0',
    environment: {},
  });
  await agent.ready;
  const record = membership.record();
  const [document] = record === undefined ? [] : agent.documents(record);
  port = Number(String((document?.spec as { addr?: string } | undefined)?.addr).split(':')[1]);
});
afterAll(async () => {
  await agent.close();
  await audit.close();
  await view.close();
  await membership.close();
  await house.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A certificate as auth issues it to somebody who logged in. */
async function keyOf(name: string, roles: readonly string[]): Promise<SshKey> {
  await house.put('user', name, { roles: [...roles], traits: {} });
  const user = house.auth.state.get('user', name) as Resource<UserSpec>;
  const now = Date.now();
  const { uid } = user.spec;
  const identity = {
    ...userIdentity(TEST_CLUSTER, name, roles, now + 3_600_000),
    ...(uid === undefined ? {} : { uid }),
  };
  const { publicKey, privateKey } = generateKeyPair('ed25519');
  const certificate = house.auth.authorities.signSsh('user', {
    type: 'user',
    subject: publicKeyFromKeyObject(publicKey).blob,
    keyId: name,
    principals: [LOGIN],
    validAfter: now - 60_000,
    validBefore: now + 3_600_000,
    criticalOptions: {},
    extensions: { 'permit-pty': '', [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity) },
  });
  return { privateKey, certificate };
}

function enter(key: SshKey, banners: string[] = []): Promise<SshConnection> {
  const authorities = house.auth.authorities
    .publicPart('host')
    .sshPublicKeys.map((line) => parseAuthorizedKey(line).key);
  return connectSsh({
    socket: connect(port, '127.0.0.1'),
    clock: systemClock,
    log: silentLog,
    user: LOGIN,
    keys: [key],
    verifyHost: ({ blob }) =>
      void verifySshCertificate(blob, { type: 'host', authorities, principal: 'web-1', now: Date.now() }),
    onBanner: (text) => void banners.push(text.trimEnd()),
  });
}

async function run(connection: SshConnection, command: string): Promise<string> {
  let said = '';
  const closed = Promise.withResolvers<void>();
  const channel = await connection.open('session', new Uint8Array(), {
    onData(data) {
      said += data.toString();
      channel.consumed(data.length);
    },
    onClose: () => closed.resolve(),
  });
  await channel.request('exec', execRequest.encode({ command }));
  await closed.promise;
  return said;
}

it('ok: a command, which is on record', async () => {
  const connection = await enter(await keyOf('joe', ['ops']));
  expect(await run(connection, 'echo hello')).toBe('hello\n');
  connection.disconnect(11, 'bye');
  const found = await until('the event', async () =>
    (await house.events()).find(({ event }) => event === 'exec'),
  );
  expect(found).toMatchObject({ user: 'joe', login: LOGIN, command: 'echo hello', exitCode: 0 });
});

it('S16 ok: a lock at auth cuts within a second and keeps out', async () => {
  const key = await keyOf('ada', ['ops']);
  const connection = await enter(key);
  await connection.open('session', new Uint8Array(), {});
  const began = performance.now();
  await house.put('lock', 'l1', { target: { user: 'ada' }, message: 'call ops' });
  expect((await connection.closed)?.message).toContain('call ops');
  expect(performance.now() - began).toBeLessThan(1000);
  const banners: string[] = [];
  await expect(enter(key, banners)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  expect(banners.join('')).toMatch(/^call ops \(denial /);
});

it('S16 ok: a role that changes at auth cuts within a second', async () => {
  await house.put('role', 'short', { allow: { logins: [LOGIN], node_labels: { env: ['test'] } } });
  const key = await keyOf('bob', ['short']);
  await until('the role to be known here', () =>
    enter(key).then(
      (one) => one.disconnect(11, 'x') ?? true,
      () => false,
    ),
  );
  const connection = await enter(key);
  const began = performance.now();
  await house.put('role', 'short', { allow: { logins: [LOGIN], node_labels: { env: ['prod'] } } });
  expect((await connection.closed)?.message).toContain('access to this server has ended');
  expect(performance.now() - began).toBeLessThan(1000);
});

it('ok: the denial that a person was given explains itself to an admin', async () => {
  const banners: string[] = [];
  await expect(enter(await keyOf('eve', ['auditor']), banners)).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
  });
  const [, id = ''] = /\(denial ([0-9a-f-]{36})\)/.exec(banners.join('')) ?? [];
  const answer = await until('the event to arrive', async () => {
    const found = await house.call(house.admin, 'GET', `/v1/access/denials/${id}`);
    return found.status === 200 ? found.body : undefined;
  });
  expect(answer).toMatchObject({ user: 'eve', action: 'connect' });
  expect(JSON.stringify(answer['reasons'])).toContain('nothing allows');
});

it('ok: while auth is away, sessions go on and begin', async () => {
  const key = await keyOf('joe', ['ops']);
  const connection = await enter(key);
  await house.auth.close();
  expect(await run(connection, 'echo on')).toBe('on\n');
  expect(await run(await enter(key), 'echo again')).toBe('again\n');
});
