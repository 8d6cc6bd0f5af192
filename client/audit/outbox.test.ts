// A batch that auth has is taken off while its file is being written.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { Outbox } from './outbox.ts';

it.each(['done', 'setAside'] as const)(
  'ok: %s of a batch whose file is being written, with more to write, closes nothing under the writer',
  async (end) => {
    const dir = await mkdtemp(join(tmpdir(), 'gatehouse-outbox-'));
    try {
      const errors: unknown[] = [];
      const log = { ...silentLog, error: (fields: object) => void errors.push(fields) };
      const outbox = new Outbox({ dir, clock: new FakeClock(), log, maxBytes: 1024 * 1024 });
      outbox.take({ event: 'exec', command: 'one' });
      // The writer has the first line now, and no more.
      await Promise.resolve();
      await Promise.resolve();
      outbox.take({ event: 'exec', command: 'two' });
      const batch = outbox.oldest;
      if (batch === undefined) throw new Error('no batch');
      batch.isSealed = true;
      await outbox[end](batch);
      outbox.take({ event: 'exec', command: 'three' });
      await outbox.flush();
      expect(errors).toEqual([]);
      expect(outbox.status().failing).toBeUndefined();
      await outbox.close();
      const files = await readdir(dir);
      if (end === 'setAside') {
        const aside = await readFile(join(dir, 'refused', batch.name), 'utf8');
        expect(aside.match(/"one"|"two"/g)).toEqual(['"one"', '"two"']);
      }
      expect(files.filter((name) => name.endsWith('.jsonl'))).toHaveLength(1);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
);
