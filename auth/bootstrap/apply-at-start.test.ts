// Resources of a file at every start: a whole service that is started again and again on one store.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { startAuth, type Auth } from '../main.ts';

const TOKEN = `kind: token
version: v2
metadata: {name: main-proxy}
spec:
  roles: [proxy]
  join_method: kubernetes
  kubernetes:
    allow: [{service_account: "apps:main-proxy"}]
`;

let folder: string;
let path: string;
let auth: Auth | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-apply-'));
  path = join(folder, 'resources.yaml');
});
afterEach(async () => {
  await auth?.close();
  auth = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(text: string | undefined, clusterName = 'test.example.com'): Promise<Auth> {
  await auth?.close();
  auth = undefined;
  if (text !== undefined) writeFileSync(path, text);
  auth = await startAuth({
    clock: new FakeClock(Date.now()),
    log: silentLog,
    stdout: new PassThrough(),
    dataDir: join(folder, 'data'),
    storage: { type: 'sqlite' },
    auditEventsUris: [],
    listen: { host: '127.0.0.1', port: 0 },
    names: [],
    nodeName: 'auth-1',
    clusterName,
    publicAddress: 'test.example.com:443',
    version: '0.1.0',
    applyFile: path,
  });
  return auth;
}
const refusalOf = (text: string | undefined): Promise<{ code: string; message: string }> =>
  start(text).then(
    () => expect.unreachable('started'),
    (error: unknown) => error as { code: string; message: string },
  );
const events = async ({ audit }: Auth): Promise<unknown[]> =>
  (await audit.search({ from: 0, to: 1e15, limit: 1000, order: 'asc' })).events
    .filter(({ event }) => /^(token|role|resource)\./.test(event))
    .map((event) => [event.event, 'user' in event && event.user, 'name' in event && event.name]);

test('ok: applied by the local admin, told once, and left alone when it is so already', async () => {
  const first = await start(TOKEN);
  expect(first.state.get('token', 'main-proxy')?.spec).toMatchObject({ join_method: 'kubernetes' });
  const revision = first.state.get('token', 'main-proxy')?.metadata.revision;
  expect(await events(first)).toEqual([['token.create', 'local-admin', 'main-proxy']]);
  const second = await start(TOKEN);
  expect(second.state.get('token', 'main-proxy')?.metadata.revision).toBe(revision);
  expect(await events(second)).toHaveLength(1);
});

test('ok: what somebody changed is brought back, what is not in the file stays', async () => {
  const first = await start(TOKEN);
  const changed = structuredClone(first.state.get('token', 'main-proxy')!) as { spec: { roles: string[] } };
  changed.spec.roles = ['node'];
  await first.state.write([{ do: 'put', resource: changed as never }]);
  const second = await start(TOKEN);
  expect(second.state.get('token', 'main-proxy')?.spec).toMatchObject({ roles: ['proxy'] });
  expect(await events(second)).toContainEqual(['resource.update', 'local-admin', 'main-proxy']);
  const third = await start('');
  expect(third.state.get('token', 'main-proxy')).toBeDefined();
});

test.each([
  [
    'a slip, with its line',
    TOKEN.replace('proxy]', 'prxy]'),
    'INVALID_RESOURCE',
    'line 5: spec.roles[0] must be',
  ],
  ['no YAML', 'kind: [', 'INVALID_RESOURCE', 'line '],
  [
    'S18 an authority',
    'kind: cert_authority\nmetadata: {name: host}\nspec: {}',
    'INVALID_RESOURCE',
    'line 1',
  ],
  [
    'S18 a record of auth itself',
    'kind: user_password\nmetadata: {name: joe}\nspec: {}',
    'INVALID_RESOURCE',
    'line 1',
  ],
  ['S18 a node', 'kind: node\nmetadata: {name: n}\nspec: {hostname: h}', 'INVALID_RESOURCE', 'line 1'],
  [
    'a role that is not there',
    'kind: user\nmetadata: {name: joe}\nspec: {roles: [nosuch]}',
    'INVALID_RESOURCE',
    'nosuch',
  ],
])('refuses to start: %s', async (_title, text, code, message) => {
  const error = await refusalOf(`${text}\n`);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  expect(error.message).toContain(path);
  const later = await start('');
  expect([...later.state.list('token')]).toEqual([]);
});

test('refuses to start: a file that is not there, and a folder', async () => {
  expect(await refusalOf(undefined)).toMatchObject({ code: 'INVALID_CONFIG' });
  path = folder;
  expect(await refusalOf(undefined)).toMatchObject({ code: 'INVALID_CONFIG' });
});
