import { beforeEach, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { Pulses } from './pulse.ts';

const SECOND = 1000;
let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});

function start(answers: boolean) {
  const stream = { bytesRead: 0, bytesWritten: 0 };
  const state = { stream, answers, asked: 0, deadAt: 0 };
  const pulses = new Pulses({ clock, askAfterMs: 4 * SECOND, spreadMs: 2 * SECOND });
  const pulse = pulses.watch({
    stream,
    probe: () => {
      state.asked++;
      return state.answers ? Promise.resolve(true) : new Promise(() => {});
    },
    onDead: () => (state.deadAt = clock.now()),
  });
  return { ...state, state, pulse };
}

it('ok: an end that answers lives on, and is asked every few seconds only', async () => {
  const { state } = start(true);
  await clock.advance(600 * SECOND);
  expect(state.deadAt).toBe(0);
  expect(state.asked).toBeGreaterThan(70);
  expect(state.asked).toBeLessThan(160);
});

it('ok: who hears something anyway does not ask', async () => {
  const { state } = start(false);
  for (let i = 0; i < 300; i++) {
    state.stream.bytesRead += 10;
    await clock.advance(2 * SECOND);
  }
  expect(state).toMatchObject({ asked: 0, deadAt: 0 });
});

it('refuses: an end that fell silent, within 13 s, told once', async () => {
  for (let i = 0; i < 20; i++) {
    const { state } = start(true);
    await clock.advance(60 * SECOND);
    state.answers = false;
    const silentSince = clock.now();
    await clock.advance(60 * SECOND);
    expect(state.deadAt - silentSince).toBeLessThanOrEqual(13 * SECOND);
    expect(state.deadAt - silentSince).toBeGreaterThanOrEqual(5 * SECOND);
  }
});

it('refuses: an end that hears nothing, although its own questions come in', async () => {
  const { state } = start(false);
  const startedAt = clock.now();
  for (let i = 0; i < 6; i++) {
    await clock.advance(5 * SECOND);
    state.stream.bytesRead += i === 0 ? 0 : 68;
  }
  expect(state.deadAt).toBeGreaterThan(0);
  expect(state.deadAt - startedAt).toBeLessThanOrEqual(13 * SECOND);
});

it('ok: with much on its way out, an answer may take longer', async () => {
  const { state } = start(false);
  await clock.advance(3 * SECOND);
  state.stream.bytesWritten = 1024 ** 2;
  await clock.advance(14 * SECOND);
  expect(state.deadAt).toBe(0);
  state.stream.bytesRead = 64 * 1024;
  await clock.advance(4 * SECOND);
  expect(state.deadAt).toBe(0);
  await clock.advance(60 * SECOND);
  expect(state.deadAt).toBeGreaterThan(0);
});

it('ok: hurry asks at once, and stop ends it all', async () => {
  const { state, pulse } = start(false);
  pulse.hurry();
  pulse.hurry();
  expect(state.asked).toBe(1);
  expect(pulse.isInDoubt).toBe(true);
  pulse.stop();
  await clock.advance(60 * SECOND);
  expect(state).toMatchObject({ asked: 1, deadAt: 0 });
});
