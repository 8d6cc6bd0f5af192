// A few whole renders, to be read in review when they change: "vitest --update" writes them anew.
import { beforeAll, expect, test } from 'vitest';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { GOLDEN } from './matrix.ts';
import { renderText } from './render.ts';

beforeAll(async () => void (await kubePrograms('helm')), KUBE_START_MS);

test.each(GOLDEN)('ok: $name', async ({ name, chart, values, setup }) => {
  const text = await renderText(chart, values, setup);
  await expect(text.replaceAll('0.1.0', 'VERSION')).toMatchFileSnapshot(`golden/${name}.yaml`);
});
