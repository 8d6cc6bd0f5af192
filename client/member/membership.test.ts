// What becomes of a member whose identity another process takes, whose Secret goes away, and whose cluster is replaced.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { heartbeat } from '#core/api/join.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { until } from '#test/kit/until.ts';
import { SecretWorld } from '../conformance/secret-world.ts';
import { openCredentialSecret } from '../credentials-secret.ts';
import type { CredentialStore } from '../credentials.ts';
import { dialTcp } from '../outbound/tcp-dial.ts';
import { LOOK_MS } from './identity-guard.ts';
import { startMembership, type Membership, type MembershipOptions } from './membership.ts';

const TOKEN = 'e94d68a8a1e5821dbd79d03a960644f0';
const NAME = 'web-0-state';
const DAY_MS = 86_400_000;

let house: TestAuth;
let world: SecretWorld;
let lines: string[];
const running: Membership[] = [];
beforeEach(async () => {
  house = await startHouse();
  world = new SecretWorld();
  lines = [];
});
afterEach(async () => {
  for (const membership of running.splice(0)) await membership.close();
  await house.close();
});

async function startHouse(): Promise<TestAuth> {
  const started = await startTestAuth();
  const expires = new Date(started.clock.now() + 3_600_000).toISOString();
  await started.put('token', TOKEN, { roles: ['node'] }, { expires });
  return started;
}

const write = (level: string) => (fields: object, message: string) =>
  void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
const log: Log = {
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
  child: () => log,
};
const storeOf = (pod: string): CredentialStore =>
  openCredentialSecret({ secrets: world.open(pod), name: NAME, log });

function start(pod: string, more: Partial<MembershipOptions> = {}): Membership {
  const membership = startMembership({
    clock: house.clock,
    log,
    store: storeOf(pod),
    nodeName: 'web-0',
    roles: ['node'],
    authServers: [`127.0.0.1:${house.auth.port}`],
    token: new Secret(TOKEN),
    caPins: [],
    addresses: [],
    ...more,
  });
  running.push(membership);
  return membership;
}

const passing = <T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>) =>
  until(what, async () => {
    await house.clock.advance(LOOK_MS / 4);
    return probe();
  });
const errors = (): string[] => lines.filter((line) => line.startsWith('error'));
const joins = async (auth: TestAuth): Promise<number> =>
  (await auth.events()).filter(({ event }) => event === 'instance.join').length;

it('R1 R11 refuses: of two pods of one name the earlier one serves nothing new, says why once, and stays so', async () => {
  const old = start('pod-1');
  await old.joined;
  const { certificates } = old.record() ?? expect.unreachable('it has joined');
  const young = start('pod-2');
  await young.joined;
  expect(young.record()?.certificates.host_id).toBe(certificates.host_id);
  await passing('the earlier one to notice', () => old.problem());
  await old.superseded;
  expect(old.problem()).toContain(NAME);
  expect(old.record()).toBeUndefined();
  // What still runs there can tell of itself.
  await old.api().call(heartbeat, { version: '0.1.0', ttl: '10m', resources: [], ended: [] });
  const versionBefore = world.get(NAME)?.resourceVersion;
  for (let look = 0; look < 40; look++) await house.clock.advance(LOOK_MS);
  expect(errors().filter((line) => line.includes('serves nothing new')).length).toBe(1);
  expect(young.problem()).toBeUndefined();
  expect(young.record()?.certificates.host_id).toBe(certificates.host_id);
  expect(world.get(NAME)?.resourceVersion).toBe(versionBefore);
});

it('R1 refuses: to renew an identity that another pod took', async () => {
  const old = start('pod-1');
  await old.joined;
  await storeOf('pod-2').claim?.();
  await house.clock.advance(21 * DAY_MS);
  await passing('the end of it', () => old.problem());
  expect((await storeOf('pod-2').load())?.generation).toBe(1);
});

it('R1 ok: a Secret that is removed under a running agent comes back with the same identity', async () => {
  const membership = start('pod-1');
  await membership.joined;
  const record = membership.record();
  world.remove(NAME);
  await passing('the Secret', () => world.get(NAME) !== undefined);
  expect(await storeOf('pod-1').load()).toEqual(record);
  expect(lines.join('\n')).toContain('was removed while it is in use');
});

it('R11 refuses: while another cluster answers there is a reason, and none when the own one is back', async () => {
  await start('pod-1').joined;
  const stranger = await startHouse();
  try {
    let address = `127.0.0.1:${stranger.auth.port}`;
    const membership = start(
      'pod-1',
      dialler(() => address),
    );
    await until('the reason', () => membership.problem());
    expect(membership.problem()).toContain('another cluster');
    expect(membership.record()).toBeUndefined();
    expect([await joins(house), await joins(stranger)]).toEqual([1, 0]);
    expect((await storeOf('pod-1').load())?.generation).toBe(1);
    address = `127.0.0.1:${house.auth.port}`;
    await passing('the own cluster', () => membership.record());
    expect(membership.problem()).toBeUndefined();
  } finally {
    await stranger.close();
  }
});

it('R11 ok: a cluster that is replaced under a running agent is told, and joined at the next start where allowed', async () => {
  let address = `127.0.0.1:${house.auth.port}`;
  const { dial } = dialler(() => address);
  const [kept, moving] = [
    start('pod-1', { dial }),
    start('pod-1', { dial, rejoin: true, store: otherStore() }),
  ];
  await Promise.all([kept.joined, moving.joined]);
  const stranger = await startHouse();
  try {
    address = `127.0.0.1:${stranger.auth.port}`;
    const failure = moving.failed.catch((error: unknown) => error);
    await passing('the reason', () => kept.problem());
    expect(kept.problem()).toContain('another cluster');
    expect(errors().filter((line) => line.includes('another cluster answers')).length).toBe(1);
    await passing(
      'the end of the other',
      async () => (await Promise.race([failure, undefined])) !== undefined,
    );
    expect(await failure).toMatchObject({ code: 'OTHER_CLUSTER' });
    const before = kept.record()?.certificates.host_id;
    await kept.close();
    const again = start('pod-1', { dial, rejoin: true });
    await again.joined;
    expect(again.record()).toMatchObject({ generation: 2 });
    expect(again.record()?.certificates.host_id).not.toBe(before);
    expect(lines.join('\n')).toContain('joined the cluster anew');
  } finally {
    await stranger.close();
  }
});

const otherStore = (): CredentialStore => {
  const other = new SecretWorld();
  return openCredentialSecret({ secrets: other.open('pod-1'), name: NAME, log });
};

/** The address stays, and what answers there changes. */
const dialler = (address: () => string) => ({
  dial: () => dialTcp(address(), { environment: {} }),
});
