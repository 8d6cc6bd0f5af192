import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { KINDS } from '#kinds/all.ts';
import { openMemory } from '#storage/memory/open.ts';
import { openSqlite } from '#storage/sqlite/open.ts';
import type { Backend } from '#storage/backend.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeResource, makeRole, makeUser } from '#test/kit/state.ts';
import { openState } from './open.ts';
import type { Change, ClusterState } from './state.ts';

interface Opened {
  clock: FakeClock;
  backend: Backend;
  state: ClusterState;
  another(): Promise<ClusterState>;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const BACKENDS: Record<string, (clock: FakeClock) => Promise<Backend>> = {
  memory: async (clock) => openMemory({ clock }),
  async sqlite(clock) {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-state-'));
    closing.push(() => rm(folder, { recursive: true }));
    return openSqlite({ path: join(folder, 'state.db'), clock, log: silentLog });
  },
};

async function open(backendName = 'memory'): Promise<Opened> {
  const clock = new FakeClock();
  const backend = await BACKENDS[backendName]!(clock);
  closing.push(() => backend.close());
  const another = async (): Promise<ClusterState> => {
    const state = openState({ backend, kinds: KINDS, clock, log: silentLog });
    closing.push(() => state.close());
    await state.ready;
    return state;
  };
  return { clock, backend, state: await another(), another };
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const value of values) out.push(value);
  return out;
}
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: GatehouseError) => (isCode(error) ? error.code : String(error)),
  );
const create = (resource: Change & object): Change => resource;
const put = (resource: ReturnType<typeof makeRole>): Change => ({ do: 'put', resource });
const remove = (kind: string, name: string): Change => ({ do: 'delete', kind, name });

