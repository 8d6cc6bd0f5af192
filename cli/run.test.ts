// The streams of a real process: what a test in-process cannot show.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./commands/gatehouse/main.ts', import.meta.url));

async function configure(stdout: 'pipe' | number): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, 'configure'], {
    stdio: ['ignore', stdout, 'pipe'],
  });
  // A reader that wants nothing.
  child.stdout?.destroy();
  let stderr = '';
  child.stderr?.on('data', (part: Buffer) => (stderr += part.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stderr };
}

it('ok: a reader that goes away early is no failure', async () => {
  expect(await configure('pipe')).toEqual({ code: 0, stderr: '' });
});

it('refuses: to be silent about a disk that is full', async () => {
  const full = openSync('/dev/full', 'w');
  const { code, stderr } = await configure(full);
  closeSync(full);
  expect([code, stderr]).toEqual([1, 'ERROR: cannot write the output: the disk is full\n']);
});
