// The ring of batches against a list that forgets nothing.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { openBatchRing } from './batch-ring.ts';

interface Batch {
  readonly revision: string;
  readonly events: readonly number[];
}

test('ok: any sequence of batches matches a list, within the bounds', () => {
  const batches = fc.array(
    fc.record({ step: fc.integer({ min: 1, max: 1e9 }), count: fc.integer({ min: 0, max: 9 }) }),
  );
  fc.assert(
    fc.property(
      batches,
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 300 }),
      (steps, events, bytes) => {
        const sizeOf = (batch: Batch): number => batch.events.length * 10;
        const ring = openBatchRing<Batch>({ newest: '7', maxEvents: events, maxBytes: bytes, sizeOf });
        expect([ring.newest(), ring.floor(), ring.after('7')]).toEqual(['7', '7', []]);
        const all: Batch[] = [];
        let revision = 7;
        for (const { step, count } of steps) {
          revision += step;
          const batch = { revision: String(revision), events: Array.from({ length: count }, (_, n) => n) };
          all.push(batch);
          ring.push(batch);
          const kept = all.filter((one) => Number(one.revision) > Number(ring.floor()));
          expect(kept.length).toBeGreaterThan(0);
          const total = kept.reduce((sum, one) => sum + one.events.length, 0);
          if (kept.length > 1) expect([total <= events, total * 10 <= bytes]).toEqual([true, true]);
          expect(ring.newest()).toBe(batch.revision);
          expect(ring.after(ring.floor())).toEqual(kept.slice(0, 64));
          expect(ring.after(kept[kept.length >> 1]!.revision)).toEqual(
            kept.slice((kept.length >> 1) + 1).slice(0, 64),
          );
        }
      },
    ),
  );
});

test('ok: what is handed out at once is bounded, and what was dropped is let go', () => {
  const ring = openBatchRing<Batch>({ newest: '0', maxEvents: 3000, maxBytes: 1e12, sizeOf: () => 400_000 });
  for (let revision = 1; revision <= 10_000; revision++)
    ring.push({ revision: String(revision), events: [1] });
  expect(ring.floor()).toBe('7000');
  expect(ring.after('7000').map(({ revision }) => revision)).toEqual(['7001', '7002', '7003']);
  expect(ring.after('9999')).toHaveLength(1);
  expect(ring.after('10000')).toEqual([]);
});
