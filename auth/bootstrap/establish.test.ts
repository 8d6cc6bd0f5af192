// First starts: the name of a cluster, moving one with --bootstrap and back again, starts that race, starts that are cut
// short at each of their writes.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog, type Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { formatDocuments } from '#kinds/documents.ts';
import { ADMIN, PASSWORD, startAccounts, type Signed, type TestAccounts } from '#test/kit/accounts.ts';
import { callerOf, CLUSTER, makeKeyTexts } from '#test/kit/auth-context.ts';
import { makeResource, makeRole, makeUser, startTestState, type TestState } from '#test/kit/state.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { countAttempt } from '../accounts/attempts.ts';
import { createInvite } from '../accounts/create-invite.ts';
import { logIn } from '../accounts/login.ts';
import { openAuditKeeper } from '../audit-keeper.ts';
import { openAuthorities } from '../authority/open.ts';
import { applyPresetRoles } from '../presets/roles.ts';
import { applySettings } from '../presets/settings.ts';
import { openState } from '../state/open.ts';
import type { ClusterState } from '../state/state.ts';
import { establishCluster, type Cluster, type EstablishOptions } from './establish.ts';

const folder = tempFolder();
let house: TestState;
beforeEach(async () => {
  house = await startTestState();
});
afterEach(() => house.close());

function fileOf(resources: readonly Resource[], format: 'yaml' | 'json' = 'yaml'): string {
  const path = join(folder, `${randomUUID()}.${format}`);
  writeFileSync(path, formatDocuments(resources, format), { mode: 0o600 });
  return path;
}
const establish = (options: Partial<EstablishOptions> = {}): Promise<Cluster> =>
  establishCluster({
    state: house.state,
    clock: house.clock,
    log: silentLog,
    fallbackName: 'host-id',
    ...options,
  });
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.fail('it went well'),
    (error: GatehouseError) => error,
  );

/** What `gatectl get all --with-secrets` prints, or without secrets. */
async function documentsOf(state: ClusterState, withSecrets = true): Promise<Resource[]> {
  const all: Resource[] = [];
  for (const kind of KINDS) {
    if (kind.audience === 'presence') continue;
    if (kind.audience === 'admin') all.push(...state.list(kind.name));
    else if (withSecrets) for await (const resource of state.readAll(kind)) all.push(resource);
  }
  return all;
}

const plain = (resources: readonly Resource[]): unknown[] =>
  resources
    .map(({ metadata: { revision: _store, ...metadata }, ...rest }) => ({ ...rest, metadata }))
    .map((resource) => JSON.parse(JSON.stringify(resource)) as { kind: string; metadata: { name: string } })
    .sort((one, other) =>
      `${one.kind}/${one.metadata.name}` < `${other.kind}/${other.metadata.name}` ? -1 : 1,
    );

const clusterName = (name: string): Resource =>
  makeResource('cluster_name', 'cluster-name', { cluster_name: name });

