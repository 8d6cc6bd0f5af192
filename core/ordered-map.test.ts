import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderedMap } from './ordered-map.ts';

test('ok: any sequence of sets, deletes and reads matches a sorted Map', () => {
  const key = fc.string({ maxLength: 3 });
  const op = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constant('set' as const), key) },
    fc.tuple(fc.constant('delete' as const), key),
    fc.tuple(fc.constant('read' as const), key),
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 200 }), fc.option(key, { nil: undefined }), (ops, after) => {
      const map = new OrderedMap<number>();
      const model = new Map<string, number>();
      const expected = (prefix: string): [string, number][] => {
        const inside = [...model].filter(
          ([one]) => one.startsWith(prefix) && (after === undefined || one > after),
        );
        return inside.toSorted(([a], [b]) => (a < b ? -1 : 1));
      };
      for (const [index, [what, name]] of ops.entries()) {
        if (what === 'set') {
          map.set(name, index);
          model.set(name, index);
        } else if (what === 'delete') expect(map.delete(name)).toBe(model.delete(name));
        else expect([...map.entries(name.slice(0, 1), after)]).toEqual(expected(name.slice(0, 1)));
        expect(map.get(name)).toBe(model.get(name));
        expect(map.size).toBe(model.size);
      }
      expect([...map.entries('', after)]).toEqual(expected(''));
    }),
  );
});

test('ok: many keys in random order, then single ones between them', () => {
  const map = new OrderedMap<number>();
  for (let index = 0; index < 5000; index++) map.set(String((index * 7919) % 5003).padStart(4, '0'), index);
  expect(map.size).toBe(5000);
  const keys = Array.from(map.entries(), ([key]) => key);
  expect(keys).toEqual(keys.toSorted());
  for (let index = 0; index < 100; index++) map.set(`${String(index * 37).padStart(4, '0')}.5`, index);
  const more = Array.from(map.entries(), ([key]) => key);
  expect(more).toHaveLength(5100);
  expect(more).toEqual(more.toSorted());
  map.clear();
  expect([...map.entries()]).toEqual([]);
});
