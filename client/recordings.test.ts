// A recording on its whole way: recorded, spooled, uploaded to a real auth server, listed, read, checked and deleted by
// those who may.
import { createHash, randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteRecording, putSegment, verifyRecording } from '#core/api/recordings.ts';
import { exportRecording } from '#recordings/playback/export.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { recordSessions, TEST_NODE } from '#test/kit/recordings.ts';
import { openApi, type Api } from './api.ts';
import { apiRecordingSource, apiUploadTarget, eachRecording } from './recordings.ts';

let house: TestAuth;
let apis: Api[];
beforeEach(async () => {
  house = await startTestAuth();
  apis = [];
});
afterEach(async () => {
  for (const api of apis) api.close();
  await house.close();
});

function apiOf(identity: TestClient): Api {
  const api = openApi({
    addresses: [`127.0.0.1:${house.auth.port}`],
    authorities: [house.authority],
    identity,
  });
  apis.push(api);
  return api;
}

async function textOf(api: Api, sid: string): Promise<string> {
  const parts: string[] = [];
  for await (const part of exportRecording(apiRecordingSource(api, sid), 'bytes'))
    parts.push(String(Buffer.from(part)));
  return parts.join('');
}

async function allOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

async function sidsOf(api: Api, filter = {}): Promise<string[]> {
  const sids: string[] = [];
  for await (const { sid } of eachRecording(api, filter, 1000)) sids.push(sid);
  return sids;
}
const eventsOf = async (type: string) => (await house.events()).filter(({ event }) => event === type);

