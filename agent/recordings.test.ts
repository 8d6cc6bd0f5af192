import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { openRecordings, type Recordings } from './recordings.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-recordings-'));
let recordings: Recordings | undefined;
afterEach(async () => {
  await recordings?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

it('S10 ok: who goes past the proxies that record is recorded at the node', async () => {
  let mode: 'node' | 'node-sync' | 'proxy' | 'proxy-sync' | 'off' = 'node';
  recordings = await openRecordings({
    clock: systemClock,
    log: silentLog,
    dataDir,
    hostId: 'node-id',
    membership: {
      api() {
        throw new GatehouseError('UNAVAILABLE', 'auth is away');
      },
    },
    view: { recording: () => ({ mode }) as never },
    emit: () => {},
  });
  const isRecorded = async (byProxy: boolean): Promise<boolean> => {
    const recorder = recordings?.record({
      sessionId: randomUUID(),
      kind: 'exec',
      mode: 'best_effort',
      facts: { user: 'joe', login: 'root' } as never,
      byProxy,
    });
    await recorder?.end({});
    return recorder !== undefined;
  };
  const seen: [string, boolean, boolean][] = [];
  for (mode of ['node', 'node-sync', 'proxy', 'proxy-sync', 'off'] as const) {
    seen.push([mode, await isRecorded(false), await isRecorded(true)]);
  }
  expect(seen).toEqual([
    ['node', true, false],
    ['node-sync', true, false],
    ['proxy', true, false],
    ['proxy-sync', true, false],
    ['off', false, false],
  ]);
});
