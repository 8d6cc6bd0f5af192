// The guard of targets: who is let in, what is on record of who is not, and what cuts those who are in, to the millisecond.
import { duplexPair } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Labels } from '#core/access/role.ts';
import type { UserIdentity } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeTestView, type TestView } from '#test/kit/cluster-view.ts';
import type { TargetConnection, TargetEvent } from './connection.ts';
import type { OpenedTarget, OpenOptions } from './guard.ts';
import { openGuard, type RunningGuard } from './open-guard.ts';

const HOUR = 3_600_000;
let clock: FakeClock;
let view: TestView;
let events: TargetEvent[];
let guard: RunningGuard;
let labels: Labels | undefined;
let cuts: string[];

const ROLE = { allow: { db_labels: { env: ['test'] }, db_users: ['alice'], db_names: ['*'] } };
const identity: UserIdentity = {
  kind: 'user',
  cluster: 'test.example.com',
  name: 'joe',
  roles: ['dba'],
  traits: {},
  logins: [],
  session_expires: '2036-01-01T00:00:00Z',
  usage: 'db',
  route_to_database: { service: 'orders', protocol: 'postgres' },
};

beforeEach(() => {
  clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  view = makeTestView(clock);
  view.putRole('dba', ROLE);
  events = [];
  cuts = [];
  labels = { env: 'test' };
  guard = openGuard({
    clock,
    log: silentLog,
    hostId: 'host-1',
    hostname: 'agent-1',
    view,
    emit: (event) => events.push(event),
    labelsOf: () => labels,
    limits: { maxUsers: 2 },
  });
});

function open(more: Partial<UserIdentity> = {}, options?: OpenOptions): OpenedTarget {
  const connection: TargetConnection = {
    stream: duplexPair()[0],
    identity: { ...identity, ...more },
    validBefore: clock.now() + HOUR,
    certificate: new Uint8Array(),
    client: '192.0.2.7:50000',
    target: 'orders',
    proxyId: 'proxy-1',
  };
  const request = {
    kind: 'db',
    target: { name: 'orders', labels: { env: 'test' } },
    user: 'alice',
    database: 'main',
  } as const;
  const cut = (reason: string, message: string): void => void cuts.push(`${reason}: ${message}`);
  return guard.open(connection, request, { cut }, options);
}

const named = (name: string): readonly TargetEvent[] => events.filter(({ event }) => event === name);

describe('open', () => {
  it('ok: a session of its own id, with the roles that grant it', () => {
    const opened = open();
    expect(opened.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(opened.roles).toEqual(['dba']);
    expect(open({}, { sessionId: 'that-one' }).id).toBe('that-one');
    expect(guard.connections).toBe(2);
    expect(events).toEqual([]);
  });

  it('refuses: with an id whose reasons are on record', () => {
    view.putRole('dba', { allow: {} });
    expect(() => open()).toThrow(/^access denied \(denial [0-9a-f-]{36}\)$/);
    const [denied] = named('access.denied');
    expect(denied).toMatchObject({ user: 'joe', login: 'alice', resource: 'db/orders', proto: 'db' });
    expect(named('session.rejected')).toHaveLength(1);
  });

  it('S12 refuses: by the labels of now, not by those that an engine saw', () => {
    labels = { env: 'prod' };
    expect(() => open()).toThrow(/access denied/);
    labels = undefined;
    expect(() => open()).toThrow(/access denied/);
    expect(JSON.stringify(named('access.denied').at(-1))).toContain('does not serve');
  });

  it('refuses: more connections than a role allows, more people than the agent takes; seats are given back', () => {
    view.putRole('dba', { ...ROLE, options: { max_connections: 1 } });
    const only = open();
    expect(() => open()).toThrow(/max_connections/);
    only.close();
    only.close();
    const first = open();
    open({ name: 'ann' });
    expect(() => open({ name: 'bob' })).toThrow(/max_users/);
    expect(named('session.rejected')).toHaveLength(2);
    first.close();
    open({ name: 'bob' });
  });

  it('S33 ok: a flood of refusals is on record in part', () => {
    view.putRole('dba', { allow: {} });
    for (let n = 0; n < 200; n++) expect(() => open()).toThrow('access denied');
    expect(named('access.denied').length).toBeLessThanOrEqual(20);
  });
});

describe('S16 what cuts', () => {
  it('S16 ok: locks at once, each once, and on record', () => {
    const opened = open();
    view.setLocks([{ name: 'l', target: { user: 'joe' }, message: 'on leave' }]);
    view.setLocks([{ name: 'l', target: { user: 'joe' }, message: 'still' }]);
    expect(cuts).toEqual(['lock: on leave']);
    expect(named('client.disconnect')).toMatchObject([{ user: 'joe', sid: opened.id, reason: 'on leave' }]);
    opened.close();
    expect(guard.connections).toBe(0);
  });

  it('S16 ok: lost roles, labels and targets', () => {
    open();
    view.removeRole('dba');
    expect(cuts).toEqual([expect.stringMatching(/^access: /)]);
    view.putRole('dba', ROLE);
    open();
    labels = { env: 'prod' };
    guard.review();
    expectRefused();
    expect(cuts).toHaveLength(2);
    labels = { env: 'test' };
    open();
    labels = undefined;
    guard.review();
    expect(cuts).toHaveLength(3);
  });

  it('S16 ok: the end of the certificate to the millisecond', async () => {
    open();
    await clock.advance(HOUR - 1);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual([expect.stringMatching(/^certificate-expired: /)]);
  });

  it('S16 ok: idle time, begun anew by what the client sends', async () => {
    view.setNetworking({ client_idle_timeout: '10m' });
    const opened = open();
    await clock.advance(599_999);
    opened.touch();
    await clock.advance(599_999);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual(['idle: the session was idle for too long']);
  });

  it('ok: what is closed is not cut', () => {
    open().close();
    view.setLocks([{ name: 'l', target: { user: 'joe' } }]);
    expect(cuts).toEqual([]);
  });

  it('ok: options that changed are told', () => {
    const opened = open();
    view.putRole('dba', { ...ROLE, options: { max_connections: 7 } });
    expect(opened.options.maxConnections).toBe(7);
  });
});

function expectRefused(): void {
  expect(() => open()).toThrow(/access denied/);
}
