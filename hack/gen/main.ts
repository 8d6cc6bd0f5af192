// `make gen` writes every generated page; with --check (`make verify`) it writes nothing and fails when one differs.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pages } from './all.ts';

const root = join(import.meta.dirname, '..', '..');
const checkOnly = process.argv.includes('--check');
let stale = 0;

for (const page of pages) {
  const file = join(root, page.path);
  const wanted = await page.render();
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found === wanted) continue;
  stale += 1;
  if (checkOnly) {
    console.error(`stale: ${page.path}`);
    continue;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, wanted);
  console.log(`wrote ${page.path}`);
}

if (checkOnly && stale > 0) {
  console.error(
    `${stale} of ${pages.length} generated pages are not current; run "make gen" and commit the result`,
  );
  process.exitCode = 1;
} else {
  console.log(`${pages.length} generated pages are current`);
}
