// The pure decisions of mirrors, as tables: whose a resource is, which cluster is meant, what the status says, and who is
// told of a change.
import { describe, expect, test } from 'vitest';
import { parseResource, type Kind } from '#core/kind.ts';
import { OWNER_LABEL, OWNER_NAME_LABEL } from '#core/owner-mark.ts';
import type { Resource } from '#core/resource.ts';
import { kindOf } from '#kinds/all.ts';
import { roleKind } from '#kinds/role/kind.ts';
import type { KubeObject } from '../kube/kube.ts';
import { belongsToAnother, chooseCluster } from './cluster-choice.ts';
import { Interests } from './interests.ts';
import { decideOwnership, marked, ownerFor } from './ownership.ts';
import { nextStatus, statusOf, type Finding } from './status.ts';

const object = (metadata: object = {}, fields: object = {}): KubeObject => ({
  apiVersion: 'gatehouse.dev/v1',
  kind: 'GatehouseRole',
  metadata: { name: 'dev', namespace: 'prod', uid: 'u1', generation: 3, ...metadata },
  ...fields,
});
const role = roleKind as Kind;
const me = ownerFor('op', object());
const resource = (labels?: Readonly<Record<string, string>>): Resource => ({
  ...parseResource(role, { kind: 'role', metadata: { name: 'dev', ...(labels && { labels }) }, spec: {} }),
});

describe('ownership', () => {
  test('ok: operator, namespace, kind and name each make another owner; another uid does not', () => {
    const owners = [
      me,
      ownerFor('op2', object()),
      ownerFor('op', object({ namespace: 'dev' })),
      ownerFor('op', object({ name: 'other' })),
      ownerFor('op', { ...object(), kind: 'GatehouseUser' }),
    ];
    expect(new Set(owners.map(({ id }) => id)).size).toBe(owners.length);
    expect(me).toEqual(ownerFor('op', object({ labels: { a: 'b' }, uid: 'u2' })));
    expect(me.id).toMatch(/^[0-9a-f]{64}$/);
    expect(me.name).toBe('GatehouseRole prod/dev of operator op');
  });

  test('ok: created, changed, left alone', () => {
    const mine = marked(resource() as never, me) as unknown as Resource;
    const theirs = resource({ [OWNER_LABEL]: 'f'.repeat(64), [OWNER_NAME_LABEL]: 'GatehouseRole x/y' });
    expect(decideOwnership(role, undefined, me, false)).toEqual({ do: 'create' });
    expect(decideOwnership(role, mine, me, false)).toMatchObject({ do: 'write' });
    expect(decideOwnership(role, resource(), me, true)).toMatchObject({ do: 'write' });
    expect(decideOwnership(role, resource(), me, false)).toMatchObject({
      do: 'nothing',
      message: expect.stringContaining('gatehouse.dev/adopt'),
    });
    for (const isAdopting of [true, false]) {
      expect(decideOwnership(role, theirs, me, isAdopting)).toMatchObject({
        do: 'nothing',
        message: expect.stringContaining('GatehouseRole x/y'),
      });
    }
  });

  test('ok: a setting that nobody set is free; one that somebody set is not', () => {
    const kind = kindOf('cluster_networking_config');
    const setting = (spec: object, labels?: object) =>
      parseResource(kind, {
        kind: kind.name,
        metadata: { name: kind.singleton, ...(labels && { labels }) },
        spec,
      });
    expect(decideOwnership(kind, setting({}), me, false)).toMatchObject({ do: 'write' });
    expect(decideOwnership(kind, setting({ client_idle_timeout: '5m' }), me, false)).toMatchObject({
      do: 'nothing',
    });
    const fromFile = setting({}, { 'gatehouse.internal/origin': 'config-file' });
    expect(decideOwnership(kind, fromFile, me, false)).toMatchObject({ do: 'nothing' });
  });
});

test('ok: the cluster that is named, or the only one that stays', () => {
  const cluster = (name: string, isGoing = false) =>
    object({ name, ...(isGoing && { deletionTimestamp: '2026-01-01T00:00:00Z' }) });
  const chosen = (wanted: string | undefined, ...clusters: KubeObject[]) => {
    const choice = chooseCluster(wanted, clusters);
    return 'cluster' in choice ? choice.cluster.metadata.name : choice.reason;
  };
  expect(chosen(undefined)).toBe('ClusterNotFound');
  expect(chosen(undefined, cluster('a'))).toBe('a');
  expect(chosen(undefined, cluster('a'), cluster('b'))).toBe('ClusterAmbiguous');
  expect(chosen(undefined, cluster('a'), cluster('b', true))).toBe('a');
  expect(chosen('b', cluster('a'), cluster('b'))).toBe('b');
  expect(chosen('c', cluster('a'), cluster('b'))).toBe('ClusterNotFound');
  expect(chosen('b', cluster('b', true))).toBe('ClusterNotFound');
});

