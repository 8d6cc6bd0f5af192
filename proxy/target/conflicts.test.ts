// What is told of agents that say different things of one target, and how often.
import { expect, it } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { Server } from '#kinds/served.ts';
import { ConflictWatch } from './conflicts.ts';

const server = (uri: string): Server => ({
  spec: {
    database: {
      kind: 'db',
      version: 'v3',
      metadata: { name: 'orders' },
      spec: { protocol: 'postgres', uri, tls: { mode: 'verify-full' }, aws: {} },
    },
  },
});

it('ok: a conflict is told once a minute while people ask, equal ones never', async () => {
  const told: object[] = [];
  const clock = new FakeClock();
  const log = { ...silentLog, warn: (fields: object) => void told.push(fields) };
  const watch = new ConflictWatch({ clock, log });
  watch.look('stock', [server('a:1'), server('a:1')]);
  watch.look('orders', [server('a:1')]);
  expect(told).toEqual([]);
  const both = [server('a:1'), server('b:1')];
  for (let n = 0; n < 10; n++) watch.look('orders', both);
  expect(told).toEqual([{ name: 'orders', agents: 2 }]);
  await clock.advance(60_000);
  watch.look('orders', both);
  expect(told).toHaveLength(2);
});
