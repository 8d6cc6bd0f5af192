import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { startAdminIdentity, type AdminCredentials, type AdminIdentityFile } from './admin-identity.ts';

let test: TestAuth;
let folder: string;
beforeEach(async () => {
  test = await startTestAuth();
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-admin-'));
});
afterEach(async () => {
  await test.close();
  await rm(folder, { recursive: true });
});

const start = (dataDir: string): Promise<AdminIdentityFile> =>
  startAdminIdentity({
    context: test.context,
    dataDir,
    authServers: ['127.0.0.1:3025'],
    clock: test.clock,
    log: silentLog,
  });
const read = async (path: string): Promise<AdminCredentials> =>
  JSON.parse(await readFile(path, 'utf8')) as AdminCredentials;

it('ok: written for the owner alone, and renewed with a new key when half of its time is over', async () => {
  const file = await start(join(folder, 'data'));
  const first = await read(file.path);
  expect((await stat(file.path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'data'))).mode & 0o777).toBe(0o700);
  expect(first).toMatchObject({
    version: 1,
    auth_servers: ['127.0.0.1:3025'],
    expires: '2026-01-02T00:00:00.000Z',
  });
  await test.clock.advance(12 * 3_600_000);
  await file.close();
  const second = await read(file.path);
  expect(second.expires).toBe('2026-01-02T12:00:00.000Z');
  expect(second.tls_private_key).not.toBe(first.tls_private_key);
});

it('ok: a link in its place is replaced, not followed', async () => {
  const victim = join(folder, 'victim');
  await writeFile(victim, 'untouched');
  await symlink(victim, join(folder, 'admin-identity.json'));
  const file = await start(folder);
  expect(await readFile(victim, 'utf8')).toBe('untouched');
  expect((await read(file.path)).version).toBe(1);
  await file.close();
});

it('refuses: a folder that cannot be written', async () => {
  await writeFile(join(folder, 'file'), '');
  const error = await start(join(folder, 'file')).catch((caught: unknown) => caught);
  expect(isCode(error, 'STORAGE_FAILED')).toBe(true);
});
