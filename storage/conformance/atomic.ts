// Conformance: writes of several keys, all or none.
import { expect } from 'vitest';
import type { AtomicStep, Condition } from '../backend.ts';
import { bytes, contents, item, type Case } from './case.ts';

const any: Condition = { is: 'any' };

function putStep(key: string, value: string, condition: Condition = any): AtomicStep {
  return { key, condition, action: { do: 'put', value: bytes(value) } };
}

function deleteStep(key: string, condition: Condition = any): AtomicStep {
  return { key, condition, action: { do: 'delete' } };
}

function checkStep(key: string, condition: Condition): AtomicStep {
  return { key, condition, action: { do: 'check' } };
}

export const atomic: readonly Case[] = [
  {
    name: 'ok: several puts and deletes as one revision',
    async run({ backend }) {
      await backend.put(item('nodes/c'));
      const revision = await backend.atomicWrite([
        putStep('nodes/a', '1'),
        putStep('users/b', '2'),
        deleteStep('nodes/c'),
      ]);
      expect(await contents(backend)).toEqual(['nodes/a=1', 'users/b=2']);
      expect((await backend.get('nodes/a'))?.revision).toBe(revision);
      expect((await backend.get('users/b'))?.revision).toBe(revision);
      expect(await backend.revision()).toBe(revision);
    },
  },
  {
    name: 'ok: the revision of an atomic write is good for an update of each key',
    async run({ backend }) {
      const revision = await backend.atomicWrite([putStep('a', '1'), putStep('b', '1')]);
      await backend.update(item('a', '2'), revision);
      await backend.update(item('b', '2'), revision);
      expect(await contents(backend)).toEqual(['a=2', 'b=2']);
    },
  },
  {
    name: 'refuses: one failing condition, and nothing is applied',
    async run({ backend }) {
      const before = await backend.put(item('b', 'old'));
      const write = backend.atomicWrite([
        putStep('a', 'new'),
        putStep('b', 'new', { is: 'absent' }),
        putStep('c', 'new'),
      ]);
      await expect(write).rejects.toMatchObject({ code: 'ALREADY_EXISTS', details: { key: 'b' } });
      expect(await contents(backend)).toEqual(['b=old']);
      expect(await backend.revision()).toBe(before);
    },
  },
  {
    name: 'refuses: the first failing condition in order decides the error',
    async run({ backend }) {
      const revision = await backend.put(item('a'));
      const absent = checkStep('a', { is: 'absent' });
      const present = checkStep('b', { is: 'present' });
      const at = checkStep('c', { is: 'revision', revision });
      await expect(backend.atomicWrite([present, absent, at])).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(backend.atomicWrite([at, present, absent])).rejects.toMatchObject({
        code: 'CONDITION_FAILED',
      });
      await expect(backend.atomicWrite([absent, at, present])).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
    },
  },
  {
    name: 'ok: conditions that hold, of every kind, on checked keys',
    async run({ backend }) {
      const revision = await backend.put(item('a'));
      await backend.atomicWrite([
        checkStep('a', { is: 'revision', revision }),
        checkStep('b', { is: 'absent' }),
        checkStep('zz', any),
        putStep('d', 'x', { is: 'absent' }),
      ]);
      expect(await contents(backend)).toEqual(['a=a', 'd=x']);
      await backend.atomicWrite([checkStep('a', { is: 'present' }), deleteStep('d', { is: 'present' })]);
      expect((await backend.get('a'))?.revision).toBe(revision);
      expect(await contents(backend)).toEqual(['a=a']);
    },
  },
  {
    name: 'refuses: a check of a key that changed meanwhile, with a write of another key',
    async run({ backend }) {
      const revision = await backend.put(item('lease', 'me'));
      await backend.put(item('lease', 'you'));
      const write = backend.atomicWrite([
        checkStep('lease', { is: 'revision', revision }),
        putStep('work', 'done'),
      ]);
      await expect(write).rejects.toMatchObject({ code: 'CONDITION_FAILED', details: { key: 'lease' } });
      expect(await backend.get('work')).toBeUndefined();
    },
  },
  {
    name: 'ok: a delete of an absent key under any condition changes nothing',
    async run({ backend }) {
      const before = await backend.put(item('a'));
      expect(await backend.atomicWrite([deleteStep('b')])).toBe(before);
      expect(await backend.revision()).toBe(before);
    },
  },
  {
    name: 'ok: checks alone make no revision',
    async run({ backend }) {
      const before = await backend.put(item('a'));
      expect(await backend.atomicWrite([checkStep('a', { is: 'present' })])).toBe(before);
      expect(await backend.revision()).toBe(before);
    },
  },
  {
    name: 'ok: 1,000 steps',
    async run({ backend }) {
      const steps = Array.from({ length: 1000 }, (_, index) =>
        putStep(`n/${String(index).padStart(4, '0')}`, 'x'),
      );
      const revision = await backend.atomicWrite(steps);
      const page = await backend.range({ prefix: 'n/' });
      expect(page.items).toHaveLength(1000);
      expect(page.items.every((found) => found.revision === revision)).toBe(true);
    },
  },
  {
    name: 'refuses: no steps, too many steps, a key twice',
    async run({ backend }) {
      const many = Array.from({ length: 1001 }, (_, index) => putStep(`n/${index}`, 'x'));
      for (const steps of [[], many, [putStep('a', '1'), checkStep('a', any)]]) {
        await expect(backend.atomicWrite(steps)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
      }
      expect(await contents(backend)).toEqual([]);
    },
  },
  {
    name: 'ok: transfers between two keys under contention keep their sum',
    async run({ backend }) {
      await backend.atomicWrite([putStep('x', '10'), putStep('y', '10')]);
      const move = async (amount: number): Promise<void> => {
        for (;;) {
          const [x, y] = await Promise.all([backend.get('x'), backend.get('y')]);
          const value = (found: typeof x): number => Number(new TextDecoder().decode(found!.value));
          const steps = [
            putStep('x', String(value(x) - amount), { is: 'revision', revision: x!.revision }),
            putStep('y', String(value(y) + amount), { is: 'revision', revision: y!.revision }),
          ];
          if (
            await backend.atomicWrite(steps).then(
              () => true,
              () => false,
            )
          )
            return;
        }
      };
      await Promise.all([1, 2, -1, -2, 3, -3, 4].map(move));
      expect(await contents(backend)).toEqual(['x=6', 'y=14']);
    },
  },
];
