// What ends a connection that was let in, to the millisecond: a clock that the test moves, and the real service for the
// rest.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import type { Admission, Verdict } from '#core/access/ssh-access.ts';
import type { Refusal } from '#core/access/session-ground.ts';
import { SessionMonitor, type Watched } from '#core/access/session-monitor.ts';

const ADMISSION = {
  allowed: true,
  options: {},
  roles: [],
  duties: [],
  idleMessage: 'too idle',
  lockMode: 'best_effort',
} as unknown as Admission;
const refusal = (code: Refusal['code'], message: string): Refusal => ({
  allowed: false,
  code,
  message,
  reasons: [message],
});

describe('one connection', () => {
  let clock: FakeClock;
  let monitor: SessionMonitor<Admission>;
  let verdict: () => Verdict;
  let lastInputAt: number;
  let cuts: string[];
  let change: (kind: string) => void;
  let options: number;

  beforeEach(() => {
    clock = new FakeClock();
    cuts = [];
    options = 0;
    lastInputAt = clock.now();
    verdict = () => ADMISSION;
    let listener: (kinds: ReadonlySet<string>) => void = () => {};
    change = (kind) => listener(new Set([kind]));
    const onChange = (given: typeof listener) => {
      listener = given;
      return () => {};
    };
    monitor = new SessionMonitor({ clock, log: silentLog, onChange });
  });
  const watched: Watched<Admission> = {
    get lastInputAt() {
      return lastInputAt;
    },
    review: () => verdict(),
    changed: () => options++,
    cut: (why, message) => cuts.push(`${why}: ${message}`),
  };

  it('S16 ok: a lock cuts at once, with its message, and once', () => {
    monitor.watch(watched, ADMISSION);
    verdict = () => refusal('LOCKED', 'ask the on-call');
    change('lock');
    change('lock');
    expect(cuts).toEqual(['lock: ask the on-call']);
    expect(monitor.size).toBe(0);
  });

  it('ok: lost access and settings cut without a reason; what cannot be decided is not allowed', () => {
    for (const kind of ['role', 'cluster_auth_preference']) {
      monitor.watch(watched, ADMISSION);
      verdict = () => refusal('ACCESS_DENIED', 'because of role x');
      change(kind);
    }
    verdict = () => {
      throw new Error('bug');
    };
    monitor.watch(watched, ADMISSION);
    change('role');
    expect(cuts).toEqual(Array(3).fill('access: your access to this server has ended'));
  });

  it('ok: other changes ask nothing, and new options are told', () => {
    monitor.watch(watched, ADMISSION);
    change('node');
    expect(options).toBe(0);
    change('role');
    expect(options).toBe(1);
    expect(cuts).toEqual([]);
  });

  it('S16 ok: the end of the certificate cuts at its time', async () => {
    monitor.watch(watched, { ...ADMISSION, endsAt: clock.now() + 60_000 });
    await clock.advance(59_999);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual(['certificate-expired: the certificate has expired; log in again']);
  });

  it('S16 ok: idleness counts from the last input', async () => {
    monitor.watch(watched, { ...ADMISSION, idleMs: 60_000 });
    await clock.advance(50_000);
    lastInputAt = clock.now();
    await clock.advance(59_999);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual(['idle: too idle']);
  });

  it('ok: a limit that comes with a change of the role holds from then on', async () => {
    monitor.watch(watched, ADMISSION);
    await clock.advance(3_600_000);
    verdict = () => ({ ...ADMISSION, idleMs: 60_000 });
    change('role');
    await clock.advance(1);
    expect(cuts).toEqual(['idle: too idle']);
  });

  it('S16 ok: in strict mode locks that are out of date cut, although nobody tells', async () => {
    verdict = () => ({ ...ADMISSION, lockMode: 'strict' });
    monitor.watch(watched, { ...ADMISSION, lockMode: 'strict' });
    await clock.advance(60_000);
    verdict = () => refusal('UNAVAILABLE', 'locks are old');
    await clock.advance(5000);
    expect(cuts).toEqual(['locks-out-of-date: locks are old']);
  });

  it('ok: a closed connection is forgotten', async () => {
    const forget = monitor.watch(watched, { ...ADMISSION, idleMs: 1000, lockMode: 'strict' });
    forget();
    await clock.advance(60_000);
    change('lock');
    expect(cuts).toEqual([]);
  });
});

