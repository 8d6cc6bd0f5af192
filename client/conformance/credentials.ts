// The suite that every store of an identity passes unchanged: `credentialConformance({ name, place })` in the store's own
// test file.
import { describe, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import type { CredentialStore, HostRecord } from '../credentials.ts';
import { recordOf, selfSigned } from './sample.ts';

/** One place that holds one identity, empty at first. */
export interface Place {
  /** As another process of the same host opens it. */
  open(): CredentialStore;
  /** What is stored, as it is stored; undefined when nothing is. */
  read(): Promise<string | undefined>;
  /** Puts that text in its place. */
  write(text: string): Promise<void>;
  remove(): Promise<void>;
}

export interface ConformanceOptions {
  readonly name: string;
  readonly place: () => Promise<Place> | Place;
}

const authority = selfSigned('the authority').certificate;
const first = recordOf('a0f0f0d8-0000-4000-8000-000000000000', authority);
const at = (generation: number, more: Partial<HostRecord> = {}): HostRecord => ({
  ...first,
  generation,
  ...more,
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return isCode(error) ? error.code : String(error);
  }
}

export function credentialConformance({ name, place }: ConformanceOptions): void {
  describe(`${name} keeps an identity`, () => {
    it('R1 ok: created once, read back, replaced by the next generation only', async () => {
      const here = await place();
      const store = here.open();
      expect(await store.load()).toBeUndefined();
      await store.create(first);
      expect(await store.load()).toEqual(first);
      expect(await codeOf(store.create(at(1, { node_name: 'other' })))).toBe('ALREADY_EXISTS');
      expect(await codeOf(store.replace(at(3)))).toBe('CONDITION_FAILED');
      await store.replace(at(2));
      expect(await codeOf(store.replace(at(2, { node_name: 'other' })))).toBe('CONDITION_FAILED');
      expect(await here.open().load()).toEqual(at(2));
    });

    it('R1 refuses: to replace what another process of the host replaced, or what is gone', async () => {
      const here = await place();
      const [one, other] = [here.open(), here.open()];
      await one.create(first);
      expect(await other.load()).toEqual(first);
      await other.replace(at(2, { node_name: 'other' }));
      expect(await codeOf(one.replace(at(2, { node_name: 'one' })))).toBe('CONDITION_FAILED');
      expect(await one.load()).toEqual(at(2, { node_name: 'other' }));
      await here.remove();
      expect(await codeOf(one.replace(at(3)))).toBe('CONDITION_FAILED');
      expect(await one.load()).toBeUndefined();
    });

    it('R1 ok: of many that create at once exactly one wins, and its record is what is read', async () => {
      const here = await place();
      const codes = await Promise.all(
        Array.from({ length: 8 }, (_, n) => codeOf(here.open().create(at(1, { node_name: `n-${n}` })))),
      );
      const winner = codes.indexOf('ok');
      expect(codes.filter((code) => code === 'ok').length).toBe(1);
      expect(codes.filter((code) => code === 'ALREADY_EXISTS').length).toBe(7);
      expect((await here.open().load())?.node_name).toBe(`n-${winner}`);
    });

    it('R1 refuses: a damaged record is an error and stays as it is, never a new identity', async () => {
      const here = await place();
      await here.open().create(first);
      const good = (await here.read()) ?? '';
      for (const text of ['', '{}', good.slice(0, -20), good.replace('web-1', 'web-2'), 'x'.repeat(50_000)]) {
        await here.write(text);
        const store = here.open();
        expect(await codeOf(store.load())).toBe('CORRUPT');
        if (store.claim !== undefined) expect(await codeOf(store.claim())).toBe('CORRUPT');
        expect(await codeOf(store.create(first))).toBe('ALREADY_EXISTS');
        expect(await codeOf(store.replace(at(2)))).toBe('CORRUPT');
        expect(await here.read()).toBe(text);
      }
    });

    it('S36 ok: no error of the store shows a key, and each names the place', async () => {
      const here = await place();
      const store = here.open();
      await store.create(first);
      for (const attempt of [() => store.create(at(1, { node_name: 'b' })), () => store.replace(at(9))]) {
        const error = await attempt().catch((cause: unknown) => cause);
        expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('the-private-key');
        expect(String(error)).toContain(store.place);
      }
    });
  });
}
