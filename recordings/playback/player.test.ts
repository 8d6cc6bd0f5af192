import { describe, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { memorySource, sampleSegments, sessionId } from '../conformance/samples.ts';
import { openPlayback, type Playback, type PlaybackOptions } from './player.ts';

const SESSION = sessionId(1);

interface Screen {
  readonly playback: Playback;
  readonly clock: FakeClock;
  /** What was shown, with the second at which it was. */
  readonly shown: string[];
  readonly ended: Promise<void>;
  wait(seconds: number): Promise<void>;
}

async function play(times: readonly number[], options: Partial<PlaybackOptions> = {}): Promise<Screen> {
  const segments = await sampleSegments({
    session: SESSION,
    segments: [[times.map((second) => ({ at: second * 1000, output: `<${second}>` }))]],
  });
  const clock = new FakeClock(0);
  const playback = openPlayback(memorySource(SESSION, segments), { clock, ...options });
  const shown: string[] = [];
  const run = async (): Promise<void> => {
    for await (const frame of playback.frames()) {
      if (frame.type === 'output') shown.push(`${clock.now() / 1000}${frame.bytes.toString()}`);
      else if (frame.type === 'reset') shown.push('reset');
    }
  };
  const ended = run();
  const wait = async (seconds: number): Promise<void> => {
    // In small steps: frames that follow each other wait one after the other.
    for (let at = 0; at < seconds * 4; at++) {
      await clock.advance(250);
      await clock.advance(0);
    }
  };
  await wait(0.25);
  clock.step(-250);
  return { playback, clock, shown, ended, wait };
}

describe('playing', () => {
  test('ok: each frame when it was', async () => {
    const { shown, wait, ended } = await play([1, 2, 5]);
    await wait(6);
    await ended;
    expect(shown.map((text) => Math.round(Number.parseFloat(text)))).toEqual([1, 2, 5]);
  });

  test('ok: twice as fast, then half as fast', async () => {
    const { shown, wait, playback } = await play([2, 4, 6], { speed: 2 });
    await wait(2.5);
    expect(shown).toHaveLength(2);
    playback.setSpeed(0.5);
    await wait(1.5);
    expect(shown).toHaveLength(2);
    await wait(1.5);
    expect(shown).toHaveLength(3);
  });

  test('ok: hours of nothing are skipped', async () => {
    const { shown, wait, ended } = await play([1, 7200], { maxIdleMs: 2000 });
    await wait(4);
    await ended;
    expect(shown).toHaveLength(2);
  });

  test('ok: paused for long, it goes on where it was', async () => {
    const { shown, wait, playback } = await play([1, 3]);
    await wait(1.5);
    playback.pause();
    expect(playback.isPaused()).toBe(true);
    await wait(60);
    expect(shown).toHaveLength(1);
    expect(playback.position()).toBeLessThan(2500);
    playback.resume();
    await wait(1);
    expect(shown).toHaveLength(1);
    await wait(1.5);
    expect(shown).toHaveLength(2);
  });

  test('ok: what is before the point of beginning comes at once', async () => {
    const { shown, wait } = await play([1, 2, 100, 103], { fromMs: 101_000 });
    await wait(0.5);
    expect(shown.map((text) => text.replace(/^[^<]*/, ''))).toEqual(['<1>', '<2>', '<100>']);
    await wait(3);
    expect(shown).toHaveLength(4);
  });

  test('ok: forth shows all on the way, back begins anew', async () => {
    const { shown, wait, playback } = await play([1, 2, 3, 50]);
    playback.seek(40_000);
    await wait(0.5);
    expect(shown).toHaveLength(3);
    playback.seek(2500);
    await wait(0.25);
    expect(shown.slice(3).map((text) => text.replace(/^[^<r]*/, ''))).toEqual(['reset', '<1>', '<2>']);
    await wait(1);
    expect(shown.at(-1)).toContain('<3>');
  });

  test('ok: while paused one may go forth and back', async () => {
    const { shown, wait, playback } = await play([1, 2, 3]);
    playback.pause();
    playback.seek(2000);
    await wait(0.5);
    expect(shown).toHaveLength(2);
    playback.seek(1000);
    await wait(0.5);
    expect(shown.slice(2)).toHaveLength(2);
  });

  test('ok: closing ends it', async () => {
    const { playback, ended, shown } = await play([1, 2, 3]);
    playback.close();
    await ended;
    expect(shown).toEqual([]);
  });

  test('ok: what is damaged is told once and the rest is played', async () => {
    const frames = [1, 2, 3].map((second) => [{ at: second * 1000, output: `<${second}>` }]);
    const [segment] = await sampleSegments({ session: SESSION, segments: [frames] });
    segment![segment!.indexOf('<2>')]! ^= 1;
    const findings: string[] = [];
    const playback = openPlayback(memorySource(SESSION, [segment]), {
      clock: new FakeClock(),
      fromMs: 10_000,
      onFinding: ({ kind }) => findings.push(kind),
    });
    const shown: string[] = [];
    for await (const frame of playback.frames())
      if (frame.type === 'output') shown.push(frame.bytes.toString());
    expect(shown).toEqual(['<1>', '<3>']);
    expect(findings).toEqual(['damaged']);
  });
});
