import { beforeEach, describe, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { silentLog, type Log } from '#core/log.ts';
import { credentialConformance } from './conformance/credentials.ts';
import { recordOf, selfSigned } from './conformance/sample.ts';
import { neverSplit } from './conformance/seeds.ts';
import { OWNER, SecretWorld, type Fate } from './conformance/secret-world.ts';
import { openCredentialSecret } from './credentials-secret.ts';
import type { CredentialStore, HostRecord } from './credentials.ts';
import type { KubeSecret } from './kube-secret-object.ts';
import type { KubeSecrets } from './kube-secrets.ts';

const NAME = 'web-0-state';
const authority = selfSigned('the authority').certificate;
const first = recordOf('a0f0f0d8-0000-4000-8000-000000000000', authority);

let world: SecretWorld;
beforeEach(() => {
  world = new SecretWorld();
});

const storeOf = (secrets: KubeSecrets, log: Log = silentLog): CredentialStore =>
  openCredentialSecret({ secrets, name: NAME, log });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (isCode(error) ? error.code : String(error)),
  );
const textOf = (secret: KubeSecret | undefined, key: string): string =>
  Buffer.from(secret?.data[key] ?? '', 'base64').toString('utf8');
const withText = (secret: KubeSecret, key: string, text: string): KubeSecret => ({
  ...secret,
  data: { ...secret.data, [key]: Buffer.from(text).toString('base64') },
});
const stored = (): KubeSecret => world.get(NAME) ?? expect.unreachable('there is no Secret');

credentialConformance({
  name: 'a Secret',
  place() {
    const here = new SecretWorld();
    return {
      open: () => storeOf(here.open('pod-1')),
      read: async () => (here.get(NAME) === undefined ? undefined : textOf(here.get(NAME), 'record')),
      write: async (text) => {
        const secret = here.get(NAME);
        if (secret !== undefined) here.replace(withText(secret, 'record', text));
      },
      remove: async () => here.remove(NAME),
    };
  },
});

describe('the Secret', () => {
  it('R11 ok: belongs to the StatefulSet, is labelled, and tells people whose identity it holds', async () => {
    await storeOf(world.open('pod-1')).create(first);
    expect(stored()).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'gatehouse' },
      owners: [OWNER],
    });
    expect(textOf(stored(), 'host_id')).toBe(first.certificates.host_id);
    expect(textOf(stored(), 'format')).toBe('1');
    expect(textOf(stored(), 'holder')).toBe('pod-1');
    const before = textOf(stored(), 'fingerprint');
    expect(before).toMatch(/^sha256:[0-9a-f]{64}$/);
    await storeOf(world.open('pod-1')).replace({ ...first, generation: 2, auth_servers: ['other:443'] });
    expect(textOf(stored(), 'fingerprint')).not.toBe(before);
  });

  it('ok: labels, finalizers and keys of others stay, and their writes are no conflict', async () => {
    const store = storeOf(world.open('pod-1'));
    await store.create(first);
    world.replace({ ...withText(stored(), 'note', 'mine'), finalizers: ['a/b'], annotations: { c: 'd' } });
    await store.replace({ ...first, generation: 2 });
    world.touch(NAME);
    await store.replace({ ...first, generation: 3 });
    expect(stored()).toMatchObject({
      labels: { touched: 'yes' },
      finalizers: ['a/b'],
      annotations: { c: 'd' },
    });
    expect(textOf(stored(), 'note')).toBe('mine');
    expect((await store.load())?.generation).toBe(3);
  });

  it('R1 refuses: a host id beside the record of another host, and a format of later', async () => {
    const store = storeOf(world.open('pod-1'));
    await store.create(first);
    world.replace(withText(stored(), 'host_id', 'b'));
    expect(await codeOf(store.load())).toBe('CORRUPT');
    expect(await codeOf(store.replace({ ...first, generation: 2 }))).toBe('CORRUPT');
    world.replace(withText(withText(stored(), 'host_id', first.certificates.host_id), 'format', '2'));
    expect(await codeOf(storeOf(world.open('pod-1')).load())).toBe('NOT_SUPPORTED');
    expect(await codeOf(storeOf(world.open('pod-1')).claim?.() ?? Promise.resolve())).toBe('NOT_SUPPORTED');
  });

  it('R11 ok: a StatefulSet that was made anew becomes its owner at the next start', async () => {
    await storeOf(world.open('pod-1')).create(first);
    world.replace({ ...stored(), owners: [] });
    await storeOf(world.open('pod-1')).claim?.();
    expect(stored().owners).toEqual([OWNER]);
  });

  it('ok: a pod of a Deployment has no owner that lasts, and is told so', async () => {
    const lines: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => void lines.push(message) };
    const secrets = {
      ...world.open('pod-1'),
      controllerOf: () => Promise.resolve({ ...OWNER, kind: 'ReplicaSet' }),
    };
    await storeOf(secrets, log).create(first);
    expect(stored().owners).toEqual([]);
    expect(lines.join()).toContain('not of a StatefulSet');
  });
});