describe.each(Object.keys(BACKENDS))('state on %s', (name) => {
  it('ok: a write is read back at once, frozen, with its revision', async () => {
    const { state } = await open(name);
    const [written] = await state.write([put(makeRole('dev', { logins: ['root'] }))]);
    const read = state.get('role', 'dev')!;
    expect(read).toEqual(written);
    expect(read.metadata.revision).toMatch(/^\d+$/);
    expect(() => {
      (read.spec as { allow: { logins: string[] } }).allow.logins.push('x');
    }).toThrow(TypeError);
  });

  it('ok: lists are in the order of names', async () => {
    const { state } = await open(name);
    for (const role of ['b', 'é', 'a', 'Z', '10', '9']) await state.write([put(makeRole(role))]);
    expect(Array.from(state.list('role'), (role) => role.metadata.name)).toEqual([
      '10',
      '9',
      'Z',
      'a',
      'b',
      'é',
    ]);
  });

  it.each<[string, Change, string]>([
    ['create what exists', create({ do: 'create', resource: makeRole('dev') }), 'ALREADY_EXISTS'],
    ['update what does not exist', { do: 'update', resource: makeRole('none') }, 'NOT_FOUND'],
    ['delete what does not exist', remove('role', 'none'), 'NOT_FOUND'],
    ['delete a user that does not exist', remove('user', 'none'), 'NOT_FOUND'],
    ['put at an old revision', put(makeResource('role', 'dev', {}, { revision: '1' })), 'CONDITION_FAILED'],
    [
      'update at an old revision',
      { do: 'update', resource: makeResource('role', 'dev', {}, { revision: '1' }) },
      'CONDITION_FAILED',
    ],
    [
      'delete at an old revision',
      { do: 'delete', kind: 'role', name: 'dev', revision: '1' },
      'CONDITION_FAILED',
    ],
    ['a user with an unknown role', put(makeUser('joe', ['none'])), 'INVALID_RESOURCE'],
    ['delete a role that a user holds', remove('role', 'held'), 'IN_USE'],
    [
      'rename the cluster',
      put(makeResource('cluster_name', 'cluster-name', { cluster_name: 'other' })),
      'INVALID_RESOURCE',
    ],
    ['delete the name of the cluster', remove('cluster_name', 'cluster-name'), 'IN_USE'],
    ['a kind that is not known', remove('planet', 'mars'), 'BAD_REQUEST'],
  ])('refuses: %s', async (_title, change, code) => {
    const { state } = await open(name);
    await state.write([
      put(makeRole('dev')),
      put(makeRole('held')),
      put(makeUser('ann', ['held'])),
      put(makeResource('cluster_name', 'cluster-name', { cluster_name: 'one' })),
    ]);
    const before = state.snapshot(['role', 'user', 'cluster_name']);
    expect(await codeOf(state.write([put(makeRole('extra')), change]))).toBe(code);
    expect(state.snapshot(['role', 'user', 'cluster_name'])).toEqual(before);
  });

  it('ok: rules see the whole write: a role and its user together, both gone together', async () => {
    const { state } = await open(name);
    await state.write([put(makeUser('joe', ['dev'])), put(makeRole('dev'))]);
    await state.write([remove('role', 'dev'), remove('user', 'joe')]);
    expect([...state.list('role'), ...state.list('user')]).toEqual([]);
  });

  it('ok: an expired resource is absent, and its deletion is told', async () => {
    const { state, clock } = await open(name);
    const expires = new Date(clock.now() + 60_000).toISOString();
    const node = makeResource('node', 'n1', { hostname: 'web' }, { expires });
    const events: string[] = [];
    state.onChange((event) => events.push(`${event.type} ${event.name} ${event.before?.kind ?? 'new'}`));
    await state.write([put(node)]);
    await clock.advance(59_000);
    expect(state.get('node', 'n1')).toBeDefined();
    await clock.advance(1_000);
    expect(state.get('node', 'n1')).toBeUndefined();
    expect([...state.list('node')]).toEqual([]);
    await clock.advance(10_000);
    expect(events).toEqual(['put n1 new', 'delete n1 node']);
  });

  it('ok: internal kinds are read from the store and never from the copy', async () => {
    const { state } = await open(name);
    const record = makeResource('login_attempts', 'joe', { failures: [] });
    await state.write([put(record)]);
    const kind = KINDS.find((other) => other.name === 'login_attempts')!;
    expect((await state.read(kind, 'joe'))?.spec).toMatchObject({ failures: [] });
    expect(await collect(state.readAll(kind))).toHaveLength(1);
    expect(() => state.get('login_attempts', 'joe')).toThrow(/internal kind/);
  });

  it('ok: of concurrent updates at one revision exactly one wins', async () => {
    const { state, another } = await open(name);
    const other = await another();
    const [role] = await state.write([put(makeRole('dev'))]);
    const outcomes = await Promise.all(
      [state, other, state, other].map((on, index) =>
        codeOf(on.write([put({ ...role!, metadata: { ...role!.metadata, description: String(index) } })])),
      ),
    );
    expect(outcomes.filter((code) => code === 'ok')).toHaveLength(1);
    expect(outcomes.filter((code) => code === 'CONDITION_FAILED')).toHaveLength(3);
  });

  it('ok: a copy that is behind does not refuse what the store would take', async () => {
    const { state, another } = await open(name);
    const other = await another();
    const both = [state.write([put(makeRole('dev'))]), other.write([put(makeUser('joe', []))])];
    await Promise.all(both);
    await state.write([put(makeRole('late'))]);
    // No wait for the other copy here: the write itself must catch up.
    expect(await codeOf(other.write([put(makeUser('joe', ['late'])), remove('role', 'dev')]))).toBe('ok');
  });

  it('ok: property: concurrent writers on two servers never leave a user with a role that does not exist', async () => {
    const { state, another } = await open(name);
    const other = await another();
    const step = fc.record({
      first: fc.boolean(),
      what: fc.constantFrom('role', 'user', 'drop-role', 'drop-user'),
      role: fc.constantFrom('a', 'b', 'c'),
      user: fc.constantFrom('u', 'v'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        const codes = await Promise.all(
          steps.map(({ first, what, role, user }) => {
            const on = first ? state : other;
            if (what === 'role') return codeOf(on.write([put(makeRole(role))]));
            if (what === 'user') return codeOf(on.write([put(makeUser(user, [role]))]));
            return codeOf(on.write([what === 'drop-role' ? remove('role', role) : remove('user', user)]));
          }),
        );
        for (const code of codes) expect(['ok', 'NOT_FOUND', 'IN_USE', 'INVALID_RESOURCE']).toContain(code);
        await state.write([put(makeRole('sync'))]);
        await other.write([put(makeRole('sync'))]);
        for (const on of [state, other]) {
          const roles = new Set(Array.from(on.list('role'), (role) => role.metadata.name));
          for (const user of on.list('user')) {
            for (const role of (user.spec as { roles: string[] }).roles) expect(roles).toContain(role);
          }
        }
      }),
      { numRuns: name === 'memory' ? 60 : 15 },
    );
  });
});

