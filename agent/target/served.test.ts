// What an agent serves of file and cluster, as selectors and documents change.
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { dbLabels, type DbSpec } from '#kinds/db/kind.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { testDb } from '#test/kit/target-agent.ts';
import { until } from '#test/kit/until.ts';
import { dbDocument, dbServerDocument } from './documents.ts';
import { followTargets, type Served, type ServedOptions } from './served.ts';

const closing: Served<DbSpec>[] = [];
afterEach(async () => {
  for (const served of closing.splice(0)) await served.close();
});

const db = (name: string, labels: Record<string, string>, uri = '127.0.0.1:1'): Resource<DbSpec> => ({
  ...dbDocument(testDb(name, { uri }), {}),
  metadata: { name, labels },
});

function follow(options: Partial<ServedOptions<DbSpec>>) {
  const world = { documents: [] as Resource<DbSpec>[], changes: 0, tell: (): void => {} };
  const served = followTargets<DbSpec>({
    clock: new FakeClock(),
    log: silentLog,
    environment: {},
    fixed: [],
    selectors: [{ labels: { team: ['dba', 'ops'] } }],
    documents: () => world.documents,
    onDocuments: (listener) => {
      world.tell = listener;
      return () => {};
    },
    labelsOf: dbLabels,
    onChange: () => world.changes++,
    ...options,
  });
  closing.push(served);
  return { served, world };
}

const names = (served: Served<DbSpec>): string[] => served.all().map(({ metadata }) => metadata.name);

describe('of the cluster', () => {
  it('ok: what a selector matches, followed as it comes, changes and goes', () => {
    const { served, world } = follow({});
    world.documents = [db('a', { team: 'dba' }), db('b', { team: 'web' }), db('c', { team: 'ops' })];
    world.tell();
    expect(names(served)).toEqual(['a', 'c']);
    world.tell();
    expect(world.changes).toBe(1);
    world.documents = [db('a', { team: 'dba' }, '127.0.0.1:2'), db('c', { team: 'web' })];
    world.tell();
    expect(names(served)).toEqual(['a']);
    expect(served.get('a')?.spec.uri).toBe('127.0.0.1:2');
    expect(served.labelsOf('c')).toBeUndefined();
    expect(world.changes).toBe(2);
  });

  it('ok: everything, and nothing without selectors', () => {
    const documents = (): Resource<DbSpec>[] => [db('a', {}), db('b', { x: 'y' })];
    expect(names(follow({ documents, selectors: [{ labels: { '*': ['*'] } }] }).served)).toEqual(['a', 'b']);
    expect(names(follow({ documents, selectors: [] }).served)).toEqual([]);
    expect(names(follow({ documents, selectors: [{ labels: {} }] }).served)).toEqual([]);
  });

  it('ok: what a selector adds', () => {
    const complete = (one: Resource<DbSpec>): Resource<DbSpec> => ({
      ...one,
      spec: { ...one.spec, aws: { assume_role_arn: 'arn' } },
    });
    const { served } = follow({
      documents: () => [db('a', { team: 'dba' })],
      selectors: [{ labels: { team: ['dba'] }, complete }],
    });
    expect(served.get('a')?.spec.aws).toEqual({ assume_role_arn: 'arn' });
  });

  it('S22 ok: commands in documents of the cluster are not run; their results are as written', async () => {
    const dynamic_labels = { team: { period: '1m', command: ['/bin/echo', 'dba'], result: 'dba' } };
    const document = { ...db('a', {}), spec: { ...db('a', {}).spec, dynamic_labels } };
    const { served } = follow({ documents: () => [document] });
    await served.ready;
    expect(served.labelsOf('a')).toEqual({ team: 'dba' });
  });
});

describe('of the file', () => {
  it('ok: commands of the file give labels, and their news is told', async () => {
    const command = { name: 'os', command: ['/bin/echo', 'linux'], periodMs: 60_000 };
    const config = testDb('a', { commands: [command] });
    const { served, world } = follow({
      fixed: [{ name: 'a', commands: [command], document: (results) => dbDocument(config, results) }],
    });
    await served.ready;
    expect(served.labelsOf('a')).toEqual({ env: 'test', os: 'linux' });
    await until('the news', () => world.changes === 1);
  });

  it('ok: it wins over the cluster', () => {
    const { served } = follow({
      fixed: [{ name: 'a', commands: [], document: () => db('a', { from: 'file' }) }],
      documents: () => [db('a', { team: 'dba' })],
    });
    expect(served.all()).toHaveLength(1);
    expect(served.labelsOf('a')).toEqual({ from: 'file' });
  });

  it('S36 ok: presence carries the document, without what is for agents alone or the store added', () => {
    const one = db('a.b', { team: 'dba' });
    const spec = { ...one.spec, tls: { ...one.spec.tls, ca_cert: 'PEM' } };
    const stored = { ...one, spec, metadata: { name: 'a.b', labels: {}, revision: '7' } };
    const facts = { hostId: 'host-1', hostname: 'agent-1', version: '1', proxyIds: ['p'] };
    const presence = dbServerDocument(stored as Resource<DbSpec>, facts);
    expect(presence.metadata.name).toBe('a.b.host-1');
    expect(presence.spec.database.metadata).toEqual({ name: 'a.b', labels: {} });
    expect(presence.spec.database.spec.tls).toEqual({ mode: 'insecure' });
    expect(presence.spec).toMatchObject({ host_id: 'host-1', proxy_ids: ['p'] });
  });
});
