// A folder of its own for a test, gone when the test file is done.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Call at the top of a test file or describe. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
