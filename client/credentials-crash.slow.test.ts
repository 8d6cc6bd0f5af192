// R1: whenever a process dies, the identity on disk is a whole one: the last that was confirmed, or the one after it.
import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openCredentialDir } from './credentials-dir.ts';

const CHILD = fileURLToPath(new URL('credentials-crash.child.ts', import.meta.url));

/** The generation that was confirmed last before the process was killed. */
function killAfter(dataDir: string, confirmations: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [dataDir], { stdio: 'inherit' });
    let last = 0;
    let left = confirmations;
    child.on('message', (generation) => {
      last = Number(generation);
      left--;
      if (left === 0) child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('exit', () => resolve(last));
  });
}

test('R1 ok: killed 25 times while it writes, the identity is whole and never goes back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'));
  try {
    const store = openCredentialDir(folder);
    let before = 0;
    for (let round = 0; round < 25; round++) {
      const confirmed = await killAfter(folder, 1 + randomInt(20));
      const found = await store.load();
      expect(found?.generation).toBeGreaterThanOrEqual(confirmed);
      expect(found?.generation).toBeGreaterThanOrEqual(before);
      before = found?.generation ?? 0;
    }
    const last = await store.load();
    if (last === undefined) return expect.unreachable('the identity is gone');
    await store.replace({ ...last, generation: last.generation + 1 });
    expect(readdirSync(folder)).toEqual(['identity.json']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