test('ok: an object is left to the operator that has every cluster it could mean', () => {
  const of = (name: string, operator?: string, metadata: object = {}) =>
    object({
      name,
      annotations: operator === undefined ? {} : { 'gatehouse.dev/operator': operator },
      ...metadata,
    });
  const isLeft = (wanted: string | undefined, ...clusters: KubeObject[]) =>
    belongsToAnother(wanted, clusters, 'mine');
  expect(isLeft(undefined)).toBe(false);
  expect(isLeft(undefined, of('a'))).toBe(false);
  expect(isLeft(undefined, of('a', ''))).toBe(false);
  expect(isLeft(undefined, of('a', 'mine'))).toBe(false);
  expect(isLeft(undefined, of('a', 'theirs'))).toBe(true);
  expect(isLeft(undefined, of('a', 'theirs'), of('b', 'mine'))).toBe(false);
  expect(isLeft('a', of('a', 'theirs'), of('b', 'mine'))).toBe(true);
  expect(isLeft('c', of('a', 'theirs'))).toBe(false);
  // One that goes must not wait for an operator that was uninstalled.
  expect(isLeft('a', of('a', 'theirs', { deletionTimestamp: '2026-01-01T00:00:00Z' }))).toBe(false);
});

describe('status', () => {
  const T0 = Date.parse('2026-01-01T00:00:00Z');
  const applied: Finding = { is: 'applied', cluster: 'main', revision: '7' };
  const types = (finding: Finding) =>
    nextStatus(object(), finding, T0).conditions?.map(({ type, status }) => `${type}=${status}`);

  test('ok: Ready always; what is wrong only while it is', () => {
    expect(types(applied)).toEqual(['Ready=True']);
    expect(types({ is: 'waiting', reason: 'X', message: 'm' })).toEqual(['Ready=False', 'Progressing=True']);
    expect(types({ is: 'failed', reason: 'X', message: 'm' })).toEqual(['Ready=False', 'Stalled=True']);
    expect(types({ is: 'conflict', message: 'm' })).toEqual(['Ready=False', 'Conflict=True', 'Stalled=True']);
  });

  test('ok: the same finding later is the same status; a transition has its time', () => {
    const first = nextStatus(object(), applied, T0);
    expect(first).toMatchObject({ observedGeneration: 3, cluster: 'main', revision: '7' });
    const later = object({}, { status: first });
    expect(nextStatus(later, applied, T0 + 60_000)).toEqual(statusOf(later));
    const failed = nextStatus(later, { is: 'failed', reason: 'X', message: 'm' }, T0 + 60_000);
    expect(failed).toMatchObject({
      cluster: 'main',
      revision: '7',
      conditions: [{ lastTransitionTime: '2026-01-01T00:01:00Z', observedGeneration: 3 }, {}],
    });
  });
});

test('ok: a change concerns those who stand for the resource; any change those who wait', () => {
  const interests = new Interests();
  const who = (name: string) => ({ namespace: 'ns', name });
  const names = (keys: readonly { name: string }[]) => keys.map(({ name }) => name).sort();
  interests.note(who('a'), { cluster: 'ns/c', resources: ['role/x'], isWaiting: false });
  interests.note(who('b'), { cluster: 'ns/c', resources: ['role/x', 'role/y'], isWaiting: true });
  interests.note(who('z'), { cluster: 'ns/other', resources: ['role/x'], isWaiting: true });
  expect(names(interests.concernedBy('ns/c', 'role/x'))).toEqual(['a', 'b']);
  expect(names(interests.concernedBy('ns/c', 'role/y'))).toEqual(['b']);
  expect(names(interests.waitingFor('ns/c'))).toEqual(['b']);
  interests.note(who('b'), { cluster: 'ns/c', resources: ['role/y'], isWaiting: false });
  expect(names(interests.concernedBy('ns/c', 'role/x'))).toEqual(['a']);
  expect(names(interests.waitingFor('ns/c'))).toEqual([]);
  interests.forget(who('b'));
  expect(names(interests.concernedBy('ns/c', 'role/y'))).toEqual([]);
});