describe('the name of the cluster', () => {
  test.each([
    ['that of the config file', { clusterName: 'a.example.com' }, 'a.example.com'],
    ['the fallback when nobody says one', {}, 'host-id'],
  ])('ok: %s is set at the first start and stays', async (_title, options, name) => {
    expect(await establish(options)).toMatchObject({ name, isNew: true });
    expect(await establish(options)).toEqual({ name, isNew: false });
    expect(await establish()).toEqual({ name, isNew: false });
    const [record] = [...house.state.list('cluster_name')];
    expect(record?.spec).toMatchObject({
      cluster_name: name,
      cluster_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('refuses: another name later, naming both and what to do', async () => {
    await establish({ clusterName: 'a.example.com' });
    const error = await refusal(establish({ clusterName: 'b.example.com' }));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    expect(error.message).toMatch(/"b\.example\.com".*"a\.example\.com".*put "a\.example\.com" back/);
  });

  test('ok: a store with authorities and no name is of the cluster they name', async () => {
    const authorities = await openAuthorities({ ...house, clusterName: 'old.example.com', log: silentLog });
    authorities.close();
    expect(await establish()).toMatchObject({ name: 'old.example.com' });
  });

  test('ok: of several auth servers that start together one sets it, all have the same', async () => {
    const { backend, clock } = house;
    const states = [1, 2, 3].map(() => openState({ backend, kinds: KINDS, clock, log: silentLog }));
    await Promise.all(states.map((state) => state.ready));
    const all = await Promise.all(
      states.map((state, index) => establish({ state, fallbackName: `host-${index}` })),
    );
    expect(new Set(all.map(({ name }) => name)).size).toBe(1);
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1);
    await Promise.all(states.map((state) => state.close()));
  });
});

describe('moving a cluster', () => {
  let old: TestAccounts;
  let joe: Signed;
  beforeEach(async () => {
    old = await startAccounts();
    const { state, context } = old;
    await establish({ state });
    const presets = { state, audit: context.audit, log: silentLog, version: '1' };
    await applyPresetRoles(presets);
    const settings = { cluster_networking_config: { client_idle_timeout: '15m' } };
    await applySettings({ ...presets, settings });
    joe = await old.signUp('joe', { roles: ['dev', 'access'] });
    await old.login({ user: 'joe', otp: old.codeOf(joe) });
    await old.clock.advance(30_000);
    const asked = {
      user: 'amy',
      purpose: 'invite',
      roles: ['auditor'],
      traits: { logins: ['amy'] },
      ttl: '48h',
    } as const;
    await createInvite(context, ADMIN, asked);
    await countAttempt(context, 'mallory');
    await openAuditKeeper(state);
    await state.write([
      {
        do: 'create',
        resource: makeResource('lock', 'l', { target: { login: 'mallory' }, message: 'a: "b" #c' }),
      },
      { do: 'create', resource: makeResource('token', 'abcd1234-5678', { roles: ['node'] }) },
      { do: 'create', resource: makeUser('zoë@example.com', ['dev'], { team: ['ä', '1', 'no'] }) },
    ]);
  });
  afterEach(() => old.close());

  const login = () => {
    const context = { ...old.context, state: house.state };
    const request = { user: 'joe', password: PASSWORD, otp: old.codeOf(joe), ...makeKeyTexts() };
    return logIn(context, callerOf(), request);
  };

  test.each(['yaml', 'json'] as const)(
    'ok: all documents with secrets, in %s: the same documents again',
    async (format) => {
      const documents = await documentsOf(old.state);
      expect(new Set(documents.map(({ kind }) => kind)).size).toBe(15);
      const bootstrapFile = fileOf(documents, format);
      expect(await establish({ bootstrapFile })).toEqual({ name: CLUSTER, isNew: true, bootstrapFile });
      expect(plain(await documentsOf(house.state))).toEqual(plain(documents));
      const revision = await house.backend.revision();
      await applyPresetRoles({ state: house.state, audit: old.context.audit, log: silentLog, version: '1' });
      expect(await house.backend.revision()).toBe(revision);
    },
  );

  test('ok: the new cluster is the old one: same authorities, passwords and codes', async () => {
    await establish({ bootstrapFile: fileOf(await documentsOf(old.state)) });
    const authorities = await openAuthorities({ ...house, clusterName: CLUSTER, log: silentLog });
    expect(authorities.created).toBe(false);
    expect(authorities.caPins()).toEqual(old.authorities.caPins());
    await house.clock.advance(old.clock.now() - house.clock.now());
    expect(await login()).toMatchObject({ user: 'joe', logins: ['root'] });
    await old.clock.advance(30_000);
    authorities.close();
  });

  test('ok: without secrets new authorities are made, and the log says what that means', async () => {
    const notices: string[] = [];
    const log: Log = {
      ...silentLog,
      warn: (fields) => void notices.push((fields as { notice: string }).notice),
    };
    await establish({ log, bootstrapFile: fileOf(await documentsOf(old.state, false)) });
    expect(notices).toEqual([expect.stringContaining('no private keys of the authorities')]);
    const authorities = await openAuthorities({ ...house, clusterName: CLUSTER, log: silentLog });
    expect(authorities.created).toBe(true);
    expect(authorities.caPins()).not.toEqual(old.authorities.caPins());
    expect(house.state.get('user', 'joe')?.spec).toEqual(old.state.get('user', 'joe')?.spec);
    await expect(login()).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
    authorities.close();
  });

  test('ok: later the file has no effect, is not even read, and the log says so', async () => {
    const messages: string[] = [];
    const log: Log = { ...silentLog, info: (_fields, message) => void messages.push(message) };
    await establish({ clusterName: CLUSTER });
    const revision = await house.backend.revision();
    expect(await establish({ log, bootstrapFile: join(folder, 'gone.yaml') })).toEqual({
      name: CLUSTER,
      isNew: false,
    });
    expect(messages).toEqual(['the cluster was set up before: the bootstrap file has no effect']);
    expect(await house.backend.revision()).toBe(revision);
  });

  test('ok: several auth servers that start together with the same file', async () => {
    const { backend, clock } = house;
    const bootstrapFile = fileOf(await documentsOf(old.state));
    const states = [1, 2, 3].map(() => openState({ backend, kinds: KINDS, clock, log: silentLog }));
    await Promise.all(states.map((state) => state.ready));
    const all = await Promise.all(states.map((state) => establish({ state, bootstrapFile })));
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(plain(await documentsOf(house.state))).toEqual(plain(await documentsOf(old.state)));
    await Promise.all(states.map((state) => state.close()));
  });

  test.each([
    [
      'another cluster name in the config file',
      [],
      { clusterName: 'b.example.com' },
      'INVALID_CONFIG',
      /b\.example\.com.*test\.example\.com/,
    ],
    ['a file that is not there', undefined, {}, 'INVALID_CONFIG', /cannot be read/],
    [
      'a role that nobody has made',
      [makeUser('eve', ['nosuch'])],
      {},
      'INVALID_RESOURCE',
      /user\/eve: spec\.roles\[0\].*nosuch/,
    ],
    [
      'a password of nobody',
      [
        makeResource('user_password', 'eve', {
          hash: `$argon2id$v=19$m=64,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
          changed: '2026-01-01T00:00:00Z',
        }),
      ],
      {},
      'INVALID_RESOURCE',
      /belongs to the user "eve"/,
    ],
    [
      'a hash that would stop the logins',
      [
        makeUser('eve', []),
        makeResource('user_password', 'eve', {
          hash: `$argon2id$v=19$m=99999999,t=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
          changed: '2026-01-01T00:00:00Z',
        }),
      ],
      {},
      'INVALID_RESOURCE',
      /cost is out of bounds/,
    ],
  ] as const)('refuses: %s, and writes nothing', async (_title, more, options, code, message) => {
    const file =
      more === undefined ? join(folder, 'none.yaml') : fileOf([...(await documentsOf(old.state)), ...more]);
    const error = await refusal(establish({ bootstrapFile: file, ...options }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((await house.backend.range({ prefix: '' })).items).toEqual([]);
  });

  test.each(['/dev/zero', tmpdir()])('S33 refuses: %s, which is no file, at once', async (bootstrapFile) => {
    const error = await refusal(establish({ bootstrapFile }));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining('is no file') });
  });

  test('refuses: private keys that are not those of the authority', async () => {
    const other = await startAccounts();
    const keys = (await documentsOf(other.state)).filter(({ kind }) => kind === 'cert_authority_key');
    const documents = (await documentsOf(old.state)).filter(({ kind }) => kind !== 'cert_authority_key');
    const error = await refusal(establish({ bootstrapFile: fileOf([...documents, ...keys]) }));
    expect(error.message).toMatch(/the private keys do not fit cert_authority\/user/);
    expect(error.message).not.toContain('PRIVATE KEY');
    const lone = documents.filter(({ kind }) => kind !== 'cert_authority');
    expect((await refusal(establish({ bootstrapFile: fileOf([...lone, ...keys]) }))).message).toMatch(
      /but no cert_authority/,
    );
    await other.close();
  });

  test('refuses: a store that is in use and yet has no name', async () => {
    await house.state.write([{ do: 'create', resource: makeRole('dev') }]);
    const error = await refusal(establish({ bootstrapFile: fileOf([clusterName('a.example.com')]) }));
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining('empty store') });
  });

  test('ok: nodes, and what has expired, are left out; roles of a hand-written file may be presets', async () => {
    const node = makeResource('node', 'n', { hostname: 'n', addr: '10.0.0.1:22' });
    const past = makeResource(
      'token',
      'abcd1234-5678',
      { roles: ['node'] },
      { expires: '2020-01-01T00:00:00Z' },
    );
    const notices: unknown[] = [];
    const log: Log = {
      ...silentLog,
      warn: (fields) => void notices.push((fields as { notice: string }).notice),
    };
    await establish({
      log,
      bootstrapFile: fileOf([node, past, makeUser('eve', ['access'])]),
      clusterName: 'c.example.com',
    });
    expect(notices).toEqual([
      expect.stringMatching(/^1 nodes/),
      expect.stringMatching(/^1 resources.*expired/),
    ]);
    expect([...house.state.list('user')].map(({ metadata }) => metadata.name)).toEqual(['eve']);
    expect([...house.state.list('token')]).toEqual([]);
  });
});

describe('a start that is cut short', () => {
  const COUNT = 1000;
  const documents = [
    clusterName('big.example.com'),
    makeRole('dev'),
    ...Array.from({ length: COUNT }, (_, index) => makeUser(`user-${index}`, ['dev'])),
  ];

  /** Fails at the nth write; `isApplied`: what was asked for is done, but the process does not learn it. */
  function failing(at: number, isApplied: boolean): { state: ClusterState; writes: () => number } {
    let count = 0;
    const write: ClusterState['write'] = async (changes) => {
      count += 1;
      if (count !== at) return house.state.write(changes);
      if (isApplied) await house.state.write(changes);
      throw new GatehouseError('STORAGE_FAILED', 'killed');
    };
    return { state: { ...house.state, write }, writes: () => count };
  }

  test.each([1, 2, 3, 4, 5].flatMap((at) => [[at, false] as const, [at, true] as const]))(
    'ok: at write %i (done: %s): the next start with the same file ends it',
    async (at, isApplied) => {
      const bootstrapFile = fileOf(documents);
      const { state } = failing(at, isApplied);
      await refusal(establish({ state, bootstrapFile }));
      const isWhole = at === 5 && isApplied;
      const isUntouched = at === 1 && !isApplied;
      if (!isWhole && !isUntouched) {
        expect(await refusal(establish())).toMatchObject({
          code: 'INVALID_CONFIG',
          message: expect.stringContaining('same file'),
        });
        const other = fileOf(documents.slice(0, 1));
        expect(await refusal(establish({ bootstrapFile: other }))).toMatchObject({ code: 'INVALID_CONFIG' });
      }
      expect(await establish({ bootstrapFile })).toMatchObject({ name: 'big.example.com', isNew: !isWhole });
      expect([...house.state.list('user')]).toHaveLength(COUNT);
      const [name] = [...house.state.list('cluster_name')];
      expect(name?.metadata.labels).toBeUndefined();
      expect(await establish()).toEqual({ name: 'big.example.com', isNew: false });
    },
  );

  test('ok: there are five writes, so all were cut', async () => {
    const { state, writes } = failing(0, false);
    await establish({ state, bootstrapFile: fileOf(documents) });
    expect(writes()).toBe(5);
  });

  test('ok: a small file is one write', async () => {
    const { state, writes } = failing(0, false);
    await establish({ state, bootstrapFile: fileOf(documents.slice(0, 100)) });
    expect(writes()).toBe(1);
  });
});
