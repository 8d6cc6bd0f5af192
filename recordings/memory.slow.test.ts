// S33: neither sessions that print without end, nor one that does not wait, nor recordings that were made to unpack to
// gigabytes take more than 64 MB. The heap is small, so that what could be freed is.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MOST = 64 * 1024 * 1024;
const CHILD = join(import.meta.dirname, 'memory.child.ts');

test.each(['ten floods', 'impatient', 'bombs'])('S33 %s: memory stays under 64 MB', async (story) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-memory-'));
  try {
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, [
      '--expose-gc',
      '--max-old-space-size=24',
      '--max-semi-space-size=2',
      CHILD,
      story,
      folder,
    ]);
    expect(Number(stdout)).toBeGreaterThan(0);
    expect(Number(stdout)).toBeLessThan(MOST);
  } finally {
    await rm(folder, { recursive: true });
  }
});
