import { expect, onTestFinished, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { conformance } from '../conformance/suite.ts';
import { openMemory } from '../memory/open.ts';
import { observeBackend, type StorageCall } from './observe.ts';

conformance({
  name: 'observed memory',
  open: (clock) => observeBackend(openMemory({ clock }), { observe: () => {} }),
  openShort: (clock) => observeBackend(openMemory({ clock, maxHistory: 1000 }), { observe: () => {} }),
  gaps: [{ case: 'reopen', reason: 'memory does not outlive the process' }],
  propertyRuns: 10,
});

test('ok: each call is told once, with its time and its code', async () => {
  const calls: StorageCall[] = [];
  let now = 0;
  const backend = observeBackend(openMemory({ clock: new FakeClock() }), {
    observe: (call) => calls.push(call),
    stopwatch: () => (now += 5),
  });
  onTestFinished(() => backend.close());
  const item = { key: 'a', value: Buffer.from('hush') };
  await backend.create(item);
  await expect(backend.create(item)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await backend.get('a');
  expect(calls).toEqual([
    { call: 'create', durationMs: 5, code: undefined },
    { call: 'create', durationMs: 5, code: 'ALREADY_EXISTS' },
    { call: 'get', durationMs: 5, code: undefined },
  ]);
  expect(backend.backup).toBeUndefined();
});
