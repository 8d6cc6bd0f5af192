// The feed of local copies over HTTPS: snapshots, resumed watches, what a caller sees of it, and when it is cut.
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';

let house: TestAuth;
beforeAll(async () => {
  house = await startTestAuth();
});
afterAll(() => house.close());

interface Line {
  readonly revision?: string;
  readonly resource?: { kind: string; metadata: { name: string; revision: string } };
  readonly events?: readonly {
    type: string;
    name?: string;
    resource?: { metadata: { name: string; revision: string } };
  }[];
  readonly error?: { code: string };
}

/** Reads lines one at a time; `next` gives undefined at the end. */
function linesOf(response: IncomingMessage): { next(): Promise<Line | undefined>; stop(): void } {
  const lines: string[] = [];
  let rest = '';
  const parts = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  return {
    async next() {
      while (lines.length === 0) {
        const part = await parts.next();
        if (part.done === true) return undefined;
        const all = (rest + part.value.toString('utf8')).split('\n');
        rest = all.pop() ?? '';
        lines.push(...all);
      }
      return JSON.parse(lines.shift() ?? '') as Line;
    },
    stop: () => response.destroy(),
  };
}

async function watch(client: TestClient, query: string) {
  const response = await house.open(client, `/v1/watch?${query}`);
  expect(response.statusCode).toBe(200);
  return linesOf(response);
}

async function snapshot(client: TestClient, kinds: string) {
  const { text, headers } = await house.call(client, 'GET', `/v1/snapshot?kinds=${kinds}`);
  expect(headers['content-type']).toBe('application/x-ndjson');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const resources = lines.flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  return {
    resources,
    names: resources.map(({ metadata }) => metadata.name),
    revision: lines.at(-1)?.revision,
  };
}

/** The next line with events, as "put name" or "delete name"; or the error. */
async function change(feed: { next(): Promise<Line | undefined> }): Promise<string> {
  for (;;) {
    const line = await feed.next();
    if (line === undefined) return 'end';
    if (line.error !== undefined) return line.error.code;
    const [event] = line.events ?? [];
    if (event !== undefined) return `${event.type} ${event.name ?? event.resource?.metadata.name ?? ''}`;
  }
}

const put = (name: string, spec: object = {}, metadata: object = {}) =>
  house.put('role', name, spec, metadata);
const node = (name: string, env: string) =>
  house.put('node', name, { hostname: name, addr: '10.0.0.1:3022', version: '0.1.0' }, { labels: { env } });

describe('feed', () => {
  test('ok: a snapshot ends with its revision, and a watch from there misses nothing', async () => {
    const host = house.issueHost(['node']);
    const { names, revision } = await snapshot(host, 'role,lock,cert_authority');
    expect(names).toEqual(expect.arrayContaining(['access', 'editor', 'host', 'user']));
    await put('after-1');
    await put('after-2');
    const feed = await watch(host, `kinds=role,lock&from=${revision}`);
    expect([await change(feed), await change(feed)]).toEqual(['put after-1', 'put after-2']);
    await house.remove('role', 'after-1');
    expect(await change(feed)).toBe('delete after-1');
    feed.stop();
  });

  test('ok: cut 50 times at any point and resumed, a copy equals the state without a new snapshot', async () => {
    const host = house.issueHost(['node']);
    const first = await snapshot(host, 'role');
    let revision = first.revision ?? '';
    const copy = new Map(first.resources.map(({ metadata }) => [metadata.name, metadata.revision]));
    const apply = ({ revision: reached, events = [] }: Line): void => {
      for (const event of events) {
        const { resource, name = '' } = event;
        if (resource === undefined) copy.delete(name);
        else copy.set(resource.metadata.name, resource.metadata.revision);
      }
      revision = reached ?? revision;
    };
    for (let cut = 0; cut < 50; cut++) {
      const feed = await watch(host, `kinds=role&from=${revision}`);
      await put(`cut-${cut % 7}`, { allow: { logins: [`u${cut}`] } });
      if (cut % 5 === 4) await house.remove('role', `cut-${cut % 7}`);
      if (cut % 3 !== 0) apply((await feed.next()) ?? {});
      feed.stop();
    }
    const feed = await watch(host, `kinds=role&from=${revision}`);
    while (revision !== house.auth.state.revision()) apply((await feed.next()) ?? {});
    feed.stop();
    const state = [...house.auth.state.list('role')].map(({ metadata }) => [
      metadata.name,
      metadata.revision,
    ]);
    expect([...copy].sort()).toEqual(state.sort());
  });

  test('ok: a sign of life every ten seconds, with the revision that was reached', async () => {
    const feed = await watch(house.issueHost(['node']), 'kinds=lock');
    const first = await feed.next();
    await house.clock.advance(10_000);
    let line = await feed.next();
    expect(line).toMatchObject({ events: [] });
    expect(BigInt(line?.revision ?? '')).toBeGreaterThanOrEqual(BigInt(first?.revision ?? '0'));
    await house.clock.advance(10_000);
    line = await feed.next();
    expect(line?.events).toEqual([]);
    feed.stop();
  });

  test('refuses: a revision of before all history, of the future, or of no form', async () => {
    const host = house.issueHost(['node']);
    for (const from of ['999999999', '1e9', '-1', 'abc', '%00']) {
      const response = await house.open(host, `/v1/watch?kinds=role&from=${from}`);
      const feed = linesOf(response);
      const code = response.statusCode === 200 ? await change(feed) : 'BAD_REQUEST';
      expect([from, code]).toEqual([from, from === '999999999' ? 'REVISION_COMPACTED' : 'BAD_REQUEST']);
      feed.stop();
    }
  });
});

