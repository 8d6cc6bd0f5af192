// The first start as the daemon makes it: a whole service on SQLite, exported over its API and started anew elsewhere.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { formatDocuments } from '#kinds/documents.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makeUser } from '#test/kit/state.ts';
import { startAuth, type Auth, type AuthOptions } from '../main.ts';

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

function optionsOf(more: Partial<AuthOptions> = {}): AuthOptions {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bootstrap-'));
  folders.push(dataDir);
  return {
    clock: new FakeClock(Date.now()),
    log: silentLog,
    stdout: new PassThrough(),
    dataDir,
    storage: { type: 'sqlite' },
    auditEventsUris: [],
    listen: { host: '127.0.0.1', port: 0 },
    names: [],
    nodeName: 'auth-1',
    publicAddress: 'main.example.com:443',
    version: '0.1.0',
    ...more,
  };
}

async function exported({ state }: Auth): Promise<Resource[]> {
  const all: Resource[] = [];
  for (const kind of KINDS) {
    if (kind.audience === 'admin') all.push(...state.list(kind.name));
    if (kind.audience === 'internal') for await (const resource of state.readAll(kind)) all.push(resource);
  }
  return all;
}

async function eventsOf({ audit }: Auth, ...types: string[]): Promise<readonly { event: string }[]> {
  const page = await audit.search({ from: 0, to: 1e15, limit: 1000, order: 'asc', types });
  return page.events;
}

describe('the first start', () => {
  test('ok: has presets, settings and one event; the second start changes nothing', async () => {
    const options = optionsOf({
      clusterName: 'main.example.com',
      settings: { cluster_auth_preference: { second_factor: 'on' } },
    });
    const first = await startAuth(options);
    expect(first.clusterName).toBe('main.example.com');
    expect([...first.state.list('role')].map(({ metadata }) => metadata.name)).toContain('access');
    expect(first.state.get('cluster_auth_preference', 'cluster-auth-preference')?.spec).toMatchObject({
      second_factor: 'on',
    });
    const types = ['bootstrap', 'preset.upgrade', 'auth_preference.update'];
    expect(await eventsOf(first, ...types)).toMatchObject([{ event: 'bootstrap', name: 'main.example.com' }]);
    const documents = await exported(first);
    await first.close();
    const second = await startAuth({ ...options, clusterName: undefined });
    expect(second.clusterName).toBe('main.example.com');
    expect(await eventsOf(second, ...types)).toHaveLength(1);
    const isLog = ({ kind }: Resource): boolean => kind === 'audit_state';
    expect((await exported(second)).filter((each) => !isLog(each))).toEqual(
      documents.filter((each) => !isLog(each)),
    );
    await second.close();
  });

  test('ok: a cluster moved with --bootstrap keeps its pins; the settings of the new config file win', async () => {
    const old = await startAuth(optionsOf({ clusterName: 'main.example.com' }));
    await old.state.write([{ do: 'create', resource: makeUser('joe', ['access']) }]);
    const bootstrapFile = join(folders.at(-1) ?? '', 'state.yaml');
    writeFileSync(bootstrapFile, formatDocuments(await exported(old), 'yaml'), { mode: 0o600 });
    await old.close();
    const settings = { cluster_networking_config: { client_idle_timeout: '15m' } };
    const fresh = await startAuth(optionsOf({ bootstrapFile, settings }));
    expect([fresh.clusterName, fresh.authorities.caPins()]).toEqual([
      'main.example.com',
      old.authorities.caPins(),
    ]);
    expect(fresh.state.get('user', 'joe')?.spec).toMatchObject({ roles: ['access'] });
    const [networking] = [...fresh.state.list('cluster_networking_config')];
    expect(networking?.spec).toMatchObject({ client_idle_timeout: '15m' });
    expect(await eventsOf(fresh, 'bootstrap')).toMatchObject([{ path: bootstrapFile }]);
    await fresh.close();
  });

  test('refuses: a bad file, and the next start without it is a first start', async () => {
    const options = optionsOf();
    const bootstrapFile = join(options.dataDir, 'state.yaml');
    writeFileSync(bootstrapFile, 'kind: user\nmetadata: {name: joe}\nspec: {roles: [nosuch]}\n');
    await expect(startAuth({ ...options, bootstrapFile })).rejects.toMatchObject({
      code: 'INVALID_RESOURCE',
    });
    const auth = await startAuth(options);
    expect(auth.clusterName).toBe(auth.hostId);
    expect(await eventsOf(auth, 'bootstrap')).toHaveLength(1);
    await auth.close();
  });
});
