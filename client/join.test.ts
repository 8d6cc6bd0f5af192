import { rmSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { heartbeat } from '#core/api/join.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makePodTokenKey, podTokenJwks, signPodToken } from '#test/kit/pod-tokens.ts';
import { until } from '#test/kit/until.ts';
import { openCredentialDir } from './credentials-dir.ts';
import type { HostRecord } from './credentials.ts';
import { renewalTime, startMembership } from './member/membership.ts';
import { becomeMember, openHostApi, renewIdentity, type JoinOptions, type JoinProof } from './join.ts';

const TOKEN = 'e94d68a8a1e5821dbd79d03a960644f0';
let house: TestAuth;
let stranger: TestAuth;
let folder: string;
let lines: string[];
beforeAll(async () => {
  house = await startTestAuth();
  stranger = await startTestAuth();
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('token', TOKEN, { roles: ['node'] }, { expires });
});
afterAll(async () => {
  await house.close();
  await stranger.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-join-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (level: string) => (fields: object, message: string) =>
  void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
const log: Log = {
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
  child: () => log,
};

const options = (more: Partial<JoinOptions> = {}): JoinOptions => ({
  store: openCredentialDir(folder),
  authServers: [`127.0.0.1:${house.auth.port}`],
  token: new Secret(TOKEN),
  caPins: [caPin(derFromPem(house.authority))],
  roles: ['node'],
  nodeName: 'web-1',
  addresses: ['10.0.0.7'],
  log,
  ...more,
});
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );
const beat = async (record: HostRecord): Promise<void> => {
  const api = openHostApi(record);
  try {
    await api.call(heartbeat, { version: '0.1.0', ttl: '10m', resources: [], ended: [] });
  } finally {
    api.close();
  }
};

it('ok: a token becomes an identity, once; later starts need no token and ask nobody', async () => {
  const record = await becomeMember(options());
  await beat(record);
  const again = await becomeMember(options({ token: undefined, authServers: ['127.0.0.1:1'] }));
  expect(again.certificates.host_id).toBe(record.certificates.host_id);
  expect(again.auth_servers).toEqual(['127.0.0.1:1']);
  expect(lines.join('\n')).not.toMatch(/warn/);
});

it('ok: an identity of fewer roles gives way where that is allowed, and is kept otherwise', async () => {
  const both = 'bothbothbothbothbothbothboth';
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('token', both, { roles: ['node', 'proxy'] }, { expires });
  const first = await becomeMember(options());
  const more = { roles: ['proxy', 'node'], token: new Secret(both) } as const;
  expect((await refusal(becomeMember(options(more)))).code).toBe('BAD_REQUEST');
  const second = await becomeMember(options({ ...more, mayRejoin: true }));
  expect(second).toMatchObject({ roles: ['proxy', 'node'], generation: 2 });
  expect(second.certificates.host_id).not.toBe(first.certificates.host_id);
  const third = await becomeMember(options({ ...more, mayRejoin: true }));
  expect(third.certificates.host_id).toBe(second.certificates.host_id);
});

it('ok: without a pin it joins, and warns', async () => {
  await becomeMember(options({ caPins: [] }));
  expect(lines.filter((line) => line.startsWith('warn')).join()).toContain('pin');
});

it('ok: renewed, it is the same host with new keys; a second renewal of the old record takes what is stored', async () => {
  const first = await becomeMember(options());
  const second = await renewIdentity(first, options());
  expect(second.certificates.host_id).toBe(first.certificates.host_id);
  expect(second.generation).toBe(2);
  expect(second.tls_private_key).not.toBe(first.tls_private_key);
  await beat(second);
  expect(renewalTime(second, 'web-1', ['10.0.0.7'])).toBeGreaterThan(house.clock.now());
  expect(renewalTime(second, 'web-1', ['10.0.0.7', 'Proxy.example.com'])).toBe(0);
  expect(renewalTime(second, 'web-2', ['10.0.0.7'])).toBe(0);
  expect(await renewIdentity(first, options())).toEqual(second);
  expect((await openCredentialDir(folder).load())?.tls_private_key).toBe(second.tls_private_key);
});

it('S7 refuses: a wrong pin; the token is not sent and nothing is kept', async () => {
  const pin = `sha256:${'0'.repeat(64)}`;
  expect((await refusal(becomeMember(options({ caPins: [pin] })))).code).toBe('CA_PIN_MISMATCH');
  expect(await openCredentialDir(folder).load()).toBeUndefined();
});

it('S7 S31 refuses: one in the middle who shows the real authority and has a certificate of another', async () => {
  const forged = stranger.issueHost(['auth'], { usage: 'both' });
  const seen: string[] = [];
  const server = createServer({ cert: forged.certificate, key: forged.privateKey }, (request, reply) => {
    seen.push(`${request.method} ${request.url}`);
    reply.end(JSON.stringify({ tls_certificates: [house.authority] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const authServers = [`127.0.0.1:${(server.address() as AddressInfo).port}`];
  expect((await refusal(becomeMember(options({ authServers })))).code).toBe('CERTIFICATE_INVALID');
  expect(seen).toEqual(['GET /v1/authorities/host']);
  server.close();
});

it('refuses: bad tokens, a role the token does not allow, no token, no server', async () => {
  const cases: [Partial<JoinOptions>, string][] = [
    [{ token: new Secret('unknown-token') }, 'BAD_JOIN_TOKEN'],
    [{ roles: ['node', 'proxy'] }, 'BAD_JOIN_TOKEN'],
    [{ token: undefined }, 'BAD_JOIN_TOKEN'],
    [{ authServers: ['127.0.0.1:1'] }, 'UNAVAILABLE'],
    [{ authServers: [] }, 'USAGE'],
  ];
  for (const [more, code] of cases) expect((await refusal(becomeMember(options(more)))).code).toBe(code);
  expect(await openCredentialDir(folder).load()).toBeUndefined();
});

it('R11 refuses: an identity of another cluster than the one that answers; nothing is asked for, the record stays', async () => {
  const first = await becomeMember(options());
  const moved = { authServers: [`127.0.0.1:${stranger.auth.port}`], caPins: [] };
  const error = await refusal(becomeMember(options(moved)));
  expect(error).toMatchObject({ code: 'OTHER_CLUSTER' });
  expect(error.message).toContain(caPin(derFromPem(stranger.authority)));
  expect(await openCredentialDir(folder).load()).toEqual(first);
  expect((await stranger.events()).filter(({ event }) => event === 'instance.join')).toEqual([]);
});

it('R11 ok: where re-joining is allowed, a replaced cluster is joined anew, and only with its pin', async () => {
  const first = await becomeMember(options());
  const token = 'strangestrangestrange';
  const expires = new Date(stranger.clock.now() + 3_600_000).toISOString();
  await stranger.put('token', token, { roles: ['node'] }, { expires });
  const moved = {
    authServers: [`127.0.0.1:${stranger.auth.port}`],
    token: new Secret(token),
    rejoin: true,
  };
  expect((await refusal(becomeMember(options(moved)))).code).toBe('CA_PIN_MISMATCH');
  expect(await openCredentialDir(folder).load()).toEqual(first);
  const caPins = [caPin(derFromPem(stranger.authority))];
  const second = await becomeMember(options({ ...moved, caPins }));
  expect(second.generation).toBe(2);
  expect(second.certificates.host_id).not.toBe(first.certificates.host_id);
  expect(await becomeMember(options({ ...moved, caPins, token: undefined }))).toEqual(second);
});

it('refuses: an identity of other roles', async () => {
  await becomeMember(options());
  const error = await refusal(becomeMember(options({ roles: ['node', 'proxy'] })));
  expect(error.code).toBe('BAD_REQUEST');
  expect(error.message).toContain('joined as node');
});

it('S36 ok: neither token nor keys are in the log', async () => {
  const record = await becomeMember(options({ caPins: [] }));
  await renewIdentity(record, options());
  const text = lines.join('\n');
  expect(text).toContain('joined the cluster');
  for (const secret of [TOKEN, 'PRIVATE KEY', record.tls_private_key.slice(30, 60)]) {
    expect(text).not.toContain(secret);
  }
});

describe('by a proof of the machine itself', () => {
  const key = makePodTokenKey('ec');
  const rules = (...accounts: string[]): object => ({
    roles: ['node'],
    join_method: 'kubernetes',
    kubernetes: {
      type: 'static_jwks',
      allow: accounts.map((name) => ({ service_account: `apps:${name}` })),
      static_jwks: { jwks: podTokenJwks(key) },
    },
  });
  const issuedAt = (): number => Math.floor(house.clock.now() / 1000);
  const prove = async (): Promise<JoinProof> => ({
    method: 'kubernetes',
    token: 'agents',
    idToken: new Secret(signPodToken(key, { issuedAt: issuedAt() })),
  });

  it('ok: the proof is made when it is known who gets it, and is not kept', async () => {
    await house.put('token', 'agents', rules('agent'));
    let proofs = 0;
    const counted = async (): Promise<JoinProof> => {
      proofs += 1;
      return await prove();
    };
    const pin = `sha256:${'0'.repeat(64)}`;
    const about = options({ token: undefined, prove: counted });
    expect((await refusal(becomeMember({ ...about, caPins: [pin] }))).code).toBe('CA_PIN_MISMATCH');
    expect((await refusal(becomeMember({ ...about, authServers: ['127.0.0.1:1'] }))).code).toBe(
      'UNAVAILABLE',
    );
    expect(proofs).toBe(0);
    const record = await becomeMember(about);
    expect(proofs).toBe(1);
    await beat(record);
    await becomeMember(about);
    expect(proofs).toBe(1);
    expect(JSON.stringify(record)).not.toContain('agents');
  });

  it('ok: an identity that has expired gives way where re-joining is allowed, and is kept otherwise', async () => {
    await house.put('token', 'agents', rules('agent'));
    const about = options({ token: undefined, prove, clock: house.clock });
    const first = (await becomeMember(about)).certificates.host_id;
    const later = { clock: { now: () => house.clock.now() + 31 * 24 * 3_600_000 } };
    const idOf = async (more: Partial<JoinOptions>): Promise<string> =>
      (await becomeMember({ ...about, ...more })).certificates.host_id;
    expect(await idOf({ rejoin: true })).toBe(first);
    expect(await idOf({ ...later, rejoin: false })).toBe(first);
    expect(await idOf({ ...later, rejoin: true, prove: undefined, token: new Secret(TOKEN) })).toBe(first);
    const second = await idOf({ ...later, rejoin: true });
    expect(second).not.toBe(first);
    expect(await idOf({ rejoin: true })).toBe(second);
    expect(lines.join()).toContain('its certificates have expired');
  });

  it('ok: a pod tries on until the rules let it in; a secret that is wrong is given up', async () => {
    await house.put('token', 'agents', rules('other'));
    const clock = new FakeClock(house.clock.now());
    const member = startMembership({ ...options({ token: undefined, prove }), clock });
    await until('a refusal', () => member.problem() !== undefined);
    expect(member.problem()).toContain('join token is not valid');
    await house.put('token', 'agents', rules('agent'));
    await until('another attempt', async () => {
      await clock.advance(60_000);
      return member.record() !== undefined;
    });
    await member.close();
    const wrong = startMembership({
      ...options({
        store: openCredentialDir(mkdtempSync(join(folder, 'b-'))),
        token: new Secret('unknown-token'),
      }),
      clock,
    });
    await expect(wrong.failed).rejects.toMatchObject({ code: 'BAD_JOIN_TOKEN' });
    await wrong.close();
  });
});
