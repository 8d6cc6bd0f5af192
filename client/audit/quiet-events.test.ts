// What is left out of the audit log, and what never is.
import { expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { quietEvents } from './quiet-events.ts';
import type { SessionEvent } from './session-events.ts';

function open() {
  const clock = new FakeClock();
  const told: SessionEvent[] = [];
  const emit = quietEvents({ clock, emit: (event) => void told.push(event) });
  const count = (name: string): number => told.filter(({ event }) => event === name).length;
  return { clock, told, emit, count };
}

const refused = (ip: string): SessionEvent => ({
  event: 'port',
  success: false,
  user: 'joe',
  'addr.remote': `${ip}:4711`,
});

it('S33 refuses: to put a flood of refusals on record, whatever port it comes from; how many they were is told', async () => {
  const { clock, told, emit, count } = open();
  for (let i = 0; i < 1000; i++) {
    emit({ ...refused('192.0.2.1'), 'addr.remote': `192.0.2.1:${1000 + i}` });
    emit({ event: 'session.rejected', 'addr.remote': `192.0.2.1:${1000 + i}` });
  }
  expect(told).toHaveLength(50);
  emit(refused('192.0.2.2'));
  expect(told).toHaveLength(51);
  await clock.advance(60_000);
  const [gap] = told.filter(({ event }) => event === 'audit.gap');
  expect(gap).toMatchObject({ lost: 1950 });
  expect(Date.parse(String(gap?.['end_time'])) - Date.parse(String(gap?.['start_time']))).toBe(60_000);
  emit(refused('192.0.2.1'));
  expect(count('port')).toBe(27);
  await clock.advance(600_000);
  expect(count('audit.gap')).toBe(1);
});

it('S33 refuses: a flood of terminal sizes, of each session by itself', async () => {
  const { clock, told, emit, count } = open();
  for (let i = 0; i < 1000; i++) emit({ event: 'resize', sid: 'a', size: `${i}:1` });
  emit({ event: 'resize', sid: 'b', size: '80:24' });
  expect(count('resize')).toBe(31);
  await clock.advance(60_000);
  emit({ event: 'resize', sid: 'a', size: '80:24' });
  expect(told.at(-1)).toEqual({ event: 'resize', sid: 'a', size: '80:24' });
  expect(count('audit.gap')).toBe(0);
});

it('ok: what was done is always told', () => {
  const { told, emit } = open();
  for (let i = 0; i < 1000; i++) {
    emit({ event: 'port', success: true, 'addr.remote': '192.0.2.1:1' });
    emit({ event: 'exec', 'addr.remote': '192.0.2.1:1' });
    emit({ event: 'client.disconnect', 'addr.remote': '192.0.2.1:1' });
  }
  expect(told).toHaveLength(3000);
});
