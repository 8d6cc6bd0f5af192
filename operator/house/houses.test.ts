// The operator as a member: first contact, pins, what is followed, and getting back in after auth was away or replaced.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock, type Clock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { roleKind } from '#kinds/role/kind.ts';
import type { Kind } from '#core/kind.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { TestAuth } from '#test/kit/auth-server.ts';
import {
  addressOfAuth,
  clusterObject,
  OPERATOR_TOKEN,
  startAuthForOperators,
} from '#test/kit/operator-house.ts';
import { until } from '#test/kit/until.ts';
import { openHouses, type Houses } from './houses.ts';

let auth: TestAuth;
let other: TestAuth;
let houses: Houses;
let address = '';
let token = OPERATOR_TOKEN;
const heard: string[] = [];
const KEY = { namespace: 'prod', name: 'main' };
beforeEach(async () => {
  auth = await startAuthForOperators();
  other = await startAuthForOperators();
  address = addressOfAuth(auth);
  token = OPERATOR_TOKEN;
  heard.length = 0;
  houses = housesBy(systemClock);
});
function housesBy(clock: Clock): Houses {
  const opened = openHouses({
    kinds: [roleKind as Kind],
    proof: () => ({ token: new Secret(token) }),
    addressOf: () => address,
    nodeName: 'op',
    clock,
    log: silentLog,
  });
  opened.onChange((_, changes) => heard.push(...changes.map(({ key }) => key)));
  return opened;
}
afterEach(async () => {
  await houses.close();
  await auth.close();
  await other.close();
});

const cluster = (caPins?: readonly string[], uid = 'u1') => {
  const object = clusterObject('main');
  return { ...object, metadata: { ...object.metadata, uid }, ...(caPins && { status: { caPins } }) };
};
const connected = () =>
  until('connected', () => {
    const connection = houses.connection(KEY);
    return connection.state === 'connected' ? connection : undefined;
  });
const says = (text: string | RegExp) =>
  until(`says ${String(text)}`, () => {
    const connection = houses.connection(KEY);
    return connection.state === 'connecting' && connection.message.match(text) !== null;
  });
const joins = async (of: TestAuth) =>
  (await of.events()).filter(({ event }) => event === 'instance.join').length;

test('ok: joins, follows what there is and what changes, and tells the pin', async () => {
  expect(houses.connection(KEY)).toMatchObject({ state: 'connecting' });
  await houses.open(cluster());
  const { copy, caPins } = await connected();
  expect(caPins).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/)]);
  expect(copy.caPins()).toEqual(caPins);
  expect(copy.get('role', 'access')).toBeDefined();
  await auth.put('role', 'new', {});
  await until('heard', () => heard.includes('role/new'));
  expect(copy.get('role', 'new')).toBeDefined();
  await houses.open(cluster(caPins));
  expect((await connected()).copy).toBe(copy);
  await houses.leave(KEY);
  expect(houses.connection(KEY)).toMatchObject({ state: 'connecting' });
});

test('refuses: S30 an auth service of another authority than the pinned one; the token is not shown to it', async () => {
  await houses.open(cluster());
  const { caPins } = await connected();
  expect(await joins(auth)).toBe(1);
  await houses.leave(KEY);
  address = addressOfAuth(other);
  await houses.open(cluster(caPins));
  await says(/holds another certificate authority than the pinned one/);
  expect(await joins(other)).toBe(0);
});

test('ok: an object that is made anew under the name is another cluster: its first contact is a first one', async () => {
  await houses.open(cluster());
  await connected();
  address = addressOfAuth(other);
  await houses.open(cluster(undefined, 'u2'));
  const { caPins } = await connected();
  const { caPins: first } = await (await houses.leave(KEY),
  (address = addressOfAuth(auth)),
  houses.open(cluster()),
  connected());
  expect(caPins).not.toEqual(first);
});

test('ok: who cannot join, or reaches nobody, says why in words that stay the same', async () => {
  token = 'wrong-token-12345678';
  await houses.open(cluster());
  await says('does not let the operator join');
  await houses.leave(KEY);
  address = '127.0.0.1:1';
  await houses.open(cluster());
  await says('is not reached');
});

/** Lets time pass until it holds. */
async function comes(clock: FakeClock, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await until(what, async () => {
    await clock.advance(1_000);
    return holds();
  });
}
const stateOf = (): string => {
  const connection = houses.connection(KEY);
  return connection.state === 'connected' ? 'connected' : connection.message;
};

test('ok: an identity that auth takes no more is replaced', async () => {
  const clock = new FakeClock(Date.now());
  houses = housesBy(clock);
  await houses.open(cluster());
  await comes(clock, 'connected', () => stateOf() === 'connected');
  expect(await joins(auth)).toBe(1);
  // The certificates end, and nobody could renew them.
  auth.clock.step(400 * 86_400_000);
  await auth.clock.advance(60_000);
  await comes(clock, 'joined again', async () => (await joins(auth)) > 1);
});

test('S18 an operator that an admin locks out stays out, and does not join under another id', async () => {
  const clock = new FakeClock(Date.now());
  houses = housesBy(clock);
  await houses.open(cluster());
  await comes(clock, 'connected', () => stateOf() === 'connected');
  const join = (await auth.events()).find(({ event }) => event === 'instance.join') as
    | { host_id?: string }
    | undefined;
  await auth.put('lock', 'out', { target: { server_id: String(join?.host_id) } });
  await comes(clock, 'locked', () => stateOf().startsWith('a lock is in force on the operator'));
  await clock.advance(120_000);
  expect(await joins(auth)).toBe(1);
  await auth.remove('lock', 'out');
  await comes(clock, 'connected again', () => stateOf() === 'connected');
});
