import { describe, expect, it } from 'vitest';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { FakeClock } from '#test/kit/clock.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { BatchedOutput, OutputBatch } from './output-batch.ts';
import { Outlet } from './outlet.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const text = (value: string): Buffer => Buffer.from(value);

function collector() {
  const writes: string[] = [];
  const state = { isOpen: true };
  const write = (data: Buffer): boolean => {
    writes.push(data.toString());
    return state.isOpen;
  };
  return { writes, write, state };
}

describe('batches', () => {
  function make(batch = new OutputBatch(), clock = new FakeClock()) {
    const { writes, write, state } = collector();
    return { writes, state, clock, output: new BatchedOutput(batch, clock, write) };
  }
  it('ok: what comes after a silence leaves at once', async () => {
    const { writes, output, clock } = make();
    output.add(text('a'));
    expect(writes).toEqual(['a']);
    await clock.advance(1);
    output.add(text('b'));
    expect(writes).toEqual(['a', 'b']);
  });
  it('ok: what follows within a millisecond is put together, and leaves after it', async () => {
    const { writes, output, clock } = make();
    for (const part of ['a', 'b', 'c', 'd']) output.add(text(part));
    expect(writes).toEqual(['a']);
    await clock.advance(1);
    expect(writes).toEqual(['a', 'bcd']);
    output.add(text('e'));
    await clock.advance(1);
    expect(writes).toEqual(['a', 'bcd', 'e']);
  });
  it('ok: a flood leaves in full packets, in order, complete, whatever the time', async () => {
    const { writes, output, clock } = make();
    let sent = '';
    for (let i = 0; i < 300; i++) {
      const part = `${i}`.padStart(1000, '.');
      sent += part;
      output.add(text(part));
      if (i % 70 === 0) await clock.advance(1);
    }
    output.end();
    expect(writes.join('')).toBe(sent);
    expect(writes.length).toBeLessThan(20);
  });
  it('ok: nothing is late, and no timer is left, after the end', async () => {
    const { writes, output, clock } = make();
    output.add(text('a'));
    output.add(text('b'));
    output.end();
    expect(writes).toEqual(['a', 'b']);
    await clock.advance(10);
    expect(writes).toEqual(['a', 'b']);
  });
  it('ok: two terminals share the memory and mix nothing up', async () => {
    const batch = new OutputBatch();
    const clock = new FakeClock();
    const [one, two] = [make(batch, clock), make(batch, clock)];
    for (let i = 0; i < 50; i++) {
      one.output.add(text('1'.repeat(i)));
      two.output.add(text('2'.repeat(i)));
      if (i % 5 === 0) await clock.advance(1);
    }
    for (const { output } of [one, two]) output.end();
    expect(one.writes.join('')).toBe('1'.repeat(1225));
    expect(two.writes.join('')).toBe('2'.repeat(1225));
  });
  it('ok: says when to stop', () => {
    const { output, state } = make();
    state.isOpen = false;
    expect(output.add(text('x'))).toBe(false);
    expect(output.add(text('x'))).toBe(false);
  });
  it('ok: after a stop it is asked anew, so that reading that was resumed goes on', async () => {
    const { writes, output, state, clock } = make();
    state.isOpen = false;
    expect(output.add(text('a'))).toBe(false);
    state.isOpen = true;
    expect(output.add(text('b'))).toBe(true);
    expect(output.add(text('c'))).toBe(true);
    expect(writes).toEqual(['a', 'b']);
    await clock.advance(1);
    expect(writes).toEqual(['a', 'b', 'c']);
  });
});

describe('outlet', () => {
  function make() {
    const state = { channel: true, recorder: true, opened: 0 };
    let drain: () => void = () => {};
    const channel = { write: () => state.channel, writeStderr: () => state.channel } as unknown as Channel;
    const recorder = {
      output: () => state.recorder,
      stderr: () => state.recorder,
      drained: () => new Promise<void>((resolve) => (drain = resolve)),
    } as unknown as SessionRecorder;
    const outlet = new Outlet(channel, recorder, () => state.opened++);
    return { state, outlet, drain: () => drain() };
  }
  it('S33 ok: stops for a client that takes no more, and goes on when it does', () => {
    const { state, outlet } = make();
    expect(outlet.output(text('x'))).toBe(true);
    outlet.drained();
    state.channel = false;
    expect(outlet.errors(text('x'))).toBe(false);
    expect(state.opened).toBe(0);
    outlet.drained();
    expect([state.opened, outlet.isOpen, outlet.sent]).toEqual([1, true, 2]);
  });
  it('S33 ok: stops for a recording that cannot follow; both must be ready', async () => {
    const { state, outlet, drain } = make();
    state.channel = false;
    state.recorder = false;
    expect(outlet.output(text('x'))).toBe(false);
    outlet.drained();
    expect([state.opened, outlet.isOpen]).toEqual([0, false]);
    drain();
    await turn();
    expect([state.opened, outlet.isOpen]).toEqual([1, true]);
  });
});
