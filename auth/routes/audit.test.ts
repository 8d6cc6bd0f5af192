// The audit log over HTTPS: search, whose events are shown, and the check of the log's own files.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

let house: TestAuth;
let auditor: TestClient;
beforeAll(async () => {
  house = await startTestAuth();
  auditor = await house.issueUser('olga', ['auditor']);
});
afterAll(() => house.close());

const search = async (client: TestClient, query: string) => {
  const { body } = await house.call(client, 'GET', `/v1/audit/events?${query}`);
  return body as { events: Record<string, unknown>[]; cursor?: string; code?: string };
};
const session = (sid: string, user: string, participants: readonly string[] = []) =>
  house.auth.audit.emit({
    event: 'session.end',
    user,
    login: 'root',
    sid,
    server_id: 'n1',
    ...(participants.length === 0 ? {} : { participants }),
  });

describe('search', () => {
  test('ok: by type, user and time, in both orders, page by page', async () => {
    for (const sid of ['s1', 's2', 's3']) session(sid, 'amy');
    session('s4', 'bob');
    const newest = await search(auditor, 'types=session.end&user=amy&limit=2');
    expect(newest.events.map(({ sid }) => sid)).toEqual(['s3', 's2']);
    const rest = await search(auditor, `types=session.end&user=amy&limit=2&cursor=${newest.cursor}`);
    expect(rest.events.map(({ sid }) => sid)).toEqual(['s1']);
    const oldest = await search(auditor, 'types=session.end&order=oldest');
    expect(oldest.events.map(({ sid }) => sid)).toEqual(['s1', 's2', 's3', 's4']);
    const future = new Date(house.clock.now() + 60_000).toISOString();
    expect((await search(auditor, `from=${future}`)).events).toEqual([]);
  });

  test('refuses: a query out of bounds, a cursor of somebody’s own making', async () => {
    for (const query of [
      'limit=0',
      'limit=10001',
      'from=yesterday',
      'order=random',
      'cursor=%2e%2e%2fetc',
      'x=1',
    ]) {
      expect([query, (await search(auditor, query)).code]).toEqual([query, 'BAD_REQUEST']);
    }
  });

  test('S17 who may see only own sessions gets those, and no event of anything else', async () => {
    const amy = await house.issueUser('amy', ['access']);
    session('shared', 'bob', ['bob', 'amy']);
    session('other', 'bob', ['bob']);
    const { events } = await search(amy, 'limit=1000');
    expect(events.map(({ sid }) => sid).sort()).toEqual(['s1', 's2', 's3', 'shared']);
    const none = await search(await house.issueUser('new', ['access']), 'limit=1000');
    expect(none.events).toEqual([]);
    expect((await house.call(amy, 'POST', '/v1/audit/verify', {})).status).toBe(403);
  });
});

describe('verify', () => {
  const folder = () => join(house.dataDir, 'log');
  const verify = async () => (await house.call(auditor, 'POST', '/v1/audit/verify', {})).body;

  test('ok: an untouched log; then a line that was changed is found, and that is an event too', async () => {
    session('v1', 'amy');
    const good = await verify();
    expect(good).toMatchObject({ ok: true, writers: 1, findings: [] });
    await house.auth.audit.flush();
    const [name = ''] = (await readdir(folder())).filter((file) => file.endsWith('.log'));
    const path = join(folder(), name);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"sid":"v1"', '"sid":"v9"'));
    const bad = await verify();
    expect(bad).toMatchObject({ ok: false });
    expect((bad!['findings'] as { finding: string }[]).map(({ finding }) => finding)).toContain('edited');
    const events = await search(auditor, 'types=audit.verified');
    expect(events.events.map(({ success }) => success)).toEqual([false, true]);
  });
});
