import { expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { conformance } from '../conformance/suite.ts';
import { openMemory } from './open.ts';

conformance({
  name: 'memory',
  open: (clock) => openMemory({ clock }),
  openShort: (clock) => openMemory({ clock, maxHistory: 1000 }),
  gaps: [{ case: 'reopen', reason: 'nothing outlives the process, by design' }],
});

test('ok: a store that starts anew refuses positions of the one before it', async () => {
  const clock = new FakeClock();
  const first = openMemory({ clock });
  let from = '';
  for (let index = 0; index < 50; index++) from = await first.put({ key: 'a', value: new Uint8Array() });
  await first.close();
  await clock.advance(1000);
  const second = openMemory({ clock });
  const { signal } = new AbortController();
  const watch = second.watch({ prefixes: [''], from, signal })[Symbol.asyncIterator]();
  await expect(watch.next()).rejects.toMatchObject({ code: 'REVISION_COMPACTED' });
  await second.close();
});
