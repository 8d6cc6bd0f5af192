import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isRunning, processName } from './process-name.ts';

test('ok: this process is running, and its name stays', () => {
  expect(processName()).toBe(processName());
  expect(isRunning(processName())).toBe(true);
});

test('ok: a process that ended is not, nor one that has its number now', async () => {
  const child = spawn('sleep', ['100']);
  const name = processName(child.pid);
  expect(isRunning(name)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isRunning(name)).toBe(false);
  expect(isRunning(`p${process.pid}-${'0'.repeat(12)}1`)).toBe(false);
});

test('ok: without the start of the process its number decides', () => {
  expect(isRunning(`p${process.pid}-0`)).toBe(true);
  expect(isRunning('p999999999-0')).toBe(false);
});

test.each(['', 'p', 'p0-1', 'quarantine', 'left-12', 'p-1-0'])('ok: "%s" names no process', (name) => {
  expect(isRunning(name)).toBe(false);
});