describe('answers that are lost', () => {
  /** The first call of each kind of change meets the fate; the rest are answered. */
  const meeting = (fate: Fate, call: string) => {
    let isMet = false;
    return async (what: string): Promise<Fate> => {
      if (isMet || what !== call) return 'answered';
      isMet = true;
      return fate;
    };
  };

  it('R1 ok: a create or replace that took effect is one, by reading again', async () => {
    const creating = storeOf(world.open('pod-1', meeting('done, answer lost', 'create')));
    await creating.create(first);
    const replacing = storeOf(world.open('pod-1', meeting('done, answer lost', 'replace')));
    await replacing.replace({ ...first, generation: 2 });
    expect((await replacing.load())?.generation).toBe(2);
  });

  it('R1 refuses: UNAVAILABLE when it took none; what lands later loses to what was stored since', async () => {
    const store = storeOf(world.open('pod-1', meeting('done later', 'create')));
    expect(await codeOf(store.create(first))).toBe('UNAVAILABLE');
    const second = recordOf('b', authority);
    await store.create(second);
    world.landLate();
    expect(await store.load()).toEqual(second);
    const replacing = storeOf(world.open('pod-1', meeting('done later', 'replace')));
    expect(await codeOf(replacing.replace({ ...second, generation: 2, node_name: 'late' }))).toBe(
      'UNAVAILABLE',
    );
    await replacing.replace({ ...second, generation: 2, node_name: 'in time' });
    world.landLate();
    expect((await store.load())?.node_name).toBe('in time');
  });
});

describe('two pods of one name', () => {
  const second: HostRecord = { ...first, generation: 2 };
  const check = (store: CredentialStore): Promise<string> =>
    codeOf(store.check?.(first.certificates.host_id) ?? Promise.resolve());

  it('R11 refuses: the one that started earlier may not write any more, and notices', async () => {
    const [old, young] = [storeOf(world.open('pod-1')), storeOf(world.open('pod-2'))];
    await old.create(first);
    expect(await check(old)).toBe('ok');
    expect(await young.claim?.()).toEqual(first);
    expect(await codeOf(old.replace(second))).toBe('NAME_CONFLICT');
    expect(await check(old)).toBe('NAME_CONFLICT');
    await young.replace(second);
    expect(await check(young)).toBe('ok');
    expect(textOf(stored(), 'holder')).toBe('pod-2');
  });

  it('ok: a container that starts again in the same pod goes on, with no write', async () => {
    await storeOf(world.open('pod-1')).create(first);
    const version = stored().resourceVersion;
    const again = storeOf(world.open('pod-1'));
    expect(await again.claim?.()).toEqual(first);
    expect(stored().resourceVersion).toBe(version);
    await again.replace(second);
    expect((await again.load())?.generation).toBe(2);
  });

  it('refuses: a Secret put back from the backup of another host', async () => {
    const store = storeOf(world.open('pod-1'));
    await store.create(recordOf('b', authority));
    expect(await check(store)).toBe('NAME_CONFLICT');
  });
});

neverSplit(40);