describe('bounds of a write', () => {
  it('refuses: more than the store takes in one piece', async () => {
    const { state } = await open();
    const roles = Array.from({ length: 1001 }, (_, index) => put(makeRole(`r${index}`)));
    expect(await codeOf(state.write(roles))).toBe('TOO_LARGE');
    expect([...state.list('role')]).toEqual([]);
    expect(await codeOf(state.write(roles.slice(0, 990)))).toBe('ok');
  });

  it('ok: many users that look at many roles need few conditions', async () => {
    const { state } = await open();
    const roles = Array.from({ length: 300 }, (_, index) => `r${index}`);
    await state.write(roles.map((role) => put(makeRole(role))));
    const users = Array.from({ length: 900 }, (_, index) =>
      put(makeUser(`u${index}`, roles.slice(index % 200, 100 + (index % 200)))),
    );
    expect(await codeOf(state.write(users))).toBe('ok');
  });

  it('refuses: the same resource twice in one write', async () => {
    const { state } = await open();
    expect(await codeOf(state.write([put(makeRole('a')), put(makeRole('a'))]))).toBe('BAD_REQUEST');
  });

  it('refuses: reads before the copy stands and after a failed start', async () => {
    const clock = new FakeClock();
    const backend = openMemory({ clock });
    const state = openState({ backend, kinds: KINDS, clock, log: silentLog });
    expect(() => state.get('role', 'x')).toThrow(/still reading/);
    expect(await codeOf(state.write([put(makeRole('a'))]))).toBe('UNAVAILABLE');
    expect(state.isReady()).toBe(false);
    await state.ready;
    expect(state.isReady()).toBe(true);
    await state.close();
    await backend.close();
  });

  it('ok: the message of a conflict masks the name of a token', async () => {
    const { state } = await open();
    const token = makeResource('token', 'very-secret-token-name', { roles: ['node'] });
    await state.write([put(token)]);
    const error = await state.write([{ do: 'create', resource: token }]).catch((caught: unknown) => caught);
    expect(String(error)).not.toContain('very-secret-token-name');
    expect(isCode(error, 'ALREADY_EXISTS')).toBe(true);
    expect((error as Error).cause).toBeUndefined();
  });

  it('ok: readiness is lost when the store stops to answer', async () => {
    const { state, backend, clock } = await open();
    expect(state.isReady()).toBe(true);
    await backend.close();
    await clock.advance(6_000);
    expect(state.isReady()).toBe(false);
  });

  it('ok: ten thousand roles are read quickly', async () => {
    const { state } = await open();
    for (let page = 0; page < 20; page++) {
      await state.write(
        Array.from({ length: 500 }, (_, i) =>
          put(makeRole(`role-${page * 500 + i}`, { logins: ['a', 'b'] })),
        ),
      );
    }
    const started = performance.now();
    for (let i = 0; i < 10_000; i++) state.get('role', `role-${i}`);
    const reads = performance.now() - started;
    expect([...state.list('role')]).toHaveLength(10_000);
    expect(reads).toBeLessThan(500);
  });
});