describe('recordings', () => {
  it('ok: what a session printed comes back byte for byte, and its upload is on record once', async () => {
    const sid = randomUUID();
    const output = `hello ${'x'.repeat(100_000)} bye`;
    expect(await recordSessions(house, [{ sid, user: 'joe', output }])).toEqual([]);
    const joe = apiOf(await house.issueUser('joe', []));
    expect(await sidsOf(joe)).toEqual([sid]);
    expect(await textOf(joe, sid)).toBe(output);
    expect(await eventsOf('session.upload')).toMatchObject([
      {
        sid,
        user: 'joe',
        login: 'root',
        server_id: TEST_NODE,
        reported_by: TEST_NODE,
        reason: 'closed',
        segments: 1,
      },
    ]);
    expect(await eventsOf('session.recording.access')).toEqual([]);
    expect(await joe.call(verifyRecording, {}, { sid })).toMatchObject({
      ok: true,
      anchored: true,
      findings: [],
    });
  });

  it.each(['node', 'proxy', 'db', 'app'] as const)('ok: a host that is only %s uploads', async (role) => {
    const session = { sid: randomUUID(), user: 'joe', output: 'seen' };
    expect(await recordSessions(house, [session], 'interactive', role)).toEqual([]);
    expect(await textOf(apiOf(house.admin), session.sid)).toBe('seen');
  });

  it('ok: many runs of a command without a terminal are few calls, and each is a recording', async () => {
    const runs = Array.from({ length: 100 }, (_, n) => ({
      sid: randomUUID(),
      user: 'ansible',
      output: `run ${n}`,
    }));
    expect(await recordSessions(house, runs, 'exec')).toEqual([]);
    const admin = apiOf(house.admin);
    expect((await sidsOf(admin, { kind: 'exec', user: 'ansible' })).length).toBe(100);
    expect(await sidsOf(admin, { kind: 'interactive' })).toEqual([]);
    expect(await textOf(admin, runs[42]!.sid)).toBe('run 42');
    expect(await eventsOf('session.upload')).toHaveLength(100);
  });

  it('S17 one sees own recordings, and others by rule; that others read is on record, once', async () => {
    const [own, other] = [randomUUID(), randomUUID()];
    await recordSessions(house, [
      { sid: own, user: 'joe', output: 'mine' },
      { sid: other, user: 'amy', output: 'hers' },
    ]);
    const joe = apiOf(await house.issueUser('joe', []));
    expect(await sidsOf(joe)).toEqual([own]);
    await expect(textOf(joe, other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(joe.download(`/v1/recordings/${other}/segments/1`)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(joe.call(verifyRecording, {}, { sid: other })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(joe.call(deleteRecording, {}, { sid: own })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    const helper = apiOf(await house.issueUser('helper', ['access']));
    expect((await sidsOf(helper)).sort()).toEqual([own, other].sort());
    const auditor = apiOf(await house.issueUser('olga', ['auditor']));
    expect(await textOf(auditor, own)).toBe('mine');
    expect(await textOf(auditor, own)).toBe('mine');
    expect(await eventsOf('session.recording.access')).toMatchObject([{ sid: own, user: 'olga' }]);
    await house.put('role', 'blind', { deny: { rules: [{ resources: ['session'], verbs: ['*'] }] } });
    const blind = apiOf(await house.issueUser('joe', ['blind']));
    await expect(sidsOf(blind)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('S18 hosts read no recording, write none of another host, and claim no session of another', async () => {
    const sid = randomUUID();
    await recordSessions(house, [{ sid, user: 'joe', output: 'x' }]);
    for (const roles of [['node'], ['proxy'], ['auth']] as const) {
      const host = apiOf(house.issueHost(roles));
      await expect(textOf(host, sid)).rejects.toMatchObject({
        code: expect.stringMatching(/DENIED|NOT_FOUND/),
      });
    }
    const segment = await allOf(await apiOf(house.admin).download(`/v1/recordings/${sid}/segments/1`));
    const sha256 = createHash('sha256').update(segment).digest('hex');
    const thief = apiUploadTarget(() => thiefApi);
    const thiefApi = apiOf(house.issueHost(['node']));
    const upload = { session: sid, number: 1, sha256, bytes: segment };
    await expect(thief.putSegment(upload)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(thief.putWhole([upload])).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(
      thief.complete({ session: sid, segments: 1, head: sha256, missing: [] }),
    ).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    expect((await eventsOf('access.denied')).at(-1)).toMatchObject({
      action: 'upload',
      resource: `session/${sid}`,
    });
    const operator = apiUploadTarget(() => operatorApi);
    const operatorApi = apiOf(house.issueHost(['operator']));
    await expect(operator.putSegment(upload)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it('ok: an admin deletes; verifying finds what was changed on the disk, also when it was made anew as a whole', async () => {
    const [sid, forged] = [randomUUID(), randomUUID()];
    await recordSessions(house, [
      { sid, user: 'joe', output: 'x'.repeat(5000) },
      { sid: forged, user: 'joe', output: 'true' },
    ]);
    const admin = apiOf(house.admin);
    await admin.call(deleteRecording, {}, { sid });
    expect(await sidsOf(admin)).toEqual([forged]);
    expect(await eventsOf('session.recording.delete')).toMatchObject([{ sid, user: 'local-admin' }]);
    await expect(admin.call(deleteRecording, {}, { sid })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const second = await startTestAuth();
    try {
      const [first, whole] = [house, join(house.dataDir, 'log', 'sessions', 'default', `${forged}.segment`)];
      house = second;
      await recordSessions(house, [{ sid: forged, user: 'joe', output: 'false' }]);
      const bytes = await allOf(await apiOf(second.admin).download(`/v1/recordings/${forged}/segments/1`));
      house = first;
      expect((await readdir(join(whole, '..'))).length).toBeGreaterThan(0);
      await writeFile(whole, bytes);
      const report = await admin.call(verifyRecording, {}, { sid: forged });
      expect(report).toMatchObject({ ok: false, anchored: true, findings: [{ finding: 'changed' }] });
    } finally {
      await second.close();
    }
  });

  it.each([
    ['a number that is none', `/v1/recordings/${randomUUID()}/segments/0`, 'BAD_REQUEST'],
    ['a session that is none', '/v1/recordings/..%2f..%2fetc/segments/1', 'BAD_REQUEST'],
    ['bytes that are no segment', `/v1/recordings/${randomUUID()}/segments/1`, 'BAD_REQUEST'],
  ])('S26 S33 refuses: %s', async (_name, path, code) => {
    const api = apiOf(house.issueHost(['node'], { hostId: TEST_NODE }));
    const endpoint = { ...putSegment, path };
    const call = api.upload(endpoint, { sha256: 'a'.repeat(64) }, {}, Buffer.from('x'));
    await expect(call).rejects.toMatchObject({ code });
  });

  it('S33 refuses: bodies that are too large or of another sort', async () => {
    const api = apiOf(house.issueHost(['node'], { hostId: TEST_NODE }));
    const params = { sid: randomUUID(), number: '1' };
    const large = api.upload(putSegment, { sha256: 'a'.repeat(64) }, params, Buffer.alloc(9 * 1024 * 1024));
    await expect(large).rejects.toMatchObject({ code: expect.stringMatching(/TOO_LARGE|UNAVAILABLE/) });
    const json = api.call(putSegment, { sha256: 'a'.repeat(64) }, params);
    await expect(json).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    const bytes = api.upload(
      { ...putSegment, method: 'POST', path: '/v1/heartbeat' },
      {} as never,
      {},
      Buffer.from('{}'),
    );
    await expect(bytes).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
});
