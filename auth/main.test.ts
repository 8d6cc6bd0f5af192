// The service as a whole on a real store: restarts, backups, first starts that race, starts that fail.
import { lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { openSqlite } from '#storage/sqlite/open.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { startTestAuth } from '#test/kit/auth-server.ts';
import { startAuth, type AuthOptions } from './main.ts';

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function optionsOf(more: Partial<AuthOptions> = {}): Promise<AuthOptions> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-main-'));
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
    clusterName: 'main.example.com',
    publicAddress: 'main.example.com:443',
    version: '0.1.0',
    ...more,
  };
}

describe('auth service', () => {
  test('ok: a restart keeps id, authorities, state and the chain of the audit log', async () => {
    const options = await optionsOf();
    const first = await startAuth(options);
    const pins = first.authorities.caPins();
    first.audit.emit({ event: 'user.logout', user: 'amy' });
    expect(first.isReady()).toBe(true);
    await first.close();
    const second = await startAuth(options);
    expect([second.hostId, second.authorities.caPins()]).toEqual([first.hostId, pins]);
    second.audit.emit({ event: 'user.logout', user: 'bob' });
    const { events } = await second.audit.search({
      from: 0,
      to: 1e15,
      limit: 1000,
      order: 'asc',
      types: ['user.logout'],
    });
    expect(events.map((event) => ('user' in event ? event.user : ''))).toEqual(['amy', 'bob']);
    await second.close();
  });

  test('refuses: a second service on the data folder, another cluster name on it, a broken host id', async () => {
    const options = await optionsOf();
    const first = await startAuth(options);
    const inUse = join(options.dataDir, 'tmp', 'backup-under-way');
    await writeFile(inUse, '');
    await expect(startAuth(options)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await stat(inUse)).isFile()).toBe(true);
    await first.close();
    await expect(startAuth({ ...options, clusterName: 'other.example.com' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    });
    await writeFile(join(options.dataDir, 'host_uuid'), 'nonsense');
    await expect(startAuth(options)).rejects.toMatchObject({ code: 'CORRUPT' });
    await rm(join(options.dataDir, 'host_uuid'));
    const again = await startAuth(options);
    await again.close();
  });

  test('ok: after a failed start nothing is held, and the next one goes well', async () => {
    const options = await optionsOf();
    for (const bad of [
      { listen: { host: '192.0.2.1', port: 1 } },
      { auditEventsUris: ['nonsense://x'] },
      { storage: { type: 'sqlite', sync: 'maybe' } },
    ]) {
      await expect(startAuth({ ...options, ...bad })).rejects.toThrow();
    }
    const auth = await startAuth(options);
    await auth.close();
  });

  test('ok: files are for the owner only', async () => {
    const options = await optionsOf();
    const auth = await startAuth(options);
    const modeOf = async (path: string) => (await stat(join(options.dataDir, path))).mode & 0o777;
    expect(await modeOf('host_uuid')).toBe(0o600);
    expect(await modeOf('tmp')).toBe(0o700);
    expect(await readFile(join(options.dataDir, 'host_uuid'), 'utf8')).toBe(`${auth.hostId}\n`);
    await auth.close();
  });
});

describe('backup', () => {
  test('ok: the copy opens as a store with everything in it, and nothing of it is left behind', async () => {
    const house = await startTestAuth({ storage: { type: 'sqlite' } });
    await house.put('role', 'kept', {});
    const response = await house.open(house.admin, '/v1/backup');
    expect(response.headers['content-type']).toBe('application/octet-stream');
    const parts: Buffer[] = [];
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-backup-'));
    folders.push(folder);
    const path = join(folder, 'sqlite.db');
    await writeFile(path, Buffer.concat(parts), { mode: 0o600 });
    const backend = await openSqlite({ path, clock: house.clock, log: silentLog });
    const { items } = await backend.range({ prefix: 'resources/', limit: 1000 });
    expect(items.some(({ key }) => key.endsWith('/kept'))).toBe(true);
    await backend.close();
    expect(await readdir(join(house.dataDir, 'tmp'))).toEqual([]);
    const [event] = (await house.events()).filter((found) => found.event === 'backup.create');
    expect(event).toMatchObject({ success: true, user: 'local-admin', len: Buffer.concat(parts).length });
    await house.close();
  });

  test('S28 S36 a backup that fails leaves nothing, what a crash left is gone, and no link is followed', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'gatehouse-outside-'));
    folders.push(outside);
    await writeFile(join(outside, 'kept'), '');
    const options = await optionsOf();
    await symlink(outside, join(options.dataDir, 'tmp'));
    const auth = await startAuth(options);
    expect(await readdir(outside)).toEqual(['kept']);
    const folder = await lstat(join(options.dataDir, 'tmp'));
    expect([folder.isDirectory(), folder.mode & 0o777]).toEqual([true, 0o700]);
    await auth.close();
    await writeFile(join(options.dataDir, 'tmp', 'backup-of-a-crash'), 'keys');
    await (await startAuth(options)).close();
    expect(await readdir(join(options.dataDir, 'tmp'))).toEqual([]);

    const house = await startTestAuth({ storage: { type: 'sqlite' } });
    const emitDurably = house.auth.audit.emitDurably.bind(house.auth.audit);
    house.auth.audit.emitDurably = async (event) => {
      if (event.event === 'backup.create') throw new Error('the disk is full');
      return emitDurably(event);
    };
    const answer = await house.call(house.admin, 'GET', '/v1/backup');
    expect([answer.status, answer.text.includes('disk')]).toEqual([500, false]);
    expect(await readdir(join(house.dataDir, 'tmp'))).toEqual([]);
    await house.close();
  });

  test('refuses: where the store is no file of this machine, and says so in the log', async () => {
    const house = await startTestAuth();
    const answer = await house.call(house.admin, 'GET', '/v1/backup');
    expect([answer.status, answer.body?.['code']]).toEqual([501, 'NOT_SUPPORTED']);
    await house.close();
  });
});
