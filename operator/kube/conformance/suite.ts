// What every Kube does, whether a real API server is behind it or the fake: reconcilers are tested on the one and run on
// the other, so both answer to this suite.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import type { Kube, KubeObject, WatchEvent } from '../kube.ts';
import { CONFIG_MAPS, SECRETS } from '../object-types.ts';
import { thing, THINGS } from './thing.ts';

export interface KubeUnderTest {
  readonly kube: Kube;
  /** Exists, and is empty but for what the server itself puts there. */
  readonly namespace: string;
  /** Another one. */
  readonly otherNamespace: string;
  close(): Promise<void>;
}

/** The suite; `open` gives a server that knows THINGS. */
export function kubeConformance(name: string, open: () => Promise<KubeUnderTest>): void {
  describe(`Kube: ${name}`, () => {
    let under: KubeUnderTest;
    let kube: Kube;
    let ns: string;
    beforeAll(async () => {
      under = await open();
      ({ kube, namespace: ns } = under);
    });
    afterAll(async () => under.close());

    const codeOf = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => 'resolved',
        (error: unknown) => (isCode(error) ? error.code : String(error)),
      );
    const get = (one: string): Promise<KubeObject> => kube.get(THINGS, { namespace: ns, name: one });

    it('ok: create, get, replace; refuses: what is there, what is not, and an old revision', async () => {
      const made = await kube.create(thing(ns, 'a', { n: 1 }, { labels: { x: 'y' } }));
      expect(made).toMatchObject({
        apiVersion: 'conformance.gatehouse.dev/v1',
        kind: 'Thing',
        metadata: { name: 'a', namespace: ns, generation: 1, labels: { x: 'y' } },
        spec: { n: 1 },
      });
      expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(await get('a')).toEqual(made);
      expect(await codeOf(kube.create(thing(ns, 'a', {})))).toBe('ALREADY_EXISTS');
      const replaced = await kube.replace({ ...made, spec: { n: 2 } });
      expect(replaced.metadata.generation).toBe(2);
      expect(await codeOf(kube.replace({ ...made, spec: { n: 3 } }))).toBe('CONDITION_FAILED');
      expect(await codeOf(get('missing'))).toBe('NOT_FOUND');
      expect(await codeOf(kube.get(THINGS, { namespace: under.otherNamespace, name: 'a' }))).toBe(
        'NOT_FOUND',
      );
      expect(await codeOf(kube.replace(thing(ns, 'missing', {}, { resourceVersion: '1' })))).toBe(
        'NOT_FOUND',
      );
    });

    it('ok: labels and status leave the generation; a write that changes nothing leaves the revision', async () => {
      const made = await kube.create(thing(ns, 'gen', { n: 1 }));
      const labelled = await kube.replace({ ...made, metadata: { ...made.metadata, labels: { a: 'b' } } });
      expect(labelled.metadata.generation).toBe(1);
      expect(labelled.metadata.resourceVersion).not.toBe(made.metadata.resourceVersion);
      const told = await kube.applyStatus({ ...thing(ns, 'gen', {}), status: { phase: 'good' } });
      expect(told).toMatchObject({ metadata: { generation: 1 }, spec: { n: 1 }, status: { phase: 'good' } });
      const again = await kube.applyStatus({ ...thing(ns, 'gen', {}), status: { phase: 'good' } });
      expect(again.metadata.resourceVersion).toBe(told.metadata.resourceVersion);
      const kept = await kube.replace({ ...again, status: { phase: 'bad' }, spec: { n: 2 } });
      expect(kept).toMatchObject({ metadata: { generation: 2 }, status: { phase: 'good' } });
    });

    it('ok: apply keeps every letter of a text', async () => {
      const text = 'é \u{1f600} \u0001 \u007f \u0085 \u2028 \ufffe "quoted" \\.';
      const told = await kube.apply(thing(ns, 'letters', { text }));
      expect(told['spec']).toEqual({ text });
    });

    it('ok: apply creates, changes, takes back what it no longer says, and leaves what others said', async () => {
      const first = await kube.apply(
        thing(ns, 'ssa', { a: 1, b: { c: 1, d: 2 } }, { labels: { mine: 'yes' } }),
      );
      expect(first.metadata.generation).toBe(1);
      const same = await kube.apply(
        thing(ns, 'ssa', { a: 1, b: { c: 1, d: 2 } }, { labels: { mine: 'yes' } }),
      );
      expect(same.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
      await kube.apply(thing(ns, 'ssa', { other: true }), { fieldManager: 'somebody' });
      const next = await kube.apply(thing(ns, 'ssa', { a: 1, b: { c: 3 } }));
      expect(next['spec']).toEqual({ a: 1, b: { c: 3 }, other: true });
      expect(next.metadata.labels).toBeUndefined();
    });

    it('refuses: to take a field of another manager, unless forced', async () => {
      await kube.apply(thing(ns, 'forced', { a: 1, l: [1, 2] }), { fieldManager: 'somebody' });
      const wanted = thing(ns, 'forced', { a: 2, l: [3] });
      expect(await codeOf(kube.apply(wanted))).toBe('CONDITION_FAILED');
      expect((await get('forced'))['spec']).toEqual({ a: 1, l: [1, 2] });
      expect((await kube.apply(wanted, { force: true }))['spec']).toEqual({ a: 2, l: [3] });
      expect(await codeOf(kube.apply(thing(ns, 'forced', { a: 5 }), { fieldManager: 'somebody' }))).toBe(
        'CONDITION_FAILED',
      );
    });

    it('ok: a dry run changes nothing', async () => {
      await kube.apply(thing(ns, 'dry', { a: 1 }));
      const seen = await kube.apply(thing(ns, 'dry', { a: 2 }), { dryRun: true });
      expect(seen['spec']).toEqual({ a: 2 });
      expect((await get('dry'))['spec']).toEqual({ a: 1 });
    });

    it('ok: conditions of two managers stand side by side', async () => {
      await kube.create(thing(ns, 'cond', {}));
      const say = (type: string, status: string): KubeObject => ({
        ...thing(ns, 'cond', {}),
        status: { conditions: [{ type, status }] },
      });
      await kube.applyStatus(say('Ready', 'True'));
      await kube.applyStatus(say('Other', 'True'), { fieldManager: 'somebody' });
      const now = await kube.applyStatus(say('Ready', 'False'));
      expect(now['status']).toEqual({
        conditions: [
          { type: 'Ready', status: 'False' },
          { type: 'Other', status: 'True' },
        ],
      });
      expect(await codeOf(kube.applyStatus({ ...thing(ns, 'missing', {}), status: {} }))).toBe('NOT_FOUND');
    });

    it('ok: merge patch sets and removes, with a revision as a compare-and-swap', async () => {
      const made = await kube.create(thing(ns, 'patch', {}, { annotations: { a: '1', b: '2' } }));
      const key = { namespace: ns, name: 'patch' };
      const patched = await kube.patch(THINGS, key, { metadata: { annotations: { a: null, c: '3' } } });
      expect(patched.metadata.annotations).toEqual({ b: '2', c: '3' });
      const stale = { metadata: { resourceVersion: made.metadata.resourceVersion, annotations: { d: '4' } } };
      expect(await codeOf(kube.patch(THINGS, key, stale))).toBe('CONDITION_FAILED');
      expect(await codeOf(kube.patch(THINGS, { namespace: ns, name: 'missing' }, {}))).toBe('NOT_FOUND');
    });

    it('ok: delete waits for finalizers; refuses: when it is another object by now', async () => {
      const key = { namespace: ns, name: 'fin' };
      await kube.create(thing(ns, 'fin', {}, { finalizers: ['gatehouse.dev/a'] }));
      expect(await codeOf(kube.delete(THINGS, key, { uid: '00000000-0000-4000-8000-00000000ffff' }))).toBe(
        'CONDITION_FAILED',
      );
      await kube.delete(THINGS, key);
      const going = await get('fin');
      expect(going.metadata.deletionTimestamp).toBeDefined();
      await kube.delete(THINGS, key);
      await kube.patch(THINGS, key, { metadata: { finalizers: null } });
      expect(await codeOf(get('fin'))).toBe('NOT_FOUND');
      await kube.delete(THINGS, key);
    });

    it('ok: lists by namespace and label, with type and kind; metadata alone when asked', async () => {
      const map = (namespace: string, name2: string, labels: Record<string, string>): KubeObject => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: name2, namespace, labels },
        data: { k: 'v' },
      });
      await kube.create(map(ns, 'one', { set: ns, part: 'a' }));
      await kube.create(map(ns, 'two', { set: ns, part: 'b' }));
      await kube.create(map(under.otherNamespace, 'three', { set: ns, part: 'a' }));
      const names = async (
        labelSelector: string,
        namespace?: string,
        fieldSelector?: string,
      ): Promise<unknown> => {
        const { items } = await kube.list(CONFIG_MAPS, { namespace, labelSelector, fieldSelector });
        for (const item of items) expect(item).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
        return items.map((item) => item.metadata.name).sort();
      };
      expect(await names(`set=${ns}`)).toEqual(['one', 'three', 'two']);
      expect(await names(`set=${ns},part!=a`)).toEqual(['two']);
      expect(await names(`set=${ns},part in (a,c)`, ns)).toEqual(['one']);
      expect(await names('set,!part')).toEqual([]);
      expect(await names(`set=${ns}`, ns, 'metadata.name=two')).toEqual(['two']);
      const found = await kube.list(CONFIG_MAPS, {
        namespace: ns,
        labelSelector: 'part=b',
        isMetadataOnly: true,
      });
      expect(found.items).toHaveLength(1);
      expect(found.items[0]).toMatchObject({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'two' },
      });
      expect(found.items[0]).not.toHaveProperty('data');
    });

    it('ok: a watch goes on from a list, and tells what comes, changes, leaves the selection, and goes', async () => {
      await kube.create(thing(ns, 'w0', {}, { labels: { watched: 'yes' } }));
      const selection = { namespace: ns, labelSelector: 'watched=yes' };
      const { items, resourceVersion } = await kube.list(THINGS, selection);
      expect(items.map((item) => item.metadata.name)).toEqual(['w0']);
      const end = new AbortController();
      const seen: string[] = [];
      const done = (async () => {
        for await (const event of kube.watch(THINGS, { ...selection, resourceVersion }, end.signal)) {
          if (event.type === 'BOOKMARK') continue;
          seen.push(`${event.type} ${event.object.metadata.name}`);
          if (seen.length === 6) return;
        }
      })();
      await kube.create(thing(ns, 'unseen', {}));
      await kube.create(thing(ns, 'w1', { n: 1 }, { labels: { watched: 'yes' } }));
      await kube.apply(thing(ns, 'w1', { m: 2 }));
      await kube.patch(THINGS, { namespace: ns, name: 'w1' }, { metadata: { labels: { watched: 'no' } } });
      await kube.patch(THINGS, { namespace: ns, name: 'w1' }, { metadata: { labels: { watched: 'yes' } } });
      await kube.delete(THINGS, { namespace: ns, name: 'w0' });
      await kube.delete(THINGS, { namespace: ns, name: 'w1' });
      await done;
      expect(seen).toEqual(['ADDED w1', 'MODIFIED w1', 'DELETED w1', 'ADDED w1', 'DELETED w0', 'DELETED w1']);
      const late: WatchEvent[] = [];
      for await (const event of kube.watch(THINGS, { ...selection, resourceVersion }, end.signal)) {
        if (late.push(event) === 1) break;
      }
      expect(late[0]).toMatchObject({ type: 'ADDED', object: { kind: 'Thing', metadata: { name: 'w1' } } });
    });

    it('ok: a watch of metadata alone carries nothing else; its end by signal is quick', async () => {
      const { resourceVersion } = await kube.list(SECRETS, { namespace: ns, isMetadataOnly: true });
      const end = new AbortController();
      const first = (async () => {
        const selection = { namespace: ns, isMetadataOnly: true, resourceVersion };
        for await (const event of kube.watch(SECRETS, selection, end.signal)) {
          if (event.type !== 'BOOKMARK') return event.object;
        }
        return undefined;
      })();
      await kube.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 's', namespace: ns },
        data: { password: 'aHVzaA==' },
      });
      const object = await first;
      expect(object).toMatchObject({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } });
      expect(object).not.toHaveProperty('data');
      const idle = (async () => {
        for await (const event of kube.watch(
          SECRETS,
          { namespace: ns, resourceVersion, labelSelector: 'no=no' },
          end.signal,
        )) {
          expect(event.type).toBe('BOOKMARK');
        }
      })();
      end.abort();
      await expect(idle).rejects.toThrow();
    });
  });
}