describe('S17 access to feeds', () => {
  test('refuses: kinds that are not for the caller, the whole feed at once', async () => {
    const plain = await house.issueUser('plain', []);
    const cases: [TestClient | undefined, string, string][] = [
      [undefined, 'cluster_name', 'UNAUTHENTICATED'],
      [house.issueHost(['node']), 'user', 'ACCESS_DENIED'],
      [house.issueHost(['node']), 'role,token', 'ACCESS_DENIED'],
      [house.issueHost(['node']), 'node', 'ACCESS_DENIED'],
      [house.issueHost(['node']), 'cert_authority_key', 'ACCESS_DENIED'],
      [house.issueHost(['auth']), 'user_password', 'ACCESS_DENIED'],
      [plain, 'role', 'ACCESS_DENIED'],
      [plain, 'lock', 'ACCESS_DENIED'],
      [await house.issueUser('root', ['admin']), 'user_password', 'ACCESS_DENIED'],
      [house.admin, 'cert_authority_key', 'BAD_REQUEST'],
      [house.admin, 'nonsense', 'BAD_REQUEST'],
      [house.admin, ',', 'BAD_REQUEST'],
    ];
    for (const path of ['snapshot', 'watch']) {
      for (const [client, kinds, code] of cases) {
        const answer = await house.call(client, 'GET', `/v1/${path}?kinds=${kinds}`);
        expect([kinds, answer.body?.['code']]).toEqual([kinds, code]);
      }
    }
  });

  test('ok: a user sees nodes come and go as its roles select them, and never the others', async () => {
    await put('dev-only', { allow: { node_labels: { env: 'dev' } } });
    const client = await house.issueUser('uma', ['dev-only']);
    await node('d-1', 'dev');
    await node('p-1', 'prod');
    const { names, revision } = await snapshot(client, 'node');
    expect(names).toEqual(['d-1']);
    const feed = await watch(client, `kinds=node&from=${revision}`);
    await node('p-2', 'prod');
    await node('d-2', 'dev');
    expect(await change(feed)).toBe('put d-2');
    await node('p-1', 'dev');
    expect(await change(feed)).toBe('put p-1');
    await node('d-2', 'prod');
    expect(await change(feed)).toBe('delete d-2');
    await house.remove('node', 'p-2');
    await house.remove('node', 'd-1');
    expect(await change(feed)).toBe('delete d-1');
    feed.stop();
  });
});

describe('S16 cuts', () => {
  const open = async (client: TestClient) => {
    const feed = await watch(client, 'kinds=cluster_name');
    await feed.next();
    return feed;
  };

  test('refuses: to go on once a lock is in force, without any time passing', async () => {
    const hostId = '3f1c6a52-6c1e-4f0e-9df0-222222222222';
    const host = await open(house.issueHost(['node'], { hostId }));
    const user = await open(await house.issueUser('vic', ['access']));
    const other = await open(house.issueHost(['node']));
    await house.put('lock', 'a', { target: { server_id: hostId } });
    expect(await change(host)).toBe('LOCKED');
    await house.put('lock', 'b', { target: { user: 'vic' } });
    expect(await change(user)).toBe('LOCKED');
    await house.clock.advance(10_000);
    expect((await other.next())?.events).toEqual([]);
    expect(await host.next()).toBeUndefined();
    other.stop();
    await house.remove('lock', 'a');
    await house.remove('lock', 'b');
  });

  test('refuses: to go on past the end of the certificate', async () => {
    const feed = await open(house.issueHost(['node'], { ttlMs: 30_000 }));
    await house.clock.advance(29_000);
    await house.clock.advance(2_001);
    expect(await change(feed)).toBe('CERTIFICATE_INVALID');
  });

  test('refuses: to go on for a user who is deleted, or whose roles change', async () => {
    const deleted = await open(await house.issueUser('wes', ['access']));
    await house.remove('user', 'wes');
    expect(await change(deleted)).toBe('ACCESS_DENIED');
    const demoted = await open(await house.issueUser('xia', ['access', 'editor']));
    const same = await open(await house.issueUser('yan', ['access']));
    await house.put('user', 'xia', { roles: ['access'] });
    expect(await change(demoted)).toBe('REVISION_COMPACTED');
    await house.put('user', 'zed', { roles: ['access'] });
    await house.clock.advance(10_000);
    expect((await same.next())?.events).toEqual([]);
    same.stop();
  });

  test('ok: a service that stops tells its feeds so', async () => {
    const other = await startTestAuth();
    const response = await other.open(other.issueHost(['node']), '/v1/watch?kinds=lock');
    const feed = linesOf(response);
    await feed.next();
    const closing = other.auth.close();
    expect(await change(feed)).toBe('UNAVAILABLE');
    await closing;
    await other.close();
  });
});
