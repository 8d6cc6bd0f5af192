import { describe, expect, it } from 'vitest';
import type { SessionRecorder } from '#recordings/recorder.ts';
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
  it('ok: what comes after a silence leaves at once', async () => {
    const { writes, write } = collector();
    const output = new BatchedOutput(new OutputBatch(), write);
    output.add(text('a'));
    expect(writes).toEqual(['a']);
    await turn();
    await turn();
    output.add(text('b'));
    expect(writes).toEqual(['a', 'b']);
  });
  it('ok: what follows in the same turn is put together, and leaves when nothing more comes', async () => {
    const { writes, write } = collector();
    const output = new BatchedOutput(new OutputBatch(), write);
    for (const part of ['a', 'b', 'c', 'd']) output.add(text(part));
    expect(writes).toEqual(['a']);
    for (let i = 0; i < 4; i++) await turn();
    expect(writes).toEqual(['a', 'bcd']);
  });
  it('ok: a flood leaves in full packets, in order, complete', async () => {
    const { writes, write } = collector();
    const output = new BatchedOutput(new OutputBatch(), write);
    let sent = '';
    for (let i = 0; i < 300; i++) {
      const part = `${i}`.padStart(1000, '.');
      sent += part;
      output.add(text(part));
      if (i % 7 === 0) await turn();
    }
    output.end();
    expect(writes.join('')).toBe(sent);
    expect(writes.length).toBeLessThan(20);
  });
  it('ok: what trickles in all the time does not wait for ever', async () => {
    const { writes, write } = collector();
    const output = new BatchedOutput(new OutputBatch(), write);
    for (let i = 0; i < 200; i++) {
      output.add(text('x'));
      await turn();
    }
    expect(writes.length).toBeGreaterThan(3);
  });
  it('ok: two terminals share the memory and mix nothing up', async () => {
    const batch = new OutputBatch();
    const [one, two] = [collector(), collector()];
    const outputs = [new BatchedOutput(batch, one.write), new BatchedOutput(batch, two.write)] as const;
    for (let i = 0; i < 50; i++) {
      outputs[0].add(text('1'.repeat(i)));
      outputs[1].add(text('2'.repeat(i)));
      if (i % 5 === 0) await turn();
    }
    outputs.forEach((output) => output.end());
    expect(one.writes.join('')).toBe('1'.repeat(1225));
    expect(two.writes.join('')).toBe('2'.repeat(1225));
  });
  it('ok: says when to stop', () => {
    const { write, state } = collector();
    state.isOpen = false;
    const output = new BatchedOutput(new OutputBatch(), write);
    expect(output.add(text('x'))).toBe(false);
    expect(output.add(text('x'))).toBe(false);
  });
  it('ok: after a stop it is asked anew, so that reading that was resumed goes on', async () => {
    const { writes, write, state } = collector();
    state.isOpen = false;
    const output = new BatchedOutput(new OutputBatch(), write);
    expect(output.add(text('a'))).toBe(false);
    state.isOpen = true;
    expect(output.add(text('b'))).toBe(true);
    expect(output.add(text('c'))).toBe(true);
    expect(writes).toEqual(['a', 'b']);
    for (let i = 0; i < 4; i++) await turn();
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
