// Law: a generated page says what its source says, also where there is no git to compare with.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pages } from '#hack/gen/all.ts';
import { ROOT } from './tree.ts';

test.each(pages.map((page) => [page.path, page] as const))('ok: %s is current', async (path, page) => {
  const found = await readFile(join(ROOT, path), 'utf8').catch(() => '');
  expect(
    found === (await page.render()),
    `${path} is not current: run "make gen" and commit the result`,
  ).toBe(true);
});

test('ok: no page in docs/reference has lost its generator', async () => {
  const folder = join(ROOT, 'docs', 'reference');
  const lost = [];
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8');
    const path = `docs/reference/${name}`;
    if (text.startsWith('<!-- Generated') && !pages.some((page) => page.path === path)) lost.push(path);
  }
  expect(lost, 'generated once, but no page of hack/gen/all.ts writes it any more').toEqual([]);
});