describe('over the real wire', () => {
  let node: TestNode;
  beforeEach(() => {
    node = makeTestNode();
    node.view.putRole('access', { allow: { logins: ['deploy'], node_labels: { '*': ['*'] } } });
  });
  afterEach(() => node.close());

  const enter = async (name = 'joe', validForMs = 3_600_000): Promise<SshConnection> => {
    const about = { validForMs, identity: { impersonator: 'boss' } };
    const connection = await node.connect('deploy', node.userKey(name, about));
    await connection.open('session', new Uint8Array(), {});
    return connection;
  };
  const endOf = async (connection: SshConnection): Promise<string> =>
    (await connection.closed)?.message ?? '';

  it.each([
    ['the user', { user: 'joe' }],
    ['a role', { role: 'access' }],
    ['the login', { login: 'deploy' }],
    ['the node', { server_id: '2f1f6d1e-3c0a-4a4e-9d5e-6f3f0a1b2c3d' }],
    ['whoever asked for the certificate', { user: 'boss' }],
  ])('S16 ok: a lock on %s cuts within a second and keeps out', async (_, target) => {
    const connection = await enter();
    const began = performance.now();
    node.view.setLocks([{ name: 'l1', target, message: 'ask the on-call' }]);
    expect(await endOf(connection)).toContain('ask the on-call');
    expect(performance.now() - began).toBeLessThan(1000);
    expect(node.events.at(-1)).toMatchObject({
      event: 'client.disconnect',
      user: 'joe',
      reason: 'ask the on-call',
    });
    await expect(enter()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(node.banners.at(-1)).toMatch(/^ask the on-call \(denial /);
  });

  it('S16 ok: what comes after the cut reaches nobody', async () => {
    const connection = await enter();
    let said = '';
    const channel = await connection.open('session', new Uint8Array(), {
      onData: (data) => void (said += data.toString()),
    });
    node.view.setLocks([{ name: 'l1', target: { user: 'joe' } }]);
    channel.write(Buffer.from('rm -rf /'));
    await connection.closed;
    expect(said).toBe('');
  });

  it('ok: a lock on others, and one that has expired, cut nobody', async () => {
    const connection = await enter();
    node.view.setLocks([
      { name: 'l1', target: { user: 'ada' } },
      { name: 'l2', target: { user: 'joe' }, expires: node.clock.now() - 1 },
    ]);
    expect(await connection.probe()).toBe(true);
  });

  it('S16 ok: a role that is taken away, or no longer selects the node, cuts', async () => {
    const first = await enter();
    node.view.putRole('access', { allow: { logins: ['deploy'], node_labels: { env: ['prod'] } } });
    expect(await endOf(first)).toContain('access to this server has ended');
    node.view.putRole('access', { allow: { logins: ['deploy'], node_labels: { '*': ['*'] } } });
    const second = await enter();
    node.view.removeRole('access');
    expect(await endOf(second)).toContain('access to this server has ended');
  });

  it.each([
    ['the cluster', () => node.view.setPreference({ disconnect_expired_cert: true })],
    ['a role', () => putOptions({ disconnect_expired_cert: true })],
  ])('S16 ok: an expired certificate ends the session where %s says so', async (_, set) => {
    node.view.setNetworking({ keep_alive_interval: '1h' });
    const without = await enter('ada', 600_000);
    await node.clock.advance(700_000);
    expect(await without.probe()).toBe(true);
    set();
    await node.clock.advance(1);
    expect(await endOf(without)).toContain('expired');
    const connection = await enter('joe', 600_000);
    await node.clock.advance(600_000);
    expect(await endOf(connection)).toContain('expired');
  });

  it('S16 ok: idle sessions end with the message of the cluster; input keeps them', async () => {
    node.view.setNetworking({ client_idle_timeout: '10m', client_idle_timeout_message: 'go home' });
    const connection = await enter();
    const channel = await connection.open('session', new Uint8Array(), {});
    await node.clock.advance(9 * 60_000);
    channel.write(Buffer.from('x'));
    await until('the input', () => connection.probe());
    await node.clock.advance(9 * 60_000);
    expect(await connection.probe()).toBe(true);
    await node.clock.advance(60_000);
    expect(await endOf(connection)).toContain('go home');
  });

  it('ok: the idle time of a role is asked first', async () => {
    node.view.setNetworking({ client_idle_timeout: '10m' });
    putOptions({ client_idle_timeout: '1m' });
    const connection = await enter();
    await node.clock.advance(60_000);
    expect(await endOf(connection)).toContain('idle for too long');
  });

  it('S16 refuses: in strict mode, when auth was not heard of for five minutes', async () => {
    putOptions({ lock: 'strict' });
    const connection = await enter();
    node.view.locksAreOf(node.clock.now() - 5 * 60_000 - 1);
    await node.clock.advance(5000);
    expect(await endOf(connection)).toContain('no lock is in force');
    await expect(enter()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    node.view.locksAreOf(undefined);
    await enter();
  });

  it('ok: in best-effort mode sessions go on, and begin, while auth is away', async () => {
    const connection = await enter();
    node.view.locksAreOf(node.clock.now() - 86_400_000);
    await node.clock.advance(60_000);
    expect(await connection.probe()).toBe(true);
    await enter();
  });

  it('ok: a peer that is gone is noticed by keep-alives of the cluster', async () => {
    node.view.setNetworking({ keep_alive_interval: '10s', keep_alive_count_max: 2 });
    const { duplexPair } = await import('node:stream');
    const [near, far] = duplexPair();
    node.service.accept(far, { remoteAddress: '203.0.113.9:1', localAddress: '10.0.0.7:3022' });
    await node.connect('deploy', node.userKey('joe'), { socket: near });
    near.pause();
    for (let i = 0; i < 6; i++) await node.clock.advance(10_000);
    await until('the end', () => node.service.counts.connections === 0);
  });

  function putOptions(roleOptions: object): void {
    node.view.putRole('access', {
      allow: { logins: ['deploy'], node_labels: { '*': ['*'] } },
      options: roleOptions,
    });
  }
});
